"""What can go wrong, grouped by who can do something about it.

::

    KlingError                     everything that this library raises on purpose
    ├── InputError (ValueError)    what was given cannot be used; nothing was sent
    │   ├── SweepError             axes, variables or the number of points
    │   └── RefusedError           the catalogue refuses a request; carries every `Problem`
    ├── KeyMissing                 no credential for a provider; says where it was looked for
    ├── PriceUnknown               no price is known and none was assumed
    ├── OverBudget                 the sum would pass a ceiling; nothing was bought
    ├── LabError                   the lab folder
    │   ├── LabBusy                another process drives this folder
    │   ├── LabMode                simulated and live do not mix
    │   ├── LabUnwritable          the folder is full, or may only be read
    │   └── LogTooNew              written by a later version
    ├── ProviderError              the provider said no, or something unreadable; carries a `Fault`
    ├── WireError                  no usable answer
    │   ├── NotSent                the request certainly did not reach the provider
    │   └── Doubt                  it may have
    └── MediaError                 a file is not what it should be
        └── LinkExpired            the provider no longer serves it
"""

from __future__ import annotations

import difflib
import linecache
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import partial
from pathlib import Path
from traceback import walk_tb
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .dialect import Fault
    from .offer import Problem

E = TypeVar("E", bound=Exception)

PACKAGE = __name__.partition(".")[0]
SHELLS = ("IPython", "ipykernel")


class KlingError(Exception):
    """Base of everything that this library raises on purpose; its text is one readable sentence.

    IPython shows that sentence and the caller's own lines, and leaves out the frames inside this library, where a caller
    can change nothing. ``%debug`` still goes through all of them, and `traceback.print_exception` prints them.
    """

    def _render_traceback_(self) -> list[str]:
        return _shown(self)


class InputError(KlingError, ValueError):
    """The input cannot be used. Nothing was sent and nothing was spent."""


class SweepError(InputError):
    """A sweep's axes, variables or size are wrong."""


class RefusedError(InputError):
    """The catalogue refuses a request. `problems` holds all of them, not only the first."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class KeyMissing(KlingError):
    """There is no credential for a provider."""


class PriceUnknown(KlingError):
    """A point has no known price, so no budget could be kept; pass ``assume_price=``."""


class OverBudget(KlingError):
    """The sum would pass a ceiling. Nothing was bought."""


class LabError(KlingError):
    """The lab folder cannot be used as asked."""


class LabBusy(LabError):
    """Another process drives this lab folder; this one may only read."""


class LabMode(LabError):
    """A lab folder is simulated or live for life; it was opened the other way."""


class LabUnwritable(LabError):
    """The lab folder, or one that is exported to, cannot be written now: it is full or read-only."""


class LogTooNew(LabError):
    """The log was written by a later version of this library."""


class ProviderError(KlingError):
    """The provider answered, and the answer is no or cannot be understood.

    The message says where, whose fault it is, the provider's own words, what was tried, what it cost and what to do.

    Attributes
    ----------
    fault
        What was made of the answer, a `kling_nb.dialect.Fault`; `None` for a task that failed later, or for an answer
        that makes no sense.
    whose
        ``key``, ``balance``, ``parameters``, ``address``, ``content policy``, ``full``, ``rate``, ``provider``,
        ``missing``, or empty. Of a task that failed without the provider's word, why that is: ``lost``, ``given up`` or
        ``never bought``.
    tries
        How many times it was asked.
    charged
        Whether it cost money; `None` if that is not known.

    """

    def __init__(
        self, message: str, fault: Fault | None = None, *, whose: str = "", tries: int = 1, charged: bool | None = None
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.whose = whose or ("" if fault is None else str(fault.whose))
        self.tries = tries
        self.charged = charged


class WireError(KlingError):
    """No usable answer came back."""


class NotSent(WireError):
    """The request certainly did not reach the provider: sending it again is safe."""


class Doubt(WireError):
    """The request may have reached the provider: it may or may not have been carried out."""


class MediaError(KlingError):
    """A file is not the image or video that it should be."""


class LinkExpired(MediaError):
    """The provider no longer serves the clip at the link it gave."""


def without_our_frames(interrupt: BaseException) -> None:
    """Let IPython show an interrupt as it shows a `KlingError`: who pressed stop need not read where we were waiting."""
    interrupt._render_traceback_ = partial(_shown, interrupt)  # type: ignore[attr-defined]


def _shown(error: BaseException) -> list[str]:
    said = f": {error}" if str(error) else ""
    return [f"\x1b[31m{type(error).__name__}\x1b[39m{said}", *_callers(error)]


def _callers(error: BaseException) -> Iterator[str]:
    """Say where an error passed through code that is not ours, down to the call of this library."""
    for frame, number in walk_tb(error.__traceback__):
        module, file, name = str(frame.f_globals.get("__name__")), frame.f_code.co_filename, frame.f_code.co_name
        if module.partition(".")[0] == PACKAGE:
            return
        if module.partition(".")[0] not in SHELLS:
            is_cell = "ipykernel_" in file or file.startswith("<ipython-input")
            where = "the cell" if is_cell else Path(file).name
            inside = "" if name.startswith("<") else f", in {name}"
            yield f"  line {number} of {where}{inside}: {linecache.getline(file, number, frame.f_globals).strip()}"


def anew(error: E) -> E:
    """Return a copy of an error that is kept, to be raised in its place, with the same words, cause and trace so far.

    Raised itself, it would carry the traces of all who were told before. One that cannot be copied, as of another package
    that makes it of something else than its words, is returned itself.
    """
    try:
        fresh = copy(error)
    except Exception:  # noqa: BLE001 - whatever its constructor says to other arguments than its own
        return error
    if str(fresh) != str(error):
        return error
    fresh.__cause__ = error.__cause__
    return fresh.with_traceback(error.__traceback__)


def nearest(word: str, known: Iterable[str], like: float = 0.6, meant: Sequence[str] = ()) -> str:
    """Return a clause that answers an unknown word with the known ones, the likeliest first.

    ``like`` is how like the word one must be, from 0 to 1, to be proposed; where it is known which are ``meant``, these are.
    """
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=3, cutoff=like)
    close.sort(key=lambda name: sorted(name) != sorted(word))  # letters that changed places are the likeliest slip
    hint = " or ".join(repr(name) for name in meant or close[:1])
    hint = f"did you mean {hint}? " if hint else ""
    return f"{hint}known: {', '.join(names)}"
