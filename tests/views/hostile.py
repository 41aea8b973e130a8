"""Words that would run, ask, restyle or take apart a page if anything read them as more than text, and a lab of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pandas as pd

from kling_nb.engine.doubt import Uncertain
from kling_nb.engine.run import Snapshot
from kling_nb.states import TaskState
from kling_nb.task import Task
from tests.views.clips import LabFolder
from tests.views.snapshots import snapshot, tile

ASKED = "http://127.0.0.1:9/"
"""Where the words would have a page ask; nobody listens there, and nobody may be asked."""

WORDS = (
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "</style></title></textarea></pre></template><svg/onload=window.hit=1>",
    "<img src=x onerror='window.hit=1'>",
    '" autofocus onfocus="window.hit=1" onmouseover="window.hit=1" x="',
    "' autofocus onfocus='window.hit=1' onmouseover='window.hit=1' x='",
    "` onmouseover=window.hit=1 `${window.hit=1}`",
    '<iframe srcdoc="<script>parent.hit=1</script>"></iframe>',
    "javascript:window.hit=1//",
    f"[a](javascript:window.hit=1) ![b]({ASKED}picture.png)",
    r"$$\href{javascript:window.hit=1}{x}$$ and \(\href{javascript:window.hit=1}{y}\)",
    f'<b style="background:url({ASKED}style)">bold</b>',
    f'";background:url({ASKED}attribute);x:"',
    f"}}}}*{{background:url({ASKED}rule)}}",
    "{{ 7*7 }}{% raw %}{# #}",
    "<!--><img src=x onerror=window.hit=1>-->",
    '"}]};window.hit=1;//\u2028window.hit=1',
    "&lt;img src=x onerror=window.hit=1&gt; &#60;b&#62; &amp;amp;",
    f'<base href="{ASKED}"><meta http-equiv=refresh content="0;url={ASKED}">',
    f'<link rel=stylesheet href="{ASKED}sheet"><video autoplay src="{ASKED}clip"></video>',
    '<form action="javascript:window.hit=1"><button autofocus>Send</button></form>',
    "<details open ontoggle=window.hit=1><summary>more</summary></details>",
    "<math><mtext></form><mglyph><style></math><img src=x onerror=window.hit=1>",
    "\u202eturned round\u202c \u2066and apart",
)
LONG = "x" * 100_000
"""A word without an end: no view may carry it whole, and no page may be as wide as it is."""

TEXTS = ("prompt", "template", "reason", "model", "mode", "provider", "run", "remote_id", "note", "flags", "var_what")


def frame(lab: LabFolder, *, words: tuple[str, ...] = WORDS) -> pd.DataFrame:
    """Return a point for each word, which stands in every column of text; the first two are saved, the others failed."""
    count = len(words)
    clips = [f"clips/{name}.mp4" for name in lab.seconds][:2]
    facts = {"width": 160, "height": 90, "fps": 24.0, "seconds": 1.0, "sample": 1, "duration": 5}
    saved = {"clip": [*clips, *[None] * (count - 2)], "state": ["saved"] * 2 + ["failed"] * (count - 2)}
    return pd.DataFrame({"identity": list(words), **{name: list(words) for name in TEXTS}, **saved, **facts})


def stands(*, words: tuple[str, ...] = WORDS) -> Snapshot:
    """Return a run that stands as badly as it can: every word is a cause, a label and a reason."""
    tiles = tuple(tile(word, "failed", label=word, reason=word) for word in words)
    causes = tuple((word, 2) for word in words)
    return replace(
        snapshot(), name=words[0], holds={words[1]: 1}, state="at rest", is_moving=False, tiles=tiles, causes=causes
    )


def uncertain() -> Uncertain:
    """Return tasks in doubt about every word."""
    fields: dict[str, Any] = {"state": TaskState.UNCERTAIN, "estimate_high": Decimal(1), "submitted_at": 1.0}
    tasks = [
        Task(
            id=word, identity=word, provider=word, model=word, run=word, reason=word, request={"prompt": word}, **fields
        )
        for word in WORDS
    ]
    return Uncertain(None, tasks)  # type: ignore[arg-type]  # only shown
