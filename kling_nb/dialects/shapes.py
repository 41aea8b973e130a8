"""The JSON forms in which relays return a task: Kling's own, flat, OpenAI's video, new-api's TaskDto, and mixtures.

A    ``{code: 0, data: {task_id, task_status, task_status_msg, task_result: {videos: [{url}]}}}``
C    ``{code: "success", task_id, task_status}``; that a result lies there as in A is a reading, no page shows one
D    ``{id, object: "video", status, metadata: {url}, error: {message}}``
D'   ``{code: "success", data: {task_id, status, result_url, fail_reason, data: <Kling's last answer>}}``

Sources: doc.quickrouter.ai, open-route's page, docs.crazyrouter.com and look-alikes, read 2026-11, and new-api's
adaptor, read 2026-07-14. Older gateways put the link into ``fail_reason``; QuantumNous/new-api#7194 (2026-09-03) has
TaskDto's words at top level, without a link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..costs import Cost
from ..dialect import Asset, Phase, Reply, Status, origin
from .reading import DEDUCTIONS, NO_LINK, dig, figures_in, id_from, link_from, phase_of, whose_failure, words_from

LINKS: tuple[tuple[str | int, ...], ...] = (
    ("result_url",),
    ("task_result", "videos", 0, "url"),
    ("metadata", "url"),
    ("url",),
    ("data", "data", "task_result", "videos", 0, "url"),
    ("fail_reason",),
)
"""Where a finished task's link lies, the surest place first."""

REASONS: tuple[tuple[str, ...], ...] = (
    ("task_status_msg",),
    ("fail_reason",),
    ("error", "message"),
    ("error",),
    ("data", "data", "task_status_msg"),
)
"""Where a task says what it failed of; an envelope's ``message`` says that the query went well."""

IDS: tuple[tuple[str, ...], ...] = (("task_id",), ("data", "task_id"), ("id",))
"""Where the task's id lies. ``request_id`` is a trace, and ``data.id`` a row of the gateway's own table."""

CONTENT = re.compile(r"/v1/videos/[^/]+/content$")
"""A new-api gateway's own route to a clip, which takes the credential (video_proxy.go, read 2026-07-14)."""


def id_told(body: Any) -> Any:
    """Return a task's id as a body gives it; `None` where it has none."""
    return next((value for path in IDS if (value := dig(body, *path)) is not None), None)


def id_in(reply: Reply) -> str:
    """Return a task's id as text; raises `Unreadable` if there is none."""
    return id_from(id_told(reply.object()), reply, "task_id, data.task_id or id")


def phase_in(body: Any) -> Phase | None:
    """Return the phase of the task that a body tells of; `None` where it tells of none, or in a word never seen."""
    return _phase(_task(body))


def status_in(body: Any, base_url: str, content: str | None = None) -> Status | None:
    """Read a task's status in any of the shapes; `None` is no news.

    A failure counts only in an object with a task id: ``status`` may be the query's own. ``content`` is the relay's own
    URL of the clip, for a finished task without a link; without ``content`` such a task counts as running.
    """
    task = _task(body)
    phase, reason = _phase(task), _reason(task)
    if phase is Phase.FAILED:
        return _failed(reason) if task is not body or id_told(body) is not None else None
    if phase is Phase.DONE:
        return _done(task, base_url, content)
    return Status(phase=phase, reason=reason) if phase else None


def _task(body: Any) -> Any:
    """Return the object that tells of the task: ``data`` where that has a status word, else the body."""
    data = dig(body, "data")
    return data if _word(data) is not None else body


def _word(task: Any) -> Any:
    words = (dig(task, "task_status"), dig(task, "status"))
    return next((word for word in words if isinstance(word, str)), None)


def _phase(task: Any) -> Phase | None:
    return phase_of(_word(task))


def _reason(task: Any) -> str:
    texts = (words_from(dig(task, *path)) for path in REASONS)
    return next((text for text in texts if text and link_from(text) is None), "")


def _failed(reason: str) -> Status:
    """Return a failure; what it costs stays unknown: new-api gives its quota back, but no relay's page says so."""
    return Status(phase=Phase.FAILED, reason=reason or "no reason given", whose=whose_failure(reason))


def _done(task: Any, base_url: str, content: str | None) -> Status:
    link = next(filter(None, (link_from(dig(task, *path)) for path in LINKS)), content)
    if link is None:
        return Status(phase=Phase.RUNNING, reason=NO_LINK)
    return Status(phase=Phase.DONE, asset=Asset(url=link, credential=_is_own(link, base_url)), cost=_cost(task))


def _is_own(link: str, base_url: str) -> bool:
    """Tell whether a link leads to the relay's own route to a clip, which takes the credential."""
    try:
        return origin(link) == origin(base_url) and CONTENT.search(urlsplit(link).path) is not None
    except ValueError:  # no port, no host that can be read
        return False


def _cost(task: Mapping[str, Any]) -> Cost | None:
    """Read new-api's ``quota``, else what Kling deducted; none of it converts to what the relay charges in USD."""
    told = figures_in(task, {"quota": ("quota",), **DEDUCTIONS})
    charges = (name for name in ("quota", "units", "balance") if name in told)
    return next((Cost(told[name], name, None, told) for name in charges), None)
