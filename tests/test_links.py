"""Links: which places a stranger's link may lead to."""

from __future__ import annotations

import pytest
from wired import NamedLoop, http, run  # noqa: F401 (a fixture)

from kling_nb.errors import MediaError
from kling_nb.links import judge, named, onward, place_of, refuse_downgrade, without_query

pytestmark = pytest.mark.usefixtures("http")


@pytest.mark.parametrize(
    ("host", "own", "place"),
    [
        ("93.184.216.34", "api.example", None),
        ("cdn.example", "api.example", None),
        ("198.18.0.7", "api.example", None),
        ("fake-ip.example", "api.example", None),
        ("mixed.example", "api.example", None),
        ("127.0.0.1", "api.example", "this machine"),
        ("localhost", "api.example", "this machine"),
        ("a.localhost.", "api.example", "this machine"),
        ("localhost。", "api.example", "this machine"),
        ("127。0。0。1", "api.example", "this machine"),
        ("127｡1", "api.example", "this machine"),
        ("１０.0.0.1", "api.example", "a private network"),
        ("::1", "api.example", "this machine"),
        ("fe80::1%eth0", "api.example", "a link-local address"),
        ("0.0.0.0", "api.example", "an unspecified address"),
        ("::ffff:127.0.0.1", "api.example", "this machine"),
        ("2130706433", "api.example", "this machine"),
        ("0x7f.1", "api.example", "this machine"),
        ("inside.example", "api.example", "a private network"),
        ("172.16.0.1", "api.example", "a private network"),
        ("169.254.169.254", "api.example", "a link-local address"),
        ("fec0::1", "api.example", "a private network"),
        ("100.64.0.1", "api.example", "a shared network"),
        ("100.127.255.254", "api.example", "a shared network"),
        ("192.0.2.7", "api.example", "a reserved address"),
        ("203.0.113.9", "api.example", "a reserved address"),
        ("240.0.0.1", "api.example", "a reserved address"),
        ("255.255.255.255", "api.example", "a reserved address"),
        ("2001:db8::1", "api.example", "a reserved address"),
        ("64:ff9b:1::1", "api.example", "a reserved address"),
        ("64:ff9b::10.0.0.1", "api.example", "a private network"),
        ("::10.0.0.1", "api.example", "a private network"),
        ("2002:a00:1::", "api.example", "a private network"),
        ("64:ff9b::93.184.216.34", "api.example", None),
        ("100.128.0.1", "api.example", None),
        ("198.19.255.255", "api.example", None),
        ("::ffff:198.18.0.1", "api.example", None),
        ("2606:2800:220:1::1", "api.example", None),
        ("100.64.0.1", "100.100.1.1", None),
        ("10.0.0.1", "100.100.1.1", "a private network"),
        ("127.0.0.1", "localhost", None),
        ("127.0.0.1", "127.0.0.2", None),
        ("192.168.1.6", "inside.example", None),
        ("192.168.1.6", "127.0.0.1", "a private network"),
        ("both.example", "127.0.0.1", "a private network and this machine"),
        ("169.254.169.254", "127.0.0.1", "a link-local address"),
        ("127.0.0.1", "unknown.example", "this machine"),
        ("127.0.0.1", None, "this machine"),
    ],
)
def test_a_private_place_is_for_providers_that_are_there(
    host: str, own: str | None, place: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link may lead to a private place only where the provider's own base is in such a place."""
    names = {"cdn.example": ["93.184.216.34"], "api.example": ["93.184.216.35"], "inside.example": ["10.0.0.1"]}
    names |= {"fake-ip.example": ["198.18.1.1"], "mixed.example": ["10.0.0.1", "93.184.216.34"]}
    names |= {"both.example": ["10.0.0.1", "127.0.0.1"]}
    monkeypatch.setattr(NamedLoop, "names", names)
    work = judge(("https", host, 443), ("https", own, 443) if own else None)
    if place is None:
        run(work)
        return
    with pytest.raises(MediaError, match=f"leads to {place}"):
        run(work)


@pytest.mark.parametrize(
    "host", ["%31%32%37.0.0.1", "127.0.0.1%00.a.example", "a b.example", "a\\b.example", "a\x00.example"]
)
def test_a_host_that_may_be_read_in_two_ways_is_none(host: str) -> None:
    """A name with an escape, a space or a backslash in it is refused: a proxy may read it as another one."""
    with pytest.raises(MediaError, match="should be http\\(s\\) and name a host"):
        run(judge(("https", host, 443), None, resolve=False))


@pytest.mark.parametrize("url", ["http://[", "http://a.example:x/", "http://a.example:99999/", "https://[::1"])
def test_a_link_that_cannot_be_read_is_none(url: str) -> None:
    """A link whose host or port cannot be read is an error that does not quote it, also as a redirect."""
    for read in (place_of, lambda to: refuse_downgrade("GET a.example/b", "https://a.example/b", str(to))):
        with pytest.raises(MediaError, match="whose host or port cannot be read"):
            read(url)
    assert onward("https://a.example/b", 302, {"location": url}) is not None


def test_a_link_is_not_downgraded() -> None:
    """A redirect from https to http is refused."""
    with pytest.raises(MediaError, match="from https to http"):
        refuse_downgrade("GET a.example/b", "https://a.example/b", "http://a.example/c")


def test_a_message_names_no_query_and_no_user() -> None:
    """Of an address a message tells host, port and path only; an unreadable one is not quoted."""
    assert named("GET", "https://user:secret@a.example:81/b?sig=secret#secret") == "GET a.example:81/b"
    assert named("GET", "https://[secret") == "GET to an address that cannot be read"
    assert without_query("https://user:secret@a.example/b?sig=secret#secret") == "https://a.example/b"


def test_only_a_redirect_leads_onward() -> None:
    """A location counts with a redirecting status only, and is read relative to the address."""
    assert onward("https://a.example/b?x", 302, {"location": "/c"}) == "https://a.example/c"
    assert onward("https://a.example/b", 201, {"location": "/c"}) is None
    assert onward("https://a.example/b", 302, {}) is None
