"""Recorded replies, each with its source, and what each of them means.

A record's folder names the dialect; ``guise`` says where it speaks otherwise (`driving.GUISES`). What Kling's legacy
API answers is read alike by the dialect of its relays and by Kling's own, but for a task of our own id that is not
there: at a relay, whose page has no such query, that tells nothing.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asking import plain
from driving import CATALOG, GUISES, OWN_ID, Faulty, bound, hold, provider_of
from test_contract import KEYS

from kling_nb import dialects
from kling_nb.costs import Cost
from kling_nb.dialect import Call, Dialect, Fault, Op, Reply, Status, Unreadable, Whose
from kling_nb.task import Ticket

FOLDER = Path(__file__).parent.parent / "replies"
FILES = sorted(FOLDER.glob("*/*.json"))
ALSO = {"native": "kling"}
NAMES = [*dialects.names(), *GUISES]


def recorded(file: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return record


def replies(record: dict[str, Any]) -> list[Reply]:
    return [_reply(one) for one in record["replies"]]


def _reply(one: dict[str, Any]) -> Reply:
    content = one["text"] if "text" in one else json.dumps(one["body"])
    return Reply(status=one["status"], headers=one.get("headers", {}), content=content.encode())


def submitted(dialect: Dialect, name: str) -> Call:
    """A paid call of the dialect, for a model that its provider sells."""
    request = plain(name)
    return dialect.encode(request, CATALOG.offer(request, provider_of(name).id), OWN_ID).call


def outcome(dialect: Dialect, name: str, kind: str, come: list[Reply]) -> Any:
    """What a dialect makes of recorded replies: an answer, a fault, or that it cannot read them."""
    paid = submitted(dialect, name)
    ticket = dialect.ticket("task-1", paid.shown())
    try:
        match kind:
            case "submit":
                fault = dialect.judge(paid, come[0])
                return fault or dialect.accepted(paid, come[0])
            case "check":
                return hold(dialect, dialect.check([ticket]), come).get(ticket.id)
            case "credential":
                return hold(dialect, dialect.credential(KEYS[name]), come)
            case "find":
                return hold(dialect, dialect.find(OWN_ID, paid.shown()), come)
            case _:
                return hold(dialect, dialect.cancel(ticket), come)
    except Faulty as faulty:
        return faulty.fault
    except Unreadable as error:
        return error


def speakers(file: Path) -> list[str]:
    """The names of the dialects that a record is for."""
    name = recorded(file).get("guise", file.parent.name)
    return [name, ALSO[name]] if name in ALSO else [name]


SAID = [(file, name) for file in FILES for name in speakers(file)]


@pytest.mark.parametrize(("file", "name"), SAID, ids=[f"{name}-{file.stem}" for file, name in SAID])
def test_a_recorded_reply_means_what_its_record_says(file: Path, name: str) -> None:
    """Each documented status word, error code and oddity is read as its record says."""
    record = recorded(file)
    got, means = outcome(bound(name), name, record["call"], replies(record)), record["means"]
    match means:
        case {"ticket": remote_id}:
            assert isinstance(got, Ticket)
            assert got.id == remote_id
            assert json.loads(json.dumps(dict(got.data))) == dict(got.data)
        case {"unreadable": True}:
            assert isinstance(got, Unreadable) or (isinstance(got, Fault) and not got.rejected)
        case {"nothing": True}:
            assert got is None
        case {"found": None} if "lookup" not in provider_of(name).options:
            assert isinstance(got, Unreadable)
        case {"found": remote_id}:
            assert got == remote_id if got is None else got.id == remote_id
        case {"signs_with": signed_with}:
            assert got == signed_with
        case {"cancelled": confirmed}:
            assert got is confirmed
        case {"fault": expected}:
            assert isinstance(got, Fault)
            assert expected == {key: getattr(got, key) for key in expected}
            assert got.message
        case _:
            check_status(got, means, has_price="unit_usd" in provider_of(name).options)


def check_status(got: Any, means: dict[str, Any], *, has_price: bool) -> None:
    assert isinstance(got, Status)
    assert got.phase == means["phase"]
    assert means.get("reason", "") in got.reason
    assert (got.asset.url if got.asset else None) == means.get("url")
    assert bool(got.asset and got.asset.credential) is means.get("credential", False)
    for key in ("whose", "charged", "position"):
        if key in means:
            assert getattr(got, key) == means[key]
    if got.asset or "cost" in means:
        assert got.cost == cost(means.get("cost"), has_price=has_price)


def cost(told: list[str] | None, *, has_price: bool) -> Cost | None:
    """Return the charge that a record tells; units are worth USD only where the provider's row says so."""
    if told is None:
        return None
    amount, unit, usd = told
    return Cost(Decimal(amount), unit, Decimal(usd) if usd and (has_price or unit != "units") else None)


def test_every_record_names_its_source_and_its_date() -> None:
    """Each record says where it comes from and when that was read."""
    for file in FILES:
        record = recorded(file)
        assert record["source"]
        assert record["read"].startswith("2026-"), file.name


@pytest.mark.parametrize("name", dialects.names())
def test_every_dialect_has_records_of_every_call_that_it_makes(name: str) -> None:
    """A dialect is not believed without recorded replies to what it sends."""
    calls = {recorded(file)["call"] for file in FILES if file.parent.name == name}
    dialect = dialects.load(name)
    wanted = (
        {Op.SUBMIT, Op.CHECK} | ({Op.FIND} if dialect.finds else set()) | ({Op.CANCEL} if dialect.cancels else set())
    )
    assert wanted <= calls


ODD = [(file, name) for file, name in SAID if "submit-unreadable" in file.stem]


@pytest.mark.parametrize(("file", "name"), ODD, ids=[f"{name}-{file.stem}" for file, name in ODD])
def test_a_reply_in_no_documented_form_gives_no_ticket(file: Path, name: str) -> None:
    """A submit's reply that is not as documented raises `Unreadable`, even where nobody judged it before."""
    dialect = bound(name)
    with pytest.raises(Unreadable):
        dialect.accepted(submitted(dialect, name), replies(recorded(file))[0])


PAID = [(file, name) for file, name in SAID if recorded(file)["call"] == "submit"]


@pytest.mark.parametrize(("file", "name"), PAID, ids=[f"{name}-{file.stem}" for file, name in PAID])
def test_a_recorded_refusal_gives_no_ticket(file: Path, name: str) -> None:
    """No refusal that was ever seen reads as an acceptance too: an id in one means that it is none."""
    dialect = bound(name)
    paid, (reply,) = submitted(dialect, name), replies(recorded(file))
    fault = dialect.judge(paid, reply)
    if fault is not None and fault.rejected:
        with pytest.raises(Unreadable):
            dialect.accepted(paid, reply)


def refusal_of_a_key(name: str, body: Any) -> Fault:
    """What a dialect makes of a submit that is answered with 401 and this body."""
    fault = bound(name).judge(submitted(bound(name), name), _reply({"status": 401, "body": body}))
    assert fault is not None
    return fault


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body",
    [
        {"message": "no such token"},
        {"code": 401, "msg": "no such token"},
        {"error": {"message": "no such token", "type": "new_api_error", "code": ""}},
        {"error": "no such token"},
        {"detail": "no such token"},
    ],
)
def test_a_key_that_is_refused_is_told_in_words(name: str, body: dict[str, Any]) -> None:
    """Whoever stands before a service refuses a key in a form of their own: what it says is told, not its JSON."""
    fault = refusal_of_a_key(name, body)
    assert (Whose.KEY, "no such token") == (fault.whose, fault.message)


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_without_words_is_a_quotation(name: str) -> None:
    """JSON in which nothing is said does not stand in a sentence as if it were one."""
    told = refusal_of_a_key(name, {"error": {"code": "no_key"}}).message
    assert told == """HTTP 401 with '{"error": {"code": "no_key"}}'"""
