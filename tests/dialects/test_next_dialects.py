"""What the next dialects need of the contract, stepped through on paper: throwaway classes, recorded replies.

Chanjing's token is fetched; a relay's listing lacks a task; a reply's addresses point elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from driving import hold

from kling_nb.dialect import (
    Asset,
    Call,
    Credential,
    Dialect,
    Encoded,
    Fault,
    Op,
    Phase,
    Reply,
    Status,
    Whose,
    join,
    origin,
    spell,
)
from kling_nb.dialects.falqueue import FalQueue
from kling_nb.dialects.reading import dig, fault_by_status, id_from, link_from, phase_of, step, words_from
from kling_nb.errors import ProviderError
from kling_nb.offer import Knob, Offer, Provider
from kling_nb.request import VideoRequest
from kling_nb.task import Ticket

NOW = 1_790_000_000.0


def row(**fields: Any) -> Provider:
    return Provider(
        **{"id": "relay", "title": "Relay", "dialect": "x", "base_url": "https://relay.example/up", **fields}
    )


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status=status, headers=headers, content=json.dumps(body).encode())


OFFER = Offer(
    provider="relay", model="kling-v2-5-turbo", task_type="text2video", mode="std", name="kling-v2-5-turbo-normal",
    endpoint="/submit", knobs={"prompt": Knob(name="prompt"), "duration": Knob(name="duration", type="integer")},
)  # fmt: skip
REQUEST = VideoRequest(prompt="a fox", model="kling-v2-5-turbo", mode="std", duration=5)


class Paper:
    """What the throwaway dialects share: no finding, no cancelling, a key in a header."""

    finds = False
    cancels = False

    def __init__(self, provider: Provider) -> None:
        self.provider, self.base = provider, provider.base_url or ""

    def encode(self, request: VideoRequest, offer: Offer, own_id: str) -> Encoded:
        spelled = spell(request, offer, {})
        return Encoded(Call(op=Op.SUBMIT, method="POST", url=join(self.base, offer.endpoint), body=spelled.body))

    def ticket(self, remote_id: str, call: Mapping[str, Any]) -> Ticket:
        return Ticket(remote_id)

    def find(self, own_id: str, call: Mapping[str, Any]) -> Generator[Call, Reply, Ticket | None]:
        yield from ()
        return None

    def cancel(self, ticket: Ticket) -> Generator[Call, Reply, bool]:
        yield from ()
        return False

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        yield from ()
        return {"key": key}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        return replace(call, headers={**call.headers, "Authorization": f"Bearer {credential['key']}"})

    def get(self, path: str, op: Op = Op.CHECK) -> Call:
        return Call(op=op, method="GET", url=join(self.base, path))


class Chanjing(Paper):
    """Token by a call, codes under HTTP 200, one listing for up to fifty tasks."""

    def credential(self, key: str) -> Generator[Call, Reply, Credential]:
        app_id, _, secret = key.partition(":")
        body = {"app_id": app_id, "secret_key": secret}
        got = (yield Call(op=Op.CREDENTIAL, method="POST", url=join(self.base, "/access_token"), body=body)).object()
        if got.get("code") != 0:
            message = f"no token: {got.get('msg')}"
            raise ProviderError(message)
        # An absolute time, despite its name; the official client renews five minutes early.
        return {"token": dig(got, "data", "access_token"), "expires_at": dig(got, "data", "expire_in") - 300}

    def sign(self, call: Call, credential: Credential, now: float) -> Call:
        return replace(call, headers={**call.headers, "access_token": credential["token"]})

    def accepted(self, call: Call, reply: Reply) -> Ticket:
        return Ticket(id_from(reply.object().get("data"), reply, "data"))

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        body = {"unique_ids": [ticket.id for ticket in tickets], "type": 4, "page": 1, "page_size": 50}
        got = yield Call(op=Op.CHECK, method="POST", url=join(self.base, "/task/page"), body=body)
        learnt = {str(dig(item, "unique_id")): self.status(item) for item in dig(got.object(), "data", "list") or []}
        for ticket in tickets:
            if ticket.id not in learnt:
                one = yield self.get(f"/task?unique_id={step(ticket.id)}")
                learnt[ticket.id] = self.status(dig(one.object(), "data"))
        return {remote_id: status for remote_id, status in learnt.items() if status}

    def status(self, item: Any) -> Status | None:
        phase, url = phase_of(dig(item, "progress_desc")), link_from(dig(item, "output_url", 0))
        reason = words_from(dig(item, "err_msg"))
        asset = Asset(url=url) if phase is Phase.DONE and url else None
        return Status(phase=phase, reason=reason, asset=asset) if phase else None

    def judge(self, call: Call, reply: Reply) -> Fault | None:
        code, message = reply.object().get("code"), str(reply.object().get("msg"))
        if code == 10400:
            return Fault(whose=Whose.KEY, message=message, code="10400", renew=True)
        if code == 40001:
            return Fault(whose=Whose.RATE, message=message, code="40001", again=True)
        return fault_by_status(reply, message)


class ResultOnly(FalQueue):
    """A relay of fal that proxies the result alone, to a bearer key."""

    cancels = False
    scheme = "Bearer"

    def check(self, tickets: Sequence[Ticket]) -> Generator[Call, Reply, dict[str, Status]]:
        learnt = {}
        for ticket in tickets:
            got = yield Call(op=Op.CHECK, method="GET", url=join(self._base, f"fal-ai/auto/requests/{step(ticket.id)}"))
            url = link_from(dig(got.object(), "video", "url"))
            learnt[ticket.id] = Status(phase=Phase.DONE, asset=Asset(url=url)) if url else Status(phase=Phase.RUNNING)
        return learnt


def test_a_token_is_fetched_by_a_call_and_says_when_it_ends() -> None:
    """`credential` yields the call for a token, unsigned, and answers it with the absolute second it runs out."""
    dialect: Dialect = Chanjing(row())
    calls: list[Call] = []
    token = reply({"code": 0, "msg": "success", "data": {"access_token": "t-1", "expire_in": int(NOW) + 86_400}})
    credential = hold(dialect, dialect.credential("app:secret"), [token], calls)
    assert (calls[0].op, calls[0].body) == (Op.CREDENTIAL, {"app_id": "app", "secret_key": "secret"})
    assert credential["expires_at"] == NOW + 86_400 - 300
    assert dialect.sign(dialect.encode(REQUEST, OFFER, "own").call, credential, NOW).headers == {"access_token": "t-1"}


def test_a_wrong_key_for_a_token_is_an_error_and_not_a_credential() -> None:
    """A refused token ends the conversation with the provider's words, whoever judges its reply."""
    refused = reply({"code": 40000, "msg": "secret_key is wrong", "data": None})
    dialect = Chanjing(row())
    with pytest.raises(ProviderError, match="secret_key is wrong"):
        hold(dialect, dialect.credential("app:secret"), [refused])


def test_a_token_that_ran_out_early_is_renewed_and_nothing_was_bought() -> None:
    """Code 10400 under HTTP 200 asks for a new credential, and proves that a submit was not carried out."""
    dialect = Chanjing(row())
    fault = dialect.judge(
        dialect.encode(REQUEST, OFFER, "own").call, reply({"code": 10400, "msg": "AccessToken 验证失败"})
    )
    assert fault is not None
    assert (fault.renew, fault.rejected, fault.again) == (True, True, False)


def test_an_id_may_be_the_bare_data_of_a_reply() -> None:
    """Chanjing's task id is `data` itself, a string."""
    dialect = Chanjing(row())
    created = reply({"trace_id": "96af", "code": 0, "msg": "success", "data": "a60747d7-dc05-4afc-b2ef-ee4370ed53c6"})
    call = dialect.encode(REQUEST, OFFER, "own").call
    assert dialect.accepted(call, created).id == "a60747d7-dc05-4afc-b2ef-ee4370ed53c6"
    assert (call.body or {})["duration"] == 5


def test_a_listing_by_post_that_lacks_a_task_is_followed_by_a_single_question() -> None:
    """A check may be a POST with a body; what its list lacks is asked singly, and what is nowhere is not learnt."""
    dialect, calls = Chanjing(row()), list[Call]()
    done = {"unique_id": "a", "progress_desc": "Success", "output_url": ["https://res.chanjing.cc/a.mp4"]}
    failed = {"unique_id": "b", "progress_desc": "Error", "err_msg": "任务失败,本次生成不消耗蝉豆", "output_url": []}
    replies = [reply({"code": 0, "data": {"list": [done], "total": 1}}), reply({"code": 0, "data": failed})]
    replies += [reply({"code": 0, "data": None})]
    learnt = hold(dialect, dialect.check([Ticket("a"), Ticket("b"), Ticket("c")]), replies, calls)
    assert [call.method for call in calls] == ["POST", "GET", "GET"]
    assert learnt["a"].asset == Asset(url="https://res.chanjing.cc/a.mp4")
    assert (learnt["b"].phase, learnt["b"].reason) == (Phase.FAILED, "任务失败,本次生成不消耗蝉豆")
    assert "c" not in learnt


def test_addresses_in_a_reply_are_not_followed() -> None:
    """A relay of fal names queue.fal.run in its replies, where its key is useless: the base URL is asked instead."""
    dialect = ResultOnly(row(base_url="https://api.relay.example"))
    offer = replace(OFFER, endpoint="fal-ai/kling-video/v2.5-turbo/pro/text-to-video")
    call = dialect.encode(REQUEST, offer, "own").call
    elsewhere = "https://queue.fal.run/fal-ai/kling-video/requests/r-1"
    told = {"status": "IN_QUEUE", "request_id": "r-1", "response_url": elsewhere, "status_url": elsewhere + "/status"}
    ticket, calls = dialect.accepted(call, reply(told)), list[Call]()
    assert "queue.fal.run" not in json.dumps(dict(ticket.data))
    pending = hold(dialect, dialect.check([ticket]), [reply({"detail": "Request is still in progress"}, 400)], calls)
    assert pending["r-1"].phase is Phase.RUNNING
    assert {origin(call.url) for call in calls} == {("https", "api.relay.example", 443)}
