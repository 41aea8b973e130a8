"""The pitfalls that users of these services report, and how each is met here.

Most need no script: the simulator is as strict as the provider, and a client that errs gets what it would get there.
What a client cannot provoke by itself is asked for in the prompt (``#sim:NAME``, see
:data:`kling_nb.simulator.faults.DIRECTIVES`) or by a dial of :class:`kling_nb.simulator.Simulator`.  The reports are
from issue trackers and public code, read 2026-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIRECTIVE = re.compile(r"#sim:([a-z0-9-]+)")


@dataclass(frozen=True, kw_only=True)
class Pitfall:
    """One pitfall: where it lies, what to do to step into it, and what follows.

    What stands between backticks in *seen* is in the answers, to the letter.  Without *providers* it is not on the
    wire of any.
    """

    number: int
    name: str
    providers: tuple[str, ...]
    how: str
    seen: str

    @property
    def directives(self) -> tuple[str, ...]:
        """The scenarios that *how* names, for a prompt."""
        return tuple(_DIRECTIVE.findall(self.how))

    def lines(self) -> tuple[str, str, str]:
        """The pitfall for a terminal."""
        where = ", ".join(self.providers) or "no provider's wire"
        return (f"{self.number:>2}  {self.name} ({where})", f"      do    {self.how}", f"      then  {self.seen}")

    def row(self) -> str:
        """The pitfall as a row of a Markdown table."""
        cells = (str(self.number), self.name, ", ".join(self.providers) or "–", self.how, self.seen)
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


_EVERY = ("kling", "fal", "quickrouter", "relay", "openroute", "quickrouter-fal", "chanjing")

PITFALLS = (
    Pitfall(
        number=1,
        name="duration-type",
        providers=("relay", "openroute", "kling", "chanjing", "fal"),
        how='send the length in the type of another provider: `"5"`, `5` or `"5s"`',
        seen="relay wants a number: `duration value '5' is invalid`. openroute wants text: `HTTP 500` and "
        "`unmarshal metadata failed`. Kling's legacy API takes both; its path API wants a number, and so does chanjing: "
        "`传入参数格式错误: video_duration`. fal takes `5s` at the submit and says `literal_error` at the result",
    ),
    Pitfall(
        number=2,
        name="model-key",
        providers=("kling", "relay"),
        how="name the model under `model` instead of `model_name`",
        seen='accepted without a word, and made and charged as `"model":"kling-v1"`',
    ),
    Pitfall(
        number=3,
        name="silent-drops",
        providers=("openroute",),
        how="send `multi_shot` or `sound`, or `cfg_scale` 0, or any of Kling's own keys at the top of "
        "`/v1/video/generations`",
        seen="`HTTP 200`, and none of them reaches Kling: the task is made without",
    ),
    Pitfall(
        number=4,
        name="silent-default",
        providers=("openroute", "kling", "fal"),
        how="leave `aspect_ratio` out",
        seen="Kling and fal make 16:9; openroute sends Kling `1:1`",
    ),
    Pitfall(
        number=5,
        name="mode-word",
        providers=("kling", "relay", "openroute", "quickrouter"),
        how="send `mode` as `standard`, which is Replicate's word, or `high`, which is the example of QuickRouter's page",
        seen="code `1201`: `mode value 'standard' is invalid`, `mode value 'high' is invalid`",
    ),
    Pitfall(
        number=6,
        name="wrong-route",
        providers=("openroute", "kling"),
        how="post to `image2video` without an image; `#sim:misrouted` has the gateway do so with a text prompt",
        seen="`image can not be null`",
    ),
    Pitfall(
        number=7,
        name="data-uri",
        providers=("kling",),
        how="send an image as `data:image/png;base64,…`",
        seen="code `1201`: `File is not in a valid base64 format`",
    ),
    Pitfall(
        number=8,
        name="camera-model",
        providers=("kling",),
        how="send `camera_control` with anything but kling-v1 std 5 s, or a `simple` one whose axes are all 0",
        seen="code `1201`: `camera_control is only supported in std mode with 5s duration and kling-v1`, "
        "`must have exactly one non-zero value`",
    ),
    Pitfall(
        number=9,
        name="image-tail",
        providers=("kling",),
        how="send `image_tail` with a model, mode or length without it, or without `image`, or with a motion brush",
        seen="`model/mode/duration(kling-v2-5-turbo/std/5) is not supported with image_tail`, "
        "`Image tail is not supported by the current model`, `image can not be null`, "
        "`image_tail, static_mask/dynamic_masks and camera_control can not be used together`",
    ),
    Pitfall(
        number=10,
        name="many-429",
        providers=("kling",),
        how="`#sim:busy` and `#sim:rate-limit` pass by themselves, `#sim:funds` and `#sim:ip-list` do not",
        seen="`HTTP 429` each time; the codes `1303` and `1302` are worth another try, `1102` and `1304` are not. "
        "A bad parameter is reported before an empty balance: `1201`",
    ),
    Pitfall(
        number=11,
        name="paid-twice",
        providers=_EVERY,
        how="send a submit again whose answer was lost: `#sim:lost`",
        seen="two tasks and two charges. Only Kling's `external_task_id` keeps it at one: "
        "`external_task_id value 'mine' is duplicated`",
    ),
    Pitfall(
        number=12,
        name="status-and-code",
        providers=("kling", "openroute", "chanjing"),
        how="make the mistake of 5 with `#sim:as-200`, or with a Simulator that has `errors_as_200=True`; the reverse is `#sim:as-400` "
        "with nothing wrong",
        seen='`HTTP 200` with `"code":1201`, and `HTTP 400` with `"code":0` and a task that is made and charged. chanjing '
        'sends every error with 200: `"code":40000`',
    ),
    Pitfall(
        number=13,
        name="failure-message",
        providers=("kling", "relay"),
        how="`#sim:risk-control`, or an image of 200 × 200 px",
        seen='`"message":"SUCCEED"`, `"task_status":"failed"` and the reason in `"task_status_msg":"Failure to pass the '
        'risk control system"`, `"task_status_msg":"Image pixel is invalid"`',
    ),
    Pitfall(
        number=14,
        name="status-words",
        providers=_EVERY,
        how="wait for one word at all of them; `#sim:failed-word` with `#sim:fail` at fal",
        seen='done is `"succeed"` at Kling and its relays, `"succeeded"` at the path API, `"completed"` and `"SUCCESS"` at '
        'openroute, `"COMPLETED"` at fal, also for what failed, and `"Success"` at chanjing; `"unknown"` at openroute is '
        'pending; fal may say `"FAILED"`',
    ),
    Pitfall(
        number=15,
        name="time-units",
        providers=("kling", "openroute", "chanjing"),
        how="read the instant of one answer in the unit of another",
        seen='the same second is `"created_at":1790000000` in the submit and the record of openroute, '
        '`"created_at":1790000000000` in its video object and at Kling, and `"create_time":1790000000` at chanjing',
    ),
    Pitfall(
        number=16,
        name="dead-link",
        providers=_EVERY,
        how="fetch the clip late: after the `lifetimes` of a Simulator (30 days at Kling, 3 at relays), with "
        "`#sim:clip-expired` at once; `#sim:clip-html` is a page that wants a browser; through openroute's own `/content`",
        seen="`HTTP 403` and `AccessDenied`, at fal and chanjing `HTTP 404`; `HTTP 200` and `Sign in to continue`; `HTTP 502` and "
        "`Failed to fetch video content`",
    ),
    Pitfall(
        number=17,
        name="fal-habits",
        providers=("fal", "quickrouter-fal"),
        how="poll under the whole endpoint; follow the addresses of a relay; trust a submit that was accepted; name the "
        "first frame `image_url` everywhere; leave `generate_audio` out; put a space into the key; `#sim:funds`",
        seen="`HTTP 405`; `https://queue.fal.run/`, where the relay's key is worth nothing; `HTTP 422` at the result, with "
        '`start_image_url`; twice the price of a silent clip, `"usd":"0.7"`; '
        "`HTTP 401` and `Invalid Key Authorization header "
        "format`; `HTTP 403` and `Exhausted balance`",
    ),
    Pitfall(
        number=18,
        name="silent-video",
        providers=("kling",),
        how="ask for sound by fal's `generate_audio`, or with kling-v2-6 in mode std",
        seen='accepted, and silent: `\\"sound\\": false`; `model/mode/duration(kling-v2-6/std/5) is not supported with '
        "sound`",
    ),
    Pitfall(
        number=19,
        name="token-life",
        providers=("kling",),
        how="use one signed token for longer than 30 minutes (`#sim:token-expired`), or before its time, or at the path "
        "API, or a key of another region (`#sim:region`)",
        seen='`HTTP 401` with `"code":1004`, `"code":1003`, `"code":1002` and `"code": 1000`',
    ),
    Pitfall(
        number=20,
        name="no-seed",
        providers=("kling", "relay", "openroute", "chanjing", "fal"),
        how="send the same request again, with or without a `seed`; after `#sim:risk-control:1`; with `#sim:same-clip`",
        seen='another clip each time, since no `seed` is read. What failed once may pass unchanged: `"task_status":'
        '"succeed"`. With `#sim:same-clip` two tasks, paid twice, have one clip',
    ),
    Pitfall(
        number=21,
        name="impatience",
        providers=_EVERY,
        how="give up after ten minutes: `#sim:long` takes 65",
        seen='`"task_status":"processing"` for an hour, then `"task_status":"succeed"`; it is charged either way',
    ),
    Pitfall(
        number=22,
        name="prompt-length",
        providers=("kling",),
        how="send a prompt of more than 2500 characters, or at the path API of more than 3072 to the 3.0 models",
        seen="code `1201`: `prompt length can not exceed 2500`, `prompt length can not exceed 3072`",
    ),
    Pitfall(
        number=23,
        name="stale-record",
        providers=("openroute",),
        how="trust `completed_at`, or the status of this second",
        seen='`"completed_at"` is there while it is `"in_progress"`; what is done at Kling stays so until the gateway polls '
        "again, up to 5 s later",
    ),
    Pitfall(
        number=24,
        name="code-names",
        providers=(),
        how="tell errors by the names that a client library gives them: those of npm's kling-api are not the official ones",
        seen="only the number is on the wire, and it decides; so there is nothing to provoke",
    ),
)
"""All of them, by number."""
