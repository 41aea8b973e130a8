"""What a dialect makes of replies that were written to do harm: ids, words, links and amounts."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from driving import GUISES, bound, hold, provider_of

from kling_nb import dialects
from kling_nb.dialect import Call, Op, Reply, Unreadable, origin
from kling_nb.dialects.reading import (
    ID_MOST,
    LINK_MOST,
    WORDS_MOST,
    amount_from,
    id_from,
    link_from,
    unreadable,
    words_from,
)

IDS = {
    "a way up": "../../etc/passwd",
    "a root": "/etc/passwd",
    "Windows' way up": "..\\..\\x",
    "a dot": ".",
    "two dots": "..",
    "encoded already": "%2e%2e%2f",
    "a query": "871?x=",
    "a fragment": "871#",
    "a host": "//evil.example/",
    "a user": "@evil.example",
    "another scheme": "https://evil.example/",
    "several": "871,872",
    "nothing to see": "a\x00b\r\nx-y: z",
    "a device": "con",
    "look-alikes": "．．／871\u2024\u2025",
    "half a character": "\ud800871",
}
NAMES = [*dialects.names(), *GUISES]


def said(value: Any) -> Reply:
    """Return a reply that says something in JSON."""
    return Reply(status=200, content=json.dumps(value).encode())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", IDS)
def test_an_id_stays_one_step_of_an_address(name: str, kind: str) -> None:
    """Whatever is in a task's id, it is asked about at the provider, and at no other address than another id is."""
    base, path = str(provider_of(name).base_url), "/v1/" if name == "kling" else "/fal-ai/kling-video/"
    dialect, call = bound(name), Call(op=Op.SUBMIT, method="POST", url=f"{base}{path}videos")
    remote = said([IDS[kind]]).json()[0]
    first, plain = (next(dialect.check([dialect.ticket(one, call.shown())])) for one in (remote, "871"))
    assert origin(first.url) == origin(plain.url)
    assert not {"", ".", ".."} & set(urlsplit(first.url).path.split("/")[1:])
    assert shape(first.url) == shape(plain.url)


def shape(url: str) -> tuple[int, int, int, str]:
    """Return how many steps, parameters and ids an address has, and its fragment."""
    parts = urlsplit(url)
    return parts.path.count("/"), len(parse_qsl(parts.query)), parts.query.count(","), parts.fragment


def test_half_a_character_is_replaced() -> None:
    """Half of a pair, which JSON may spell and nothing can write, is replaced; a whole pair is kept."""
    reply = Reply(status=200, content=rb'{"a": "\ud800 \ud83d\ude00 \\ud800 \uDFFF"}')
    assert reply.object() == {"a": "\ufffd \U0001f600 \\ud800 \ufffd"}
    with pytest.raises(Unreadable, match="expected JSON"):
        Reply(status=200, content=b'"\xed\xa0\x80"').json()


BOMBS = [b"[" * 10**6, b'{"a":' * 10**5, b'{"a": ' + b"1" * 10**6 + b"}", b"\xff" * 9, b""]


@pytest.mark.parametrize("bomb", range(len(BOMBS)))
def test_json_that_is_too_much_is_unreadable(bomb: int) -> None:
    """Depth and digits without end are told with the first words of what came."""
    with pytest.raises(Unreadable, match="expected JSON, got HTTP 200 with"):
        Reply(status=200, content=BOMBS[bomb]).json()


UNREADABLE = {
    (500, b""): "HTTP 500 with an empty body",
    (502, b"<h1>Bad Gateway</h1>\n"): "HTTP 502 with '<h1>Bad Gateway</h1>'",
    (200, b" \n"): "expected JSON, got HTTP 200 with an empty body",
    (404, b"Not Found"): "expected JSON, got HTTP 404 with 'Not Found'",
}


@pytest.mark.parametrize(("status", "content"), UNREADABLE)
def test_an_answer_without_json_says_what_came(status: int, content: bytes) -> None:
    """The status and the first words are told, or that there are none; nobody expects JSON of a server in trouble."""
    assert unreadable(Reply(status=status, content=content)).message == UNREADABLE[status, content]


def test_what_is_too_long_is_cut_or_refused() -> None:
    """A reason is cut, a link and an id of thousands of characters are none."""
    assert len(words_from("x" * 10**6)) == WORDS_MOST
    assert link_from("https://a.example/" + "x" * LINK_MOST) is None
    assert id_from("x" * ID_MOST, said({}), "an id") == "x" * ID_MOST
    for one in ("x" * (ID_MOST + 1), 10**4000):
        with pytest.raises(Unreadable, match="at most 500 characters of an id"):
            id_from(one, said({}), "an id")


def test_words_do_not_command_a_terminal() -> None:
    """Escapes and turns of direction are taken out of what a person reads, lines and letters are kept."""
    hostile = "\x1b]0;owned\x07 a\u202eb\n\tc\x9b2J é"
    assert words_from(hostile) == " ]0;owned  a b\n\tc 2J é"
    assert Reply(status=500, content=hostile.encode()).excerpt() == "]0;owned a b c 2J é"


@pytest.mark.parametrize(
    "odd", ["0E+999999999", "1E-999999999", "0." + "1" * 10**6, 10**4000, 1e-300, "-1", "NaN", "1_0e9"]
)
def test_an_amount_that_cannot_be_written_is_none(odd: Any) -> None:
    """A charge whose digits would fill a disk is no charge; what a provider would say is."""
    assert amount_from(odd) is None
    assert amount_from("0.50") == Decimal("0.50")


@pytest.mark.parametrize("instant", [10**18, 10**30, -5, 1e300, "2126-01-01", None, True, [1]])
def test_a_time_of_no_known_unit_ends_a_listing(instant: Any) -> None:
    """Times in microseconds, from another century, or of no kind at all neither hide a task nor turn pages for ever."""
    dialect, call = (
        bound("native"),
        Call(op=Op.SUBMIT, method="POST", url="https://api.klingai.com/v1/videos/text2video"),
    )
    tickets = [
        dialect.accepted(call, said({"code": 0, "data": {"task_id": name, "created_at": instant}})) for name in "ab"
    ]
    page = [{"task_id": name, "task_status": "processing", "created_at": instant} for name in "ba"]
    calls: list[Call] = []
    learnt = hold(dialect, dialect.check(tickets), [said({"code": 0, "data": page})], calls)
    assert ({"a", "b"}, 1) == (set(learnt), len(calls))
    others = [{**page[0], "task_id": f"other {number}"} for number in range(30)]
    single = said({"code": 0, "data": page[0]})
    assert {"a", "b"} == set(
        hold(dialect, dialect.check(tickets), [said({"code": 0, "data": others})] * 20 + [single] * 2)
    )
