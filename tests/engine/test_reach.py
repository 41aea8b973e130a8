"""Asking a provider whether it is there and takes the key: one call over a real socket, free, and no second one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from strict_socket import Act, Script, Seen, StrictSocket, answer

from kling_nb import catalog
from kling_nb.dialect import Call, Op
from kling_nb.dialects.falqueue import FalQueue
from kling_nb.dialects.reading import NOT_THERE
from kling_nb.engine.reach import Reached, Target, Verdict, reach, target
from kling_nb.errors import InputError
from kling_nb.keys import Access, access
from kling_nb.secret import Secret
from kling_nb.simulator import Simulator, running

CATALOG = catalog.load()
KEYS = {"fal": "id-0000:secret-0000", "kling": "access-0000:secret-0000", "chanjing": "app-0000:secret-0000"}
TOKEN = {"code": 0, "msg": "success", "data": {"access_token": "token-0000", "expire_in": 4_000_000_000}}
HTML = b"<html><body>Welcome to nginx</body></html>"


@dataclass
class Played:
    """The simulator on a socket."""

    simulator: Simulator
    base: str

    def key(self, provider: str, *, wrong: bool = False) -> str:
        """Return a provider's key, or one in its form that is not the provider's."""
        key = self.simulator.key(provider).partition(",")[0]
        return key[:-4] + "zzzz" if wrong else key

    def ask(self, provider: str, key: str) -> Reached:
        """Ask one provider."""
        return ask(provider, self.base + self.simulator.path(provider), key)


@pytest.fixture(scope="module")
def played() -> Iterator[Played]:
    """Play all providers on 127.0.0.1."""
    simulator = Simulator(None)
    with running(simulator) as base:
        yield Played(simulator, base)
    simulator.close()


def aimed(provider: str, base: str, key: str) -> Target:
    """Return a provider to ask, at an address and with a key."""
    return target(CATALOG, CATALOG.provider(provider), Access(key=Secret(key, "a test"), base_url=base))


def ask(provider: str, base: str, key: str | None = None) -> Reached:
    """Ask one provider at an address."""
    (reached,) = reach([aimed(provider, base, key or KEYS[provider])])
    assert reached.provider == provider
    assert reached.seconds >= 0
    return reached


def scripted(provider: str, *pieces: bytes | Act) -> tuple[Reached, list[Seen]]:
    """Ask a provider that answers with these bytes; returns also what it really received."""
    with StrictSocket.running(lambda _: pieces) as server:
        return ask(provider, server.url), server.seen


def body(value: object, status: str = "200 OK") -> bytes:
    """Return an answer in JSON."""
    return answer(json.dumps(value).encode(), status, "content-type: application/json")


PLAYED = ("kling", "fal", "chanjing", "quickrouter", "quickrouter-fal", "relay", "openroute")


@pytest.mark.parametrize("provider", PLAYED)
def test_a_key_is_accepted(played: Played, provider: str) -> None:
    """A provider that is there and takes the key is usable, and nothing was bought to learn it."""
    reached = played.ask(provider, played.key(provider))
    assert Verdict.ACCEPTED is reached.verdict
    assert reached.usable
    assert [] == played.simulator.ledger()


@pytest.mark.parametrize("provider", PLAYED)
def test_a_key_is_refused_in_the_providers_words(played: Played, provider: str) -> None:
    """A wrong key is told as such, with what the provider said and without the key."""
    key = played.key(provider, wrong=True)
    reached = played.ask(provider, key)
    assert Verdict.REFUSED is reached.verdict
    assert not reached.usable
    assert reached.words
    assert not [part for part in key.split(":") if part in f"{reached}"]


def test_all_are_asked_at_once_and_told_in_order(played: Played) -> None:
    """Several providers are answered in the order in which they were named, whoever is quicker."""
    names = ("fal", "chanjing", "kling")
    targets = [aimed(name, played.base + played.simulator.path(name), played.key(name)) for name in names]
    assert list(names) == [one.provider for one in reach(targets)]
    assert [] == reach([])


@pytest.mark.parametrize("provider", ["fal", "kling", "chanjing"])
def test_a_dead_port_is_not_reachable(provider: str) -> None:
    """Where nobody listens, the reason is said; nothing is tried again."""
    with StrictSocket.running(lambda _: [Act.CLOSE]) as server:
        base = server.url
    reached = ask(provider, base)
    assert Verdict.UNREACHABLE is reached.verdict
    assert "no connection could be made" in reached.words


@pytest.mark.parametrize(
    "pieces", [[Act.RESET], [Act.CLOSE], [b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", Act.CLOSE]]
)
def test_a_lost_answer_is_not_reachable(pieces: Sequence[bytes | Act]) -> None:
    """A connection that breaks is no answer, and one call is all that was sent."""
    reached, seen = scripted("fal", *pieces)
    assert Verdict.UNREACHABLE is reached.verdict
    assert 1 == len(seen)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "400 Bad Request", "404 Not Found", "502 Bad Gateway"])
@pytest.mark.parametrize("provider", ["fal", "kling", "chanjing"])
def test_a_page_is_no_answer(provider: str, status: str) -> None:
    """HTML in place of an answer is somebody else, whatever the status: the key is neither accepted nor refused."""
    reached, seen = scripted(provider, answer(HTML, status, "content-type: text/html"))
    assert Verdict.STRANGE is reached.verdict
    assert "nginx" in reached.words
    assert 1 == len(seen)


CASES = {
    "a task that is not there": ("fal", body({"detail": "Not Found"}, "404 Not Found"), Verdict.ACCEPTED),
    "a code for a task that is not there": ("kling", body({"code": 1203}, "404 Not Found"), Verdict.ACCEPTED),
    "an id of another form": ("fal", body({"detail": "no UUID"}, "422 Unprocessable Content"), Verdict.ACCEPTED),
    "too many requests": ("kling", body({"code": 1302, "message": "slow"}, "429 Too Many Requests"), Verdict.ACCEPTED),
    "a path that is not there": ("kling", body({"detail": "Not Found"}, "404 Not Found"), Verdict.STRANGE),
    "an empty balance": ("fal", body({"detail": "Exhausted balance"}, "403 Forbidden"), Verdict.NO_FUNDS),
    "an empty account": ("kling", body({"code": 1102, "message": "balance not enough"}), Verdict.NO_FUNDS),
    "a fault of its own": ("kling", body({"code": 5001}, "503 Service Unavailable"), Verdict.STRANGE),
    "a list": ("kling", body([]), Verdict.STRANGE),
    "an expired token": ("kling", body({"code": 1004, "message": "expired"}, "401 Unauthorized"), Verdict.REFUSED),
    "no token in the answer": ("chanjing", body({"code": 0, "data": {}}), Verdict.STRANGE),
    "a token": ("chanjing", body(TOKEN), Verdict.ACCEPTED),
}


@pytest.mark.parametrize("case", CASES)
def test_what_an_answer_means(case: str) -> None:
    """Each kind of answer has its verdict, told after exactly one call, which is no submit."""
    provider, reply, verdict = CASES[case]
    reached, seen = scripted(provider, reply)
    assert verdict is reached.verdict
    assert reached.usable is (verdict is Verdict.ACCEPTED)
    assert 1 == len(seen)
    assert ("POST", "/open/v1/access_token") == (seen[0].method, seen[0].target) or "GET" == seen[0].method


@pytest.mark.parametrize("status", sorted(NOT_THERE))
def test_what_says_that_a_path_is_not_there_is_not_usable(status: int) -> None:
    """Whatever statuses the dialects take for a path that leads to nothing, also with a code that blames the question."""
    reached, _ = scripted("kling", body({"code": 1201, "message": "no such path"}, f"{status} Somehow"))
    assert Verdict.STRANGE is reached.verdict


def test_words_that_repeat_the_key_are_told_without_it() -> None:
    """A provider may quote what it was given; nobody reads it here."""
    echo: Script = lambda seen: [body({"detail": f"No user for {seen.headers['authorization']}"}, "401 Unauthorized")]  # noqa: E731
    with StrictSocket.running(echo) as server:
        reached = ask("fal", server.url)
    assert Verdict.REFUSED is reached.verdict
    assert "No user for Key ••••" in reached.words


@pytest.mark.parametrize(("keys", "lacks"), [({}, "no key: set KLING_NB_RELAY_KEY"), ({"relay": "sk-0000"}, "no host")])
def test_without_key_or_host_nobody_can_be_asked(keys: dict[str, str], lacks: str) -> None:
    """What is missing is said, and nothing is sent."""
    with pytest.raises(InputError, match=f"relay was not asked: {lacks}"):
        target(CATALOG, CATALOG.provider("relay"), access(CATALOG.provider("relay"), keys))


def test_a_key_of_two_parts_asks_by_the_first_thing_that_it_opens() -> None:
    """An API key alone reaches Kling too: asked is for a task of something that it opens."""
    assert Verdict.ACCEPTED is scripted("kling", body({"code": 1203}))[0].verdict
    with StrictSocket.running(lambda _: [body({"code": 1203})]) as server:
        assert Verdict.ACCEPTED is ask("kling", server.url, "api-key-0000").verdict
    assert "Bearer api-key-0000" == server.seen[0].headers["authorization"]


def test_a_dialect_that_would_buy_is_stopped() -> None:
    """A dialect of another package that submits in order to check is not sent: only free calls go out."""

    class Buyer(FalQueue):
        def _call(self, *_: object) -> Call:
            return Call(op=Op.SUBMIT, method="POST", url=f"{self._base}/buy")

    class Broken(FalQueue):
        def judge(self, *_: object) -> None:
            raise KeyError

    with StrictSocket.running(lambda _: [body({})]) as server:
        asked = aimed("fal", server.url, KEYS["fal"])
        for kind, sent, words in ((Buyer, 0, "nothing was sent"), (Broken, 1, "KeyError")):
            odd = Target(provider=asked.provider, dialect=kind(asked.provider), key=asked.key, submit=asked.submit)
            (reached,) = reach([odd])
            assert Verdict.STRANGE is reached.verdict
            assert words in reached.words
            assert sent == len(server.seen)
