"""Fetching the clip of a finished task: downloaded, verified, in its place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anyio

from .. import media
from ..dialect import Call, Op, Status, origin
from ..errors import KlingError, LabBusy, LabUnwritable, LinkExpired, MediaError
from ..request import VideoRequest
from ..states import Cause, EventKind, TaskState
from ..task import Task, clip_data
from .account import Account
from .follow import asset_data
from .gate import backoff_s
from .tools import Tools

FETCHES = 5
DOWNLOADS = 4
GONE: Mapping[str, Any] = MappingProxyType(
    {"reason": "its file is gone from the lab folder; it is fetched again, which costs nothing", "cause": Cause.GONE}
)
"""What an event says of a saved task whose file was deleted or moved away."""
TWIN = "the provider gave it the id of another task, so that it may be the same clip as"
"""What is flagged where two submits were answered with one id, as a cache in between may do."""
AGAIN = "run.resume(), or opening the lab again, tries again"
NO_OTHER = "there is no new one"


class Fetcher:
    """Takes tasks whose clip is ready to a verified file in the lab folder."""

    def __init__(self, tools: Tools) -> None:
        self._t = tools
        self._book = tools.book
        self._clock = tools.clock
        # By provider: one that drips holds up no other's.
        self._downloads: dict[str, anyio.Semaphore] = defaultdict(lambda: anyio.Semaphore(DOWNLOADS, fast_acquire=True))

    async def fetch(self, task: Task, account: Account) -> None:
        """Fetch the clip until it is saved, its link is dead, or it is no video; one whose file is back is there."""
        if task.clip is not None and media.is_there(task.clip, self._t.folder):
            await self._book.record(task.id, EventKind.SAVED, clip=clip_data(task.clip))
            return
        trouble: Exception
        asked = False
        for failures in range(FETCHES):
            if failures:
                await self._clock.sleep(backoff_s(failures))
            try:
                clip = await self._download(task, account)
            except LinkExpired as error:
                lacking = "the new one is dead too" if asked else await self._renewed(task, account)
                if lacking:
                    reason = f"{error}; {lacking}; {AGAIN}, run.retry(expired=True) buys it again"
                    await self._book.record(task.id, EventKind.EXPIRED, reason=reason, cause=Cause.EXPIRED)
                    return
                asked, task, trouble = True, self._book.tasks[task.id], error
            except LabBusy:
                raise
            except LabUnwritable as error:  # a folder that has no room now has none in a minute
                trouble = error
                break
            except (KlingError, OSError) as error:
                trouble = error
            else:
                await self._book.record(task.id, EventKind.SAVED, clip=clip)
                return
        await self._unfetched(task, trouble)

    async def _unfetched(self, task: Task, trouble: Exception) -> None:
        tried = f"tried {FETCHES} times"
        if isinstance(trouble, MediaError):
            # Not at its end: the page of a hotel's network, or of a host under repair, comes in the place of a clip too.
            anew = "run.retry(stalled=True) buys it again"
            reason = f"the provider's file is not a usable video: {trouble}; {tried}; {AGAIN}, {anew}"
            await self._book.record(task.id, EventKind.STALLED, reason=reason, cause=Cause.MEDIA)
        elif isinstance(trouble, LabUnwritable):
            reason = f"the clip is paid for but not fetched yet: {trouble}"
            await self._book.record(task.id, EventKind.STALLED, reason=reason, cause=Cause.DISK)
        else:
            reason = f"the clip cannot be fetched: {trouble}; {tried}; {AGAIN}"
            await self._book.record(task.id, EventKind.STALLED, reason=reason, cause=Cause.NETWORK)

    async def _renewed(self, task: Task, account: Account) -> str:
        """Ask for the link again; returns why there is no other, in words, or nothing where there is one."""
        if task.ticket is None:
            return NO_OTHER
        try:
            learnt = await account.converse(account.dialect.check([task.ticket]))
        except KlingError as error:
            return f"could not ask for a new one: {error}"
        status = learnt.get(task.ticket.id)
        if not isinstance(status, Status) or status.asset is None:
            return NO_OTHER
        await self._book.record(task.id, EventKind.RENEWED, asset=asset_data(status.asset))
        return ""

    async def _download(self, task: Task, account: Account) -> dict[str, Any]:
        asset = dict(task.asset or {})
        call = Call(op=Op.CONTENT, method="GET", url=str(asset["url"]))
        # A driver that sleeps in the middle of a download has a piece of its own.
        part = self._t.folder / f"clips/{task.id}-{self._t.turn.holder.epoch}.mp4.part"
        try:
            async with self._downloads[task.provider]:
                signed = (await account.signed(call))[0] if asset.get("credential") else call
                received = await self._t.wire.stream(signed, part, own_origin=origin(account.provider.base_url or ""))
            return self._stored(part, task, received.sha256, await self._verified(part))
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    async def _verified(self, part: Path) -> media.Probe:
        """Return the measures of a download; decoding it takes a while, in which the loop goes on."""
        return await self._clock.in_thread(lambda: media.probe(part))

    def _stored(self, part: Path, task: Task, sha256: str, measured: media.Probe) -> dict[str, Any]:
        """Move a download into place, if it still is ours to store."""
        request, name = VideoRequest.from_fields(task.request), _clip_name(task)
        ready = self._t.turn.check
        clip = media.store_clip(part, self._t.folder, name, measured, request, sha256=sha256, ready=ready)
        other = self._book.bearer(task, task.ticket.id) if task.ticket is not None else None
        return clip if other is None else {**clip, "flags": [*clip["flags"], f"{TWIN} {other.id}"]}


def is_gone(task: Task, folder: Path) -> bool:
    """Tell whether the file of a saved task is not in the lab folder any more."""
    return task.state is TaskState.SAVED and task.clip is not None and not media.is_there(task.clip, folder)


def _clip_name(task: Task) -> str:
    """Return a name that a person can read in a folder, unique by the task's id."""
    mode = task.request.get("mode") or "default"
    return f"{task.provider}_{task.model}_{mode}_{task.id}.mp4"
