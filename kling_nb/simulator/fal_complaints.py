"""What fal says of a bad input: complaints like pydantic's, in the style of the endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kling_nb.simulator.pictures import BadPicture, Picture, read_picture

Body = Mapping[str, Any]
Problem = dict[str, Any]


class Complaints:
    """The 422 list of one input, in the style of its endpoint."""

    def __init__(self, body: Body, old_style: bool) -> None:
        self.body, self.found, self._old = body, list[Problem](), old_style

    def add(self, where: Sequence[str | int], kind: str, text: str, given: object = None, **ctx: object) -> None:
        """Note one problem: *where* below ``body``, pydantic's type and text, what was given."""
        problem: Problem = {"loc": ["body", *where], "msg": text, "type": kind}
        if self._old:
            problem["type"] = {"missing": "value_error.missing"}.get(kind, kind)
            problem["msg"] = "field required" if kind == "missing" else text
        else:
            problem |= {"input": given} | ({"ctx": ctx} if ctx else {})
        self.found.append(problem)

    def missing(self, key: str) -> None:
        """A required field is not there."""
        self.add((key,), "missing", "Field required", dict(self.body))

    def text(self, key: str, *, required: bool = False, longest: int | None = None) -> str:
        """A string field, or "" and a complaint."""
        value = self.body.get(key)
        if value is None:
            if required:
                self.missing(key)
            return ""
        if not isinstance(value, str):
            self.add((key,), "string_type", "Input should be a valid string", value)
            return ""
        if longest is not None and len(value) > longest:
            limit = f"String should have at most {longest} characters"
            self.add((key,), "string_too_long", limit, value, max_length=longest)
        return value

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """One of *allowed*; a number is not a string, as pydantic has it."""
        value = self.body.get(key, default)
        if value in allowed:
            return str(value)
        words = [f"'{word}'" for word in allowed]
        expected = (", ".join(words[:-1]) + " or " + words[-1]) if len(words) > 1 else words[0]
        self.add((key,), "literal_error", f"Input should be {expected}", value, expected=expected)
        return default

    def number(self, key: str, low: float, high: float) -> None:
        """A number within bounds; numeric strings pass, as they do in pydantic's lax mode."""
        value = self.body.get(key)
        if value is None:
            return
        try:
            parsed = float(value)
        except (TypeError, ValueError):
            self.add((key,), "float_parsing", "Input should be a valid number", value)
            return
        if parsed < low:
            self.add((key,), "greater_than_equal", f"Input should be greater than or equal to {low}", value, ge=low)
        if parsed > high:
            self.add((key,), "less_than_equal", f"Input should be less than or equal to {high}", value, le=high)

    def flag(self, key: str, default: bool) -> bool:
        """A boolean."""
        value = self.body.get(key, default)
        if isinstance(value, bool):
            return value
        self.add((key,), "bool_type", "Input should be a valid boolean", value)
        return default

    def items(self, key: str, most: int) -> Sequence[object]:
        """A list of at most *most* items, or an empty one and a complaint."""
        value = self.body.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            self.add((key,), "list_type", "Input should be a valid list", value)
            return []
        if len(value) > most:
            self.add((key,), "too_long", f"List should have at most {most} items", value, max_length=most)
        return value[:most]

    def image(self, key: str, required: bool) -> Picture | None:
        """A URL or data URI of an image of at least 300 px."""
        text = self.text(key, required=required)
        return self.picture((key,), text) if text else None

    def picture(self, where: Sequence[str | int], text: object) -> Picture | None:
        """The image behind one value."""
        try:
            picture = read_picture(str(text), data_uri=True)
        except BadPicture as problem:
            self.add(where, "image_load_error", f"Failed to load the image: {problem}", text)
            return None
        if picture.flaw:
            small = "Image dimensions are too small. Minimum dimensions are 300x300 pixels."
            self.add(where, "image_too_small", small, text, min_width=300, min_height=300)
        return picture


def check_shots(complaints: Complaints, *, free: bool = False, longest: int = 512) -> None:
    """``prompt`` or ``multi_prompt``, exactly one (*free*: at most one); at most six shots."""
    body = complaints.body
    shots, prompt = body.get("multi_prompt"), body.get("prompt")
    if (prompt is None) == (shots is None) and not (free and prompt is None):
        either = "Either 'prompt' or 'multi_prompt' must be provided."
        text = either if prompt is None else "'prompt' and 'multi_prompt' cannot be used together."
        complaints.add(("root",), "value_error", text)
    if shots is None:
        return
    complaints.choice("shot_type", ("customize", "intelligent"), "customize")
    if not isinstance(shots, list) or not 1 <= len(shots) <= 6:
        complaints.add(("multi_prompt",), "value_error", "multi_prompt needs 1 to 6 shots", shots)
        return
    for place, shot in enumerate(shots):
        _shot(complaints, place, shot, longest)


def _shot(complaints: Complaints, place: int, shot: object, longest: int) -> None:
    shot = shot if isinstance(shot, dict) else {}
    if not isinstance(shot.get("prompt"), str) or len(shot["prompt"]) > longest:
        complaints.add(("multi_prompt", place, "prompt"), "missing", "Field required", shot)
    if shot.get("duration", "5") not in [str(n) for n in range(1, 16)]:
        text = "value is not a valid enumeration member"
        complaints.add(("multi_prompt", place, "duration"), "type_error.enum", text, shot.get("duration"))
