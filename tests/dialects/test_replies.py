"""Recorded replies, each with its source, and what each of them means."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asking import sold
from driving import CATALOG, OWN_ID, Faulty, bound, hold, provider_of

from kling_nb import dialects
from kling_nb.dialect import Call, Dialect, Fault, Op, Reply, Status, Unreadable
from kling_nb.request import VideoRequest
from kling_nb.task import Cost, Ticket

FOLDER = Path(__file__).parent.parent / "replies"
FILES = sorted(FOLDER.glob("*/*.json"))


def recorded(file: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return record


def replies(record: dict[str, Any]) -> list[Reply]:
    return [_reply(one) for one in record["replies"]]


def _reply(one: dict[str, Any]) -> Reply:
    content = one["text"] if "text" in one else json.dumps(one["body"])
    return Reply(status=one["status"], headers=one.get("headers", {}), content=content.encode())


def submitted(dialect: Dialect, name: str) -> Call:
    """A paid call of the dialect, for the first model that its provider sells."""
    provider = provider_of(name).id
    row = sold(provider)[0]
    image = "https://example.org/frame.png" if row["task_type"] == "image2video" else None
    request = VideoRequest(prompt="a fox", model=row["model"], mode=row["mode"], image=image)
    return dialect.encode(request, CATALOG.offer(request, provider), OWN_ID).call


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
            case "find":
                return hold(dialect, dialect.find(OWN_ID, paid.shown()), come)
            case _:
                return hold(dialect, dialect.cancel(ticket), come)
    except Faulty as faulty:
        return faulty.fault
    except Unreadable as error:
        return error


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_recorded_reply_means_what_its_record_says(file: Path) -> None:
    """Each documented status word, error code and oddity is read as its record says."""
    record, name = recorded(file), file.parent.name
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
        case {"found": remote_id}:
            assert got == remote_id if got is None else got.id == remote_id
        case {"cancelled": confirmed}:
            assert got is confirmed
        case {"fault": expected}:
            assert isinstance(got, Fault)
            assert expected == {key: getattr(got, key) for key in expected}
            assert got.message
        case _:
            check_status(got, means)


def check_status(got: Any, means: dict[str, Any]) -> None:
    assert isinstance(got, Status)
    assert got.phase == means["phase"]
    assert means.get("reason", "") in got.reason
    assert (got.asset.url if got.asset else None) == means.get("url")
    assert bool(got.asset and got.asset.credential) is means.get("credential", False)
    for key in ("whose", "charged", "position"):
        if key in means:
            assert getattr(got, key) == means[key]
    if got.asset:
        assert got.cost == cost(means.get("cost"))


def cost(told: list[str] | None) -> Cost | None:
    if told is None:
        return None
    amount, unit, usd = told
    return Cost(Decimal(amount), unit, Decimal(usd) if usd else None)


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


@pytest.mark.parametrize(
    "file", [file for file in FILES if "submit-unreadable" in file.stem], ids=lambda file: file.stem
)
def test_a_reply_in_no_documented_form_gives_no_ticket(file: Path) -> None:
    """A submit's reply that is not as documented raises `Unreadable`, even where nobody judged it before."""
    dialect = bound(file.parent.name)
    with pytest.raises(Unreadable):
        dialect.accepted(submitted(dialect, file.parent.name), replies(recorded(file))[0])
