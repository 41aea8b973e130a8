"""A task's life at each simulated relay, from the submit to the clip, in every shape and at every endpoint."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import TypeVar

import anyio
import httpx
import pytest
from driving import CATALOG, OWN_ID, simply
from posting import NOW, reached

from kling_nb import dialects
from kling_nb.dialect import Asset, Call, Fault, Op, Phase, Reply, Status, Unreadable, Whose
from kling_nb.request import VideoRequest
from kling_nb.simulator import Simulator
from kling_nb.task import Ticket

T = TypeVar("T")
AGES_S = (0.0, 0.5, 2.0, 10.0, 30.0, 100.0, 200.0, 400.0, 3000.0)
WAYS = [
    *(("quickrouter", shape) for shape in ("A", "C", "D", "D'")),
    ("relay", ""),
    *(("openroute", endpoint) for endpoint in ("kling", "generations", "videos")),
]


class Living:
    """One relay of a simulator under a hand-turned clock, spoken to as the engine does; a fault ends a test."""

    def __init__(self, provider: str, way: str) -> None:
        self.age = 0.0
        shapes = {provider: way} if provider == "quickrouter" else {}
        self.simulator = Simulator(None, now=lambda: NOW + self.age, shapes=shapes)
        options = {"endpoint": way} if provider == "openroute" else {}
        row = replace(reached(provider), base_url="http://simulator" + self.simulator.path(provider), options=options)
        self.provider, self.dialect = provider, dialects.load(row.dialect)(row)
        self.key = simply(self.dialect.credential(self.simulator.key(provider)))

    def reply(self, call: Call, *, signed: bool = True) -> Reply:
        """Send a call, signed or bare."""
        call = self.dialect.sign(call, self.key, NOW + self.age) if signed else call

        async def talk() -> httpx.Response:
            transport = httpx.ASGITransport(self.simulator.app)
            async with httpx.AsyncClient(transport=transport, headers=dict(call.headers)) as client:
                return await client.request(call.method, call.url, json=call.body)

        answer = anyio.run(talk)
        return Reply(status=answer.status_code, headers=dict(answer.headers), content=answer.content)

    def submit(self, prompt: str) -> Ticket | Fault:
        """Submit the plainest request there is."""
        request = VideoRequest(prompt=prompt, model="kling-v1-6", mode="std")
        call = self.dialect.encode(request, CATALOG.offer(request, self.provider), OWN_ID).call
        self.call, reply = call, self.reply(call)
        return self.dialect.judge(call, reply) or self.dialect.accepted(call, reply)

    def bought(self, prompt: str = "a fox") -> Ticket:
        ticket = self.submit(prompt)
        assert isinstance(ticket, Ticket)
        return ticket

    def hold(self, talk: Generator[Call, Reply, T]) -> T:
        try:
            call = next(talk)
            while True:
                reply = self.reply(call)
                assert self.dialect.judge(call, reply) is None
                call = talk.send(reply)
        except StopIteration as end:
            return end.value

    def status(self, ticket: Ticket, age: float) -> Status:
        self.age = age
        return self.hold(self.dialect.check([ticket]))[ticket.id]

    def fetched(self, asset: Asset, *, signed: bool) -> Reply:
        return self.reply(Call(op=Op.CONTENT, method="GET", url=asset.url), signed=signed)


@pytest.fixture(params=WAYS, ids="-".join)
def living(request: pytest.FixtureRequest) -> Iterator[Living]:
    one = Living(*request.param)
    yield one
    one.simulator.close()


def test_a_task_is_followed_to_its_clip(living: Living) -> None:
    """It is queued, runs and is done, never going back, and its link serves the clip to whom it says."""
    ticket = living.bought()
    told = [living.status(ticket, age) for age in AGES_S]
    order = [Phase.QUEUED, Phase.RUNNING, Phase.DONE]
    assert [status.phase for status in told] == sorted((status.phase for status in told), key=order.index)
    assert {status.phase for status in told} == {*order}
    asset = told[-1].asset
    assert asset is not None
    clip = living.fetched(asset, signed=asset.credential)
    assert (clip.status, clip.headers["content-type"]) == (200, "video/mp4")


def test_a_failed_task_says_whose_fault_it_is(living: Living) -> None:
    """A task that risk control stops ends as failed by policy, with Kling's words."""
    told = living.status(living.bought("#sim:risk-control"), AGES_S[-1])
    assert (told.phase, told.whose, told.charged) == (Phase.FAILED, Whose.POLICY, None)
    assert "risk control" in told.reason


@pytest.mark.parametrize(
    ("word", "whose", "again"),
    [
        ("funds", {Whose.BALANCE}, False),
        ("busy", {Whose.FULL, Whose.RATE}, True),
        ("rate-limit", {Whose.FULL, Whose.RATE}, True),
        ("moderation", {Whose.POLICY}, False),
    ],
)
def test_a_no_is_understood(living: Living, word: str, whose: set[Whose], again: bool) -> None:
    """An empty balance, a full account and refused content are told apart, and each proves that nothing was bought."""
    fault = living.submit(f"#sim:{word}")
    assert isinstance(fault, Fault)
    assert (fault.whose in whose, fault.again, fault.rejected) == (True, again, True), fault
    assert living.simulator.ledger() == []


def test_a_wrong_key_is_the_keys_fault(living: Living) -> None:
    """Another key is refused, and that is said to be the key's fault."""
    living.key = simply(living.dialect.credential("sk-another"))
    fault = living.submit("a fox")
    assert isinstance(fault, Fault)
    assert (fault.whose, fault.rejected) == (Whose.KEY, True)


def test_a_task_that_is_not_there_is_not_learnt(living: Living) -> None:
    """An unknown id is an answer that says nothing, at every relay."""
    ticket = living.bought()
    assert living.hold(living.dialect.check([replace(ticket, id="0000")])) == {}


def test_a_lost_submit_is_found_where_our_id_travels(living: Living) -> None:
    """By our own id the task is found that was made; one that was not made leaves a relay's answer open."""
    ticket = living.bought()
    if not living.dialect.finds:
        return
    paid = living.call.shown()
    found = living.hold(living.dialect.find(OWN_ID, paid))
    assert found is not None
    assert found.id == ticket.id
    with pytest.raises(Unreadable):
        living.hold(living.dialect.find("knb-other", paid))


@pytest.mark.parametrize("endpoint", ["kling", "generations", "videos"])
@pytest.mark.parametrize("word", ["no-url", "old-url"])
def test_a_gateways_clip_is_fetched_wherever_it_puts_the_link(endpoint: str, word: str) -> None:
    """Without a link the gateway serves the clip itself, to its key alone; an older one gives the link elsewhere."""
    living = Living("openroute", endpoint)
    asset = living.status(living.bought(f"#sim:{word}"), AGES_S[-1]).asset
    assert asset is not None
    assert living.fetched(asset, signed=asset.credential).status == 200
    assert asset.credential is (word == "no-url")
    assert living.fetched(asset, signed=False).status == (401 if asset.credential else 200)
    living.simulator.close()
