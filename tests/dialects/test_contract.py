"""What every dialect owes, run over each that is installed: pure spelling, careful reading, no surprises."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from asking import accepted, plain
from driving import CATALOG, GUISES, OWN_ID, Faulty, bound, hold, provider_of, simply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kling_nb import dialects
from kling_nb.dialect import Call, Dialect, Fault, Op, Phase, Reply, Status, Unreadable, Whose, origin
from kling_nb.dialects.falqueue import FalQueue
from kling_nb.dialects.native import Native
from kling_nb.errors import InputError
from kling_nb.offer import Offer
from kling_nb.request import VideoRequest
from kling_nb.task import Ticket

KEYS = {
    "native": "access0000:secret0000", "falqueue": "id-0000:secret-0000",
    "flat": "sk-flat-0000", "newapi": "sk-newapi-0000", "chanjing": "app-0000:secret-0000",
    "kling": "access0000:secret0000,api-key-0000", "kling-path": "access0000:secret0000,api-key-0000",
    "falqueue-relay": "sk-relay-0000",
}  # fmt: skip
NOW = 1_790_000_000.0

# Any JSON at all, and JSON that comes close: the words of the contracts in the wrong places.
WORDS = ("task_id", "task_status", "task_result", "videos", "url", "data", "code", "message", "status", "detail", "error",
         "error_type", "request_id", "video", "created_at", "loc", "msg", "type", "final_unit_deduction",
         "queue_position", "id", "output_url", "progress", "result_url", "fail_reason", "metadata",
         "quota", "task_info", "outputs", "billing", "charge_type", "amount", "currency", "external_id", "unique_id",
         "progress_desc", "list", "access_token", "expire_in")  # fmt: skip
VALUES = (
    "succeed",
    "failed",
    "COMPLETED",
    "IN_QUEUE",
    "NOT_START",
    "FAILURE",
    "fail_to_fetch_task",
    '{"code": 1303}',
    "http://[x",
    "task-1",
    "success",
    "1203",
    "https://example.org/clip.mp4",
    "NaN",
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 6000), st.just(10**4000), st.floats(allow_nan=False),
    st.text(max_size=5), st.sampled_from(VALUES), st.just(1203), st.just(0),
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)
CONTENT = st.one_of(
    JSON.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=40),
    st.sampled_from([b"", b"<html>", b"[" * 100_000, b"9" * 10_000, b'{"code": NaN}', b"\xff\xfe", b'"\\ud800"']),
    st.integers(10, 900).map(
        lambda deep: b'{"code":' + b"[" * deep + b"]" * deep + b',"detail":' + b"[" * deep + b"]" * deep + b"}"
    ),
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "x-fal-billable-units", "x-fal-error-type"]),
    st.sampled_from(["", "5", "nan", "inf", "-3", "1e999", "soon", "client_cancelled"]),
)
REPLIES = st.builds(
    Reply,
    status=st.sampled_from(
        [200, 201, 202, 204, 301, 303, 400, 401, 403, 404, 405, 408, 409, 410, 422, 429, 499, 500, 503]
    ),
    headers=HEADERS,
    content=CONTENT,
)


def parts(value: Any) -> Iterator[Any]:
    yield value
    if isinstance(value, Mapping | list | tuple):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from parts(item)


def offer(request: VideoRequest, name: str) -> Offer:
    return CATALOG.offer(request, provider_of(name))


def anything(name: str) -> st.SearchStrategy[VideoRequest]:
    return accepted(provider_of(name).id)


def credential(dialect: Dialect, name: str) -> Any:
    """What a call is signed with; a token, where one has to be fetched, comes as its page has it."""
    token = {"code": 0, "msg": "success", "data": {"access_token": "token-0000", "expire_in": int(NOW) + 86_400}}
    return hold(dialect, dialect.credential(KEYS[name]), [reply(token)])


@pytest.mark.parametrize("name", [*dialects.names(), *GUISES])
class TestContract:
    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=40)
    @given(data=st.data())
    def test_encoding_is_pure(self, name: str, data: st.DataObject) -> None:
        """The same request is spelled the same way, to the provider's own origin, with no nulls and no credential."""
        request = data.draw(anything(name))
        sold, before = offer(request, name), copy.deepcopy(request.canonical())
        one, other = bound(name).encode(request, sold, OWN_ID), bound(name).encode(request, sold, OWN_ID)
        assert one == other
        assert request.canonical() == before
        assert one.call.op is Op.SUBMIT
        assert origin(one.call.url) == origin(provider_of(name).base_url or "")
        assert None not in list(parts(one.call.body))
        assert "authorization" not in {header.lower() for header in one.call.headers}
        json.dumps(one.call.shown())

    def test_our_own_id_travels_where_it_can_be_looked_up(self, name: str) -> None:
        """A dialect that finds by our own id sends it, and it is not sent twice the same for two attempts."""
        dialect, request = bound(name), plain(name)
        bodies = [dialect.encode(request, offer(request, name), own_id).call.body for own_id in ("a-1", "b-2")]
        told = [[own_id in list(parts(body)) for own_id in ("a-1", "b-2")] for body in bodies]
        assert told == ([[True, False], [False, True]] if dialect.finds else [[False, False]] * 2)

    def test_signing_changes_headers_only(self, name: str) -> None:
        """A credential goes into headers and nowhere else, and no call but a signed one holds it."""
        dialect = bound(name)
        signed_with = credential(dialect, name)
        for call in self._calls(dialect, name):
            signed = dialect.sign(call, signed_with, NOW)
            assert signed.headers != call.headers
            assert (signed.op, signed.method, signed.url, signed.body) == (call.op, call.method, call.url, call.body)
            assert not {*KEYS[name].split(":")} & {str(part) for part in parts(dict(call.headers))}
            assert signed == dialect.sign(call, signed_with, NOW)

    @pytest.mark.parametrize("key", ["", " ", "\n"])
    def test_a_key_that_is_none_is_refused_with_a_sentence(self, name: str, key: str) -> None:
        """A key that cannot be one is an error that names the provider and shows no secret."""
        with pytest.raises(InputError, match=provider_of(name).id):
            simply(bound(name).credential(key))

    def test_every_call_goes_to_the_provider_itself(self, name: str) -> None:
        """Reads are addressed by the base URL, whatever was in a ticket's id."""
        dialect = bound(name)
        for call in self._calls(dialect, name, "../../x?y#z /"):
            assert origin(call.url) == origin(provider_of(name).base_url or "")
            path = call.url.removeprefix(provider_of(name).base_url or "")
            assert not set("# ") & set(path)
            assert not set("?/") & set(path.partition("?")[2])
            assert ".." not in path.split("/")

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=80)
    @given(replies=st.lists(REPLIES, min_size=25, max_size=25))
    def test_no_reply_surprises_a_conversation(self, name: str, replies: list[Reply]) -> None:
        """Whatever comes as reply to a read, it ends in a plain answer, a fault or `Unreadable`."""
        dialect = bound(name)
        paid = self._paid(dialect, name)
        tickets = [dialect.ticket(remote_id, paid.shown()) for remote_id in ("task-1", "task-2")]
        for asked in (tickets[:1], tickets):
            for status in (self._held(dialect, dialect.check(asked), replies) or {}).values():
                assert isinstance(status, Status)
                assert isinstance(status.phase, Phase)
                assert isinstance(status.reason, str)
                assert status.cost is None or (status.cost.amount.is_finite() and status.cost.amount >= 0)
                assert (status.asset is not None) is (status.phase is Phase.DONE)
        found = self._held(dialect, dialect.find(OWN_ID, paid.shown()), replies)
        assert found is None or isinstance(found, Ticket)
        assert self._held(dialect, dialect.cancel(tickets[0]), replies) in (None, True, False)
        if signed_with := self._held(dialect, dialect.credential(KEYS[name]), replies):
            assert all(value.isprintable() for value in dialect.sign(paid, signed_with, NOW).headers.values())

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=80)
    @given(reply=REPLIES)
    def test_no_reply_to_a_submit_surprises(self, name: str, reply: Reply) -> None:
        """Whatever comes as reply to a submit, it is a fault, a ticket that can be asked about, or `Unreadable`."""
        dialect = bound(name)
        paid = self._paid(dialect, name)
        if fault := dialect.judge(paid, reply):
            self._check_fault(fault)
            return
        try:
            ticket = dialect.accepted(paid, reply)
        except Unreadable:
            return
        assert ticket.id
        kept = Ticket(ticket.id, json.loads(json.dumps(dict(ticket.data))))
        assert next(dialect.check([kept, kept])).op is Op.CHECK

    @settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=80)
    @given(reply=REPLIES, op=st.sampled_from(list(Op)))
    def test_judging_never_fails(self, name: str, reply: Reply, op: Op) -> None:
        """Any reply to any call is judged, and a fault is complete: whose, a message, a wait that ends."""
        call = Call(op=op, method="GET", url=f"{provider_of(name).base_url}/v1/videos/text2video/x/status")
        if fault := bound(name).judge(call, reply):
            self._check_fault(fault)

    @pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
    def test_an_error_page_does_not_prove_a_rejection(self, name: str, status: int) -> None:
        """A proxy's page in place of an answer leaves a submit in doubt: it may have been bought."""
        dialect = bound(name)
        fault = dialect.judge(self._paid(dialect, name), Reply(status=status, content=b"<html>sorry</html>"))
        assert fault is not None
        assert not fault.rejected

    def _check_fault(self, fault: Fault) -> None:
        assert isinstance(fault.whose, Whose)
        assert isinstance(fault.message, str)
        assert isinstance(fault.code, str)
        assert fault.after is None or 0 <= fault.after < float("inf")
        str(fault)

    def _held(self, dialect: Dialect, talk: Any, replies: list[Reply]) -> Any:
        try:
            return hold(dialect, talk, replies)
        except (Unreadable, Faulty):
            return None

    def _paid(self, dialect: Dialect, name: str) -> Call:
        request = plain(name)
        return dialect.encode(request, offer(request, name), OWN_ID).call

    def _calls(self, dialect: Dialect, name: str, remote_id: str = "task-1") -> list[Call]:
        paid = self._paid(dialect, name)
        ticket = dialect.ticket(remote_id, paid.shown())
        talks = [dialect.check([ticket]), dialect.check([ticket, ticket]), dialect.cancel(ticket)]
        talks += [dialect.find(OWN_ID, paid.shown())]
        return [paid, *(call for talk in talks if (call := next(talk, None)))]


def reply(body: Any, status: int = 200) -> Reply:
    return Reply(status=status, content=json.dumps(body).encode())


class TestNativeListing:
    def native(self) -> Native:
        return Native(provider_of("native"))

    def ticket(self, number: int) -> Ticket:
        return Ticket(f"t{number}", {"path": "/v1/videos/text2video", "created_ms": 1_000 + number})

    def item(self, number: int, word: str = "processing") -> dict[str, Any]:
        return {"task_id": f"t{number}", "task_status": word, "created_at": 1_000 + number}

    def page(self, *numbers: int) -> Reply:
        return reply({"code": 0, "data": [self.item(number) for number in numbers]})

    def test_several_tasks_are_asked_for_in_one_call(self) -> None:
        """Tasks of one path are read from the account's list, and nothing else is asked once all are found."""
        calls: list[Call] = []
        dialect = self.native()
        learnt = hold(dialect, dialect.check([self.ticket(1), self.ticket(2)]), [self.page(9, 2, 1)], calls)
        assert learnt.keys() == {"t1", "t2"}
        assert [call.url.partition("/v1")[2] for call in calls] == ["/videos/text2video?pageNum=1&pageSize=30"]

    def test_pages_are_turned_until_the_oldest(self) -> None:
        """The list is newest first: pages are turned until one ends before the oldest task that is asked for."""
        calls: list[Call] = []
        dialect = self.native()
        newest, older = self.page(*range(90, 60, -1)), self.page(*[n for n in range(60, 29, -1) if n != 45])
        single = reply({"code": 0, "data": self.item(45, "submitted")})
        learnt = hold(dialect, dialect.check([self.ticket(70), self.ticket(45)]), [newest, older, single], calls)
        assert learnt["t45"].phase is Phase.QUEUED
        assert [call.url.rpartition("/")[2] for call in calls] == [
            "text2video?pageNum=1&pageSize=30", "text2video?pageNum=2&pageSize=30", "t45",
        ]  # fmt: skip

    def test_what_a_listing_lacks_is_asked_singly(self) -> None:
        """A task that a short list lacks is asked for by itself, and one that is not there either is not learnt."""
        calls: list[Call] = []
        dialect = self.native()
        gone = reply({"code": 1203, "message": "Task not found"}, 404)
        learnt = hold(dialect, dialect.check([self.ticket(1), self.ticket(2)]), [self.page(2), gone], calls)
        assert learnt.keys() == {"t2"}
        assert calls[-1].url.endswith("/v1/videos/text2video/t1")

    def test_a_listing_that_never_ends_is_left(self) -> None:
        """A relay that ignores the page's number is not asked for ever."""
        calls: list[Call] = []
        dialect = self.native()
        same = self.page(*range(190, 160, -1))
        single = reply({"code": 0, "data": self.item(1)})
        hold(dialect, dialect.check([self.ticket(1), self.ticket(2)]), [*[same] * 20, single, single], calls)
        assert len(calls) == 22

    def test_tasks_of_two_paths_are_asked_for_apart(self) -> None:
        """A list holds one path's tasks, so that each path is asked for by itself."""
        calls: list[Call] = []
        dialect = self.native()
        other = Ticket("i1", {"path": "/v1/videos/image2video"})
        found = reply({"code": 0, "data": {"task_id": "i1", "task_status": "submitted"}})
        learnt = hold(dialect, dialect.check([self.ticket(1), self.ticket(2), other]), [found, self.page(2, 1)], calls)
        assert learnt.keys() == {"i1", "t1", "t2"}


def test_a_native_token_lives_from_the_attempt_on() -> None:
    """A token is made for each attempt, valid from five seconds before it for half an hour."""
    import jwt

    dialect = Native(provider_of("native"))
    call = Call(op=Op.CHECK, method="GET", url="https://api-singapore.klingai.com/v1/videos/text2video/1")
    signed = dialect.sign(call, simply(dialect.credential(KEYS["native"])), NOW)
    token = signed.headers["Authorization"].removeprefix("Bearer ")
    claims = jwt.decode(
        token, "secret0000".ljust(32, "\0"), algorithms=["HS256"], options={"verify_exp": False, "verify_nbf": False}
    )
    assert claims == {"iss": "access0000", "exp": int(NOW) + 1800, "nbf": int(NOW) - 5}


def test_a_native_key_may_be_an_api_key() -> None:
    """A console key is sent as it is."""
    dialect = Native(provider_of("native"))
    call = Call(op=Op.CHECK, method="GET", url="https://api-singapore.klingai.com/v1/videos/text2video/1")
    assert dialect.sign(call, simply(dialect.credential("api-key-1")), NOW).headers == {
        "Authorization": "Bearer api-key-1"
    }


def test_fal_is_asked_below_owner_and_app_only() -> None:
    """Status, result and cancel keep the first two steps of the endpoint: the whole path answers 405."""
    dialect = FalQueue(provider_of("falqueue"))
    ticket = dialect.ticket("r1", {"url": "https://queue.fal.run/fal-ai/kling-video/v2.5-turbo/pro/text-to-video"})
    assert next(dialect.check([ticket])).url == "https://queue.fal.run/fal-ai/kling-video/requests/r1/status"
    assert next(dialect.cancel(ticket)).url == "https://queue.fal.run/fal-ai/kling-video/requests/r1/cancel"


def test_a_knob_of_ones_own_is_passed_as_it_is() -> None:
    """What `extra` holds for fal under a name that the dialect uses inside is not taken for its own."""
    request = VideoRequest(prompt="a fox", model="kling-v2-6", mode="pro", extra={"fal": {"camera": "wide"}})
    call = FalQueue(provider_of("falqueue")).encode(request, CATALOG.offer(request, "fal"), OWN_ID).call
    assert (call.body or {})["camera"] == "wide"
