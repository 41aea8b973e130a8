"""The words for where a task stands, what can happen to it, and why: as the log keeps them."""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    """Where a task stands, a string such as ``"saved"``. The picture is in ``docs/states.md``."""

    PLANNED = "planned"  # intended, nothing sent
    SUBMITTING = "submitting"  # the intent is on disk, the POST may be on its way
    QUEUED = "queued"  # accepted by the provider
    RUNNING = "running"  # being generated
    READY = "ready"  # generated; the clip is still to be fetched
    SAVED = "saved"  # the verified clip is in the lab folder
    REFUSED = "refused"  # never sent: the catalogue or the plan said no
    FAILED = "failed"  # the provider said no, or nothing usable came of it
    CANCELLED = "cancelled"  # never sent, or the provider confirmed the cancellation
    UNCERTAIN = "uncertain"  # the answer to the POST was lost: it may have been bought
    STALLED = "stalled"  # no change for far longer than usual; still looked at
    EXPIRED = "expired"  # generated, but the link is dead and no new one came

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more by itself."""
        return self in FINAL

    @property
    def is_resting(self) -> bool:
        """Whether nothing will change soon without a person: final, uncertain, stalled or expired."""
        return self in RESTING

    @property
    def is_sent(self) -> bool:
        """Whether the provider has it, or may have it, and it is not at its end."""
        return self in SENT


class EventKind(StrEnum):
    """What can happen to a task, in the words of the log. `MOVES` says what each kind changes.

    A later version may know more: the kind of an `Event` that was read from a log is any text.
    """

    PLANNED = "planned"  # its first event: it was written
    REFUSED = "refused"
    ADOPTED = "adopted"
    INTENT = "intent"
    NOT_SENT = "not_sent"
    PUSHED_BACK = "pushed_back"
    ACCEPTED = "accepted"
    DOUBTED = "doubted"
    STATUS = "status"
    READY = "ready"
    RENEWED = "renewed"
    RECHECK = "recheck"
    REFETCH = "refetch"
    STALLED = "stalled"
    EXPIRED = "expired"
    SAVED = "saved"
    GONE = "gone"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNWANTED = "unwanted"
    WANTED = "wanted"
    CHARGED = "charged"
    NOTED = "noted"


class Cause(StrEnum):
    """Why a task stands where it does, in a word, where that is none of the words for a provider's no (`Whose`)."""

    REFUSED = "refused"
    CANCELLED = "cancelled"
    DOUBT = "doubt"  # the answer to its submit was lost
    UNNAMED = "unnamed"  # its submit was answered as accepted, or with an id, but with none to follow: it did arrive
    LOST = "lost"  # its submit never arrived, as looking it up has shown
    GIVEN_UP = "given up"  # a person did, while it was in doubt
    NEVER_BOUGHT = "never bought"  # a person saw that at the provider
    NETWORK = "network"
    UNTOLD = "untold"  # it could not be asked about
    STALLED = "stalled"
    EXPIRED = "expired"
    MEDIA = "media"  # what was fetched is no usable video
    DISK = "disk"
    GONE = "gone"


FINAL = frozenset({TaskState.SAVED, TaskState.REFUSED, TaskState.FAILED, TaskState.CANCELLED})
RESTING = FINAL | {TaskState.UNCERTAIN, TaskState.STALLED, TaskState.EXPIRED}
MOVING = frozenset(TaskState) - RESTING - {TaskState.PLANNED}
"""States of a task that is under way: it will change soon by itself."""
FOLLOWED = frozenset({TaskState.QUEUED, TaskState.RUNNING, TaskState.READY, TaskState.STALLED, TaskState.EXPIRED})
"""States in which the provider has the task and its clip is still to come."""
UNPROVEN = frozenset({Cause.GIVEN_UP, Cause.NEVER_BOUGHT, Cause.LOST})
"""Causes of failures that a person or a look-up concluded, and that the provider never said."""
TRIED_AGAIN = frozenset({Cause.NETWORK, Cause.UNTOLD})
"""Causes for which a task waits that was not sent, or cannot be asked about: both go on by themselves."""
SENT = FOLLOWED | {TaskState.SUBMITTING, TaskState.UNCERTAIN}
