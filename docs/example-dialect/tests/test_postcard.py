"""Postcard keeps the contract of every dialect, and says what its page says."""

import json

import pytest
from asking import accepted
from driving import CATALOG, OWN_ID, Faulty, bound, hold
from hypothesis import given, settings
from hypothesis import strategies as st
from posting import posted
from test_contract import TestContract

from kling_nb.dialect import Phase, Reply, Whose
from kling_nb.task import Ticket

__all__ = ["TestContract"]  # so that it is collected here


def reply(body: object, status: int = 200) -> Reply:
    """Return an answer of the service."""
    return Reply(status=status, content=json.dumps(body).encode())


@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_postcard_takes_what_the_catalogue_accepts(data: st.DataObject) -> None:
    """Menu and simulated service were written apart: whatever the one lets through arrives in the types of the other."""
    request = data.draw(accepted("postcard"))
    encoded = bound("postcard").encode(request, CATALOG.offer(request, "postcard"), OWN_ID)
    answer, tasks = posted("postcard", encoded)
    assert answer.status_code == 201, answer.text
    assert [(task["failure"], task["own_id"]) for task in tasks] == [("", OWN_ID)]


@pytest.mark.parametrize(
    ("state", "phase"), [("waiting", Phase.QUEUED), ("drawing", Phase.RUNNING), ("torn", Phase.FAILED)]
)
def test_postcard_states(state: str, phase: Phase) -> None:
    """Each state of a job is read; one that was never seen is no news."""
    dialect = bound("postcard")
    answers = [reply({"id": "pc-1", "state": state}), reply({"id": "pc-2", "state": "lost?"})]
    learnt = hold(dialect, dialect.check([Ticket("pc-1"), Ticket("pc-2")]), answers)
    assert {"pc-1": phase} == {ticket: status.phase for ticket, status in learnt.items()}


def test_postcard_knows_what_was_not_bought() -> None:
    """A tag that is on no job is proof; a wrong key is not."""
    dialect, nothing = bound("postcard"), reply({"error": "No such job", "about": "job"}, 404)
    assert hold(dialect, dialect.find(OWN_ID, {}), [nothing]) is None
    with pytest.raises(Faulty) as caught:
        hold(dialect, dialect.find(OWN_ID, {}), [reply({"error": "Who are you?", "about": "key"}, 401)])
    assert caught.value.fault.whose is Whose.KEY
