"""What a folder does not take, in words: it is full, or may only be read."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import LabUnwritable

LONGEST = 504  # bytes: SQLite opens no file whose path is longer (os_unix.c, MAX_PATHNAME less its endings)
THEN = "nothing saved is lost; fix that, then run.resume(), or opening the lab again, goes on"


@contextmanager
def writing(folder: Path, then: str = THEN) -> Iterator[None]:
    """Turn an `OSError` on writing a file into `LabUnwritable`, which names the folder's free space."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error.strerror or str(error), then) from error
    except sqlite3.Error as error:
        raise unwritable(folder, told_by_sqlite(folder, error), then) from error


def unwritable(folder: Path, why: str, then: str = THEN) -> LabUnwritable:
    """Return the error of a folder that cannot be written, or a file in it; ``then`` is what to do."""
    return LabUnwritable(f"{folder} cannot be written ({why}; {free(folder)}): {then}")


def told_by_sqlite(path: Path, error: object) -> str:
    """Return SQLite's error on a file; adds that its path is too long, for which SQLite has no words of its own."""
    size = len(os.fsencode(path))
    long = size > LONGEST and os.name != "nt"
    return f"{error}: its path has {size} bytes, and SQLite opens none of more than {LONGEST}" if long else str(error)


def free(folder: Path) -> str:
    """Say how much room there is where a folder is, or where its nearest parent is."""
    try:
        place = next((one for one in (folder, *folder.parents) if one.is_dir()), folder)
        return f"{shutil.disk_usage(place).free / 1e6:,.1f} MB free"
    except OSError:
        return "its free space is unknown"
