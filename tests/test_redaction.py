"""Redaction: a secret is found however it is written, and nothing else is touched."""

from __future__ import annotations

import base64
import copy
import html
import json
import pickle
import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kling_nb.redaction import DOTS, NOTHING, Redaction, Veiled, header_secrets

KEY = 'sk-Ab/3+"<&>=9\\xyz~QQ'
ACCESS = "AkOf32LettersAndDigits0123456789"
VISIBLE = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="%&"), min_size=8, max_size=40
)

SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda key: json.dumps(key)[1:-1],
    "JSON within JSON": lambda key: json.dumps(json.dumps(key)[1:-1])[1:-1],
    "JSON of Go": lambda key: json.dumps(key)[1:-1].replace("<", "\\u003c").replace(">", "\\u003E"),
    "JSON of PHP": lambda key: json.dumps(key)[1:-1].replace("/", "\\/"),
    "JSON, all escaped": lambda key: "".join(f"\\u{ord(sign):04x}" for sign in key),
    "in an address": lambda key: quote(key, safe=""),
    "in an address, small letters": lambda key: quote(key, safe="").replace("%2F", "%2f"),
    "in an address in an address": lambda key: quote(quote(key, safe=""), safe=""),
    "in a form": quote_plus,
    "every sign in an address": lambda key: "".join(f"%{ord(sign):02X}" for sign in key),
    "HTML": html.escape,
    "HTML by numbers": lambda key: "".join(f"&#{ord(sign)};" for sign in key),
    "HTML by hexadecimal numbers": lambda key: "".join(f"&#x{ord(sign):X};" for sign in key),
    "hexadecimal": lambda key: key.encode().hex(),
    "capital hexadecimal": lambda key: key.encode().hex().upper(),
    **{
        f"base64 after {before}": lambda key, before=before: base64.b64encode(b"user:"[:before] + key.encode()).decode()
        for before in range(4)
    },
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(b"a:" + key.encode() + b":b").decode(),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@settings(deadline=None, max_examples=25)
@given(key=VISIBLE)
@example(key=KEY)
def test_a_secret_is_found_however_it_is_written(spelling: str, key: str) -> None:
    """What comes out says no more of a secret than that there was one."""
    spelled = SPELLINGS[spelling](key)

    hidden = Redaction([key]).text(f"no such key: [ {spelled} ] of yours")

    assert hidden == f"no such key: [ {DOTS} ] of yours"


@given(st.binary(max_size=200))
def test_what_has_no_secret_in_it_stays(content: bytes) -> None:
    """Content without the secret comes back as the very same object."""
    assert Redaction([KEY, "another-secret"]).body(content) is content
    assert NOTHING.body(content) is content


ESCAPE = re.compile(
    rb"\\+(?:u00([0-9a-f]{2}))?|%(?:25)*([0-9a-f]{2})|&(?:#x0*([0-9a-f]{2})|#0*([0-9]{2,3})|(amp|lt|gt|quot|apos));",
    re.IGNORECASE,
)
NAMES = {b"amp": b"&", b"lt": b"<", b"gt": b">", b"quot": b'"', b"apos": b"'"}


def meaning(escape: re.Match[bytes]) -> bytes:
    """Return what an escape stands for; backslashes are left out altogether."""
    *codes, number, name = escape.groups()
    told = next(filter(None, codes), None)
    code = int(told, 16) if told else int(number or 256)
    sign = NAMES[name.lower()] if name else bytes([code] if code < 256 else [])
    return sign.replace(b"\\", b"")


def slowly_found(secrets: set[bytes], content: bytes) -> bool:
    """Tell the plain way whether a secret is in there: spell each one out, and undo every escape."""
    spelled = set(secrets)
    for secret in secrets:
        spelled |= {secret.hex().encode(), secret.hex().upper().encode()}
        for before in range(3):
            coded = base64.b64encode(bytes(before) + secret)[(0, 2, 3)[before] : (before + len(secret)) * 4 // 3]
            spelled |= {coded, coded.replace(b"+", b"-").replace(b"/", b"_")}
    read = ESCAPE.sub(meaning, content)
    escaped = read != content and any(secret.replace(b"\\", b"") in read for secret in secrets)
    return escaped or any(word in content for word in spelled)


SECRETS = st.one_of(VISIBLE, st.text("ab\\%&/u0", min_size=8, max_size=10), st.text(min_size=8, max_size=10))


@st.composite
def contents(draw: st.DrawFn, secrets: list[str]) -> bytes:
    """Return something in which secrets stand, each sign of them escaped in its own way, or almost stand."""
    said = [draw(st.binary(max_size=5))]
    for secret in draw(st.lists(st.sampled_from(secrets), max_size=2)):
        plain = secret.encode()[: draw(st.sampled_from([-1, None, None]))]
        packed = base64.b64encode(draw(st.binary(max_size=3)) + plain).translate(bytes.maketrans(b"+/", b"-_"))
        signs = [draw(st.sampled_from(ways(bytes([byte])))) for byte in plain]
        said.append(draw(st.sampled_from([plain, packed, plain.hex().encode(), *[b"".join(signs)] * 4])))
        said.append(draw(st.text("\\%&#;x2u0amp", max_size=5)).encode())
    return b"".join(said)


def ways(sign: bytes) -> list[bytes]:
    """Return how one sign may be written."""
    code, number = sign.hex().encode(), b"%d" % sign[0]
    named = [b"&" + name + b";" for name, known in NAMES.items() if known == sign]
    return [
        sign,
        b"\\" + sign,
        b"\\\\u00" + code,
        b"%2525" + code,
        b"&#X0" + code + b";",
        b"&#0" + number + b";",
        *named,
    ]


@settings(deadline=None)
@given(st.data(), st.lists(SECRETS, min_size=1, max_size=3), st.lists(SECRETS, max_size=2))
def test_the_quick_search_finds_what_the_plain_one_does(data: st.DataObject, first: list[str], more: list[str]) -> None:
    """Whatever is in the content, and whichever tokens were hidden before, the same is found."""
    more += [f"{first[0]}-and-more"]
    content = data.draw(contents(first + more))
    always = Redaction(first)
    for token in (more[:1], [], more, more[:1]):
        known = {secret.encode() for secret in first + token}
        assert always.also(token).finds(content) == slowly_found(known, content)


def test_an_old_token_goes_as_a_whole() -> None:
    """A JWT that was made of the access key before is taken out with its signature."""
    claims = base64.urlsafe_b64encode(json.dumps({"iss": ACCESS, "exp": 1}).encode()).decode().rstrip("=")

    assert Redaction([ACCESS]).text(f'{{"was":"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmF0dXJl"}}') == f'{{"was":"{DOTS}"}}'


def test_the_parts_of_a_key_are_secrets_too() -> None:
    """Both halves of a pair, an API key beside it, and what was fetched with them are hidden."""
    redaction = Redaction.of_key("access-half:secret-half, sk-beside-it", {"access_token": "fetched-token", "ends": 5})

    said = redaction.text("access-half secret-half sk-beside-it fetched-token 5")

    assert said == f"{DOTS} {DOTS} {DOTS} {DOTS} 5"
    assert repr(redaction) == "<Redaction of 5>"


def test_what_is_short_is_left_alone() -> None:
    """A key of a few letters would take words out of every answer."""
    assert Redaction(["code", "a", ""]).text('{"code": 0}') == '{"code": 0}'


def test_more_secrets_can_be_added() -> None:
    """What a single call carries is hidden beside what is always hidden."""
    first = Redaction(["always-hidden"])

    assert first.also(["only-this-once"]).text("always-hidden only-this-once") == f"{DOTS} {DOTS}"
    assert first.text("only-this-once") == "only-this-once"
    assert first.also(["always-hidden"]) is first


def test_headers_are_read_and_hidden() -> None:
    """A call's headers say what is secret; an answer's are rid of it."""
    assert header_secrets(
        {"Authorization": "Bearer token-of-mine", "access_token": "another", "x": " ", "Accept": "application/json"}
    ) == [
        "token-of-mine",
        "another",
    ]
    redaction, headers = Redaction(["token-of-mine"]), {"x-you-sent": "Bearer token-of-mine", "y": "z"}
    assert redaction.answer(headers, b"fine") == ({"x-you-sent": f"Bearer {DOTS}", "y": "z"}, b"fine")
    assert redaction.answer({"y": "z"}, b"fine") == ({"y": "z"}, b"fine")


def test_what_is_veiled_shows_names_only() -> None:
    """A veiled mapping reads like any other, and is neither shown nor copied."""
    veiled = Veiled({"Authorization": KEY})

    assert (veiled["Authorization"], dict(veiled), len(veiled)) == (KEY, {"Authorization": KEY}, 1)
    assert repr(veiled) == "<Authorization: hidden>"
    for held in (veiled, Redaction([KEY])):
        for spread in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                spread(held)
