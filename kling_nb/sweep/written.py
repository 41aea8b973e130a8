"""How a sweep is written down: as a TOML file that diffs by the line, and as the Python that makes it.

Both work on a sweep's arguments as plain keyword arguments (a list is an axis), so that nothing here knows a sweep::

    design = "grid"                    # or "zip", "pairwise", { sample = 20, seed = 0 }
    repeats = 2

    [axes]                             # an array is an axis; their order is the order of the points
    prompt = ["a red fox in {weather}", "a paper boat in {weather}"]
    weather = ["snow", "heavy rain"]
    mode = [{ unset = true }, "pro"]   # None

    [fixed]
    duration = 5
    camera_control = { type = "simple", zoom = 5 }

    [[exclude]]                        # an array means any of these
    weather = "snow"
    mode = "pro"
"""

from __future__ import annotations

import keyword
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import SweepError, nearest
from ..excerpts import as_code
from ..fields import CameraControl, Shot
from .values import OWN, SETTINGS

UNSET = {"unset": True}
WIDTH = 100

_TABLES = ("design", "repeats", "max_points", "axes", "fixed", "exclude")


def to_toml(arguments: Mapping[str, Any]) -> str:
    """Return the TOML text of a sweep's arguments.

    Raises `SweepError` for what TOML cannot hold, such as an image given as bytes.
    """
    given = {name: value for name, value in arguments.items() if name not in SETTINGS}
    top = {name: arguments[name] for name in ("design", "repeats", "max_points") if name in arguments}
    axes = {name: value for name, value in given.items() if isinstance(value, list)}
    fixed = {name: value for name, value in given.items() if name not in axes}
    tables = [_table("", top), _table("[axes]", axes), _table("[fixed]", fixed)]
    tables += [_table("[[exclude]]", condition) for condition in arguments.get("exclude", ())]
    return "\n".join(table for table in tables if table)


def text_of(source: Path) -> str:
    """Return the text of a file, with or without a byte-order mark; raises `SweepError` if it cannot be read."""
    try:
        return source.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        message = "there is no such file"
        raise SweepError(message) from error
    except UnicodeDecodeError as error:
        message = f"this is not a UTF-8 text file, as TOML must be: {error}"
        raise SweepError(message) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        message = f"expected a TOML file that can be read, and it cannot ({why})"
        raise SweepError(message) from error


def write_text(target: Path, text: str) -> None:
    """Write the text of a sweep to a file; raises `SweepError` if it cannot be written."""
    try:
        target.write_bytes(text.encode())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        then = "make its folder, or save" if isinstance(error, FileNotFoundError) else "save"
        message = f"{target} cannot be written ({why}); {then} the sweep elsewhere"
        raise SweepError(message) from error


def from_toml(text: str) -> dict[str, Any]:
    """Return a sweep's arguments from its TOML text.

    Raises `SweepError` for text that is not TOML, with the line, and for a key or a table that is not known.
    """
    if not isinstance(text, str):
        message = f"expected the text of a TOML file, got {as_code(text)}; kn.Sweep.load(path) reads a file"
        raise SweepError(message)
    try:
        read = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"this is not valid TOML: {error}"
        raise SweepError(message) from error
    _check_tables(read)
    settings = {name: read[name] for name in ("design", "repeats", "max_points") if name in read}
    exclude = [_condition(condition) for condition in read.get("exclude", [])]
    axes = {name: _axis(name, values) for name, values in read.get("axes", {}).items()}
    fixed = {name: _one(_back(value)) for name, value in read.get("fixed", {}).items()}
    _check_names(axes, fixed)
    return {**axes, **fixed, **settings, "exclude": exclude}


def _check_tables(read: Mapping[str, Any]) -> None:
    for name, value in read.items():
        if name not in _TABLES:
            raise SweepError(_no_key(name))
        if name in {"axes", "fixed"} and not isinstance(value, dict):
            message = f"{name} = {value!r}: expected a table, [{name}]"
            raise SweepError(message)
        if name == "exclude" and not (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
            message = f"exclude = {value!r}: expected tables of conditions, each headed [[exclude]]"
            raise SweepError(message)


def _no_key(name: str) -> str:
    if name in OWN:
        return f"{name!r} is at the top of the file: put it under [axes], as an array, or under [fixed], as one value"
    return f"there is no key {name!r} at the top of a sweep file; {nearest(name, _TABLES)}"


def _check_names(axes: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    for name in [*axes, *fixed]:
        if name in SETTINGS:
            message = f"{name!r} is a setting of the sweep and belongs at the top of the file, above [axes]"
            raise SweepError(message)
        if name in axes and name in fixed:
            message = f"{name!r} is both under [axes] and under [fixed]; keep one of them"
            raise SweepError(message)


def _axis(name: str, values: Any) -> list[Any]:
    if not isinstance(values, list):
        message = f"axes.{name} = {values!r} is one value: put it under [fixed], or write an array"
        raise SweepError(message)
    return [_one(_back(value)) for value in values]


def _condition(condition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a condition, in which a list means any of these."""
    return {name: _axis(name, value) if isinstance(value, list) else _back(value) for name, value in condition.items()}


def _one(value: Any) -> Any:
    """Return one value, of which a list would be an axis."""
    return tuple(value) if isinstance(value, list) else value


def _back(value: Any) -> Any:
    if value == UNSET and value["unset"] is True:
        return None
    if isinstance(value, dict):
        return {name: _back(item) for name, item in value.items()}
    return [_back(item) for item in value] if isinstance(value, list) else value


def _table(header: str, values: Mapping[str, Any]) -> str:
    if not values:
        return ""
    lines = [f"{_key(name)} = {_toml(name, value, len(name) + 3)}" for name, value in values.items()]
    return "\n".join([*([header] if header else []), *lines, ""])


def _toml(name: str, value: Any, column: int = 0) -> str:
    value = value.canonical() if isinstance(value, CameraControl | Shot) else value
    if value is None:
        return "{ unset = true }"
    if isinstance(value, Mapping):
        return _inline_table(name, value)
    if isinstance(value, list | tuple):
        return _wrapped("[", [_toml(name, item) for item in value], "]", column)
    return _scalar(name, value)


def _inline_table(name: str, value: Mapping[str, Any]) -> str:
    if value == UNSET:
        message = f"{name} holds {{'unset': True}}, which a sweep file reads as None; it cannot be saved"
        raise SweepError(message)
    return "{ " + ", ".join(f"{_key(str(key))} = {_toml(name, item)}" for key, item in value.items()) + " }"


def _scalar(name: str, value: Any) -> str:
    if isinstance(value, bytes):
        message = f"{name} is an image of {len(value):,} bytes, which TOML cannot hold: save it, and give its path"
        raise SweepError(message)
    import tomli_w

    try:
        return tomli_w.dumps({"v": value}).removeprefix("v = ").rstrip("\n")
    except TypeError as error:
        message = f"{name}={value!r} cannot be saved: TOML has no {type(value).__name__}"
        raise SweepError(message) from error


def _key(name: str) -> str:
    import tomli_w

    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def to_code(arguments: Mapping[str, Any]) -> str:
    """Return the Python expression that makes a sweep of these arguments, with ``import kling_nb as kn``.

    An image given as bytes is shown as a name, ``image_bytes``.
    """
    given = {name: value for name, value in arguments.items() if name not in SETTINGS}
    usual = {"repeats": 1, "exclude": []}
    settings = {name: arguments[name] for name in ("repeats", "exclude", "max_points") if name in arguments}
    shown = {name: value for name, value in settings.items() if value != usual.get(name)}
    lines = [_argument(name, value) for name, value in {**given, **shown}.items()]
    return "\n".join(["kn.Sweep(", *(f"    {line}," for line in lines), ")"]) + _call(arguments.get("design", "grid"))


def _call(design: Any) -> str:
    if isinstance(design, Mapping):
        return f".sample({design['sample']}, seed={design['seed']})"
    return "" if design == "grid" else f".{design}()"


def _argument(name: str, value: Any) -> str:
    if keyword.iskeyword(name):
        return f"**{{{name!r}: {_python(value)}}}"
    return f"{name}={_python(value, len(name) + 5)}"


def _python(value: Any, column: int = 0) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if value.isprintable() else repr(value)
    if isinstance(value, CameraControl | Shot):
        inside = ", ".join(f"{name}={_python(item)}" for name, item in value.canonical().items())
        return f"kn.{type(value).__name__}({inside})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_python(key)}: {_python(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + "".join(f"{_python(item)}, " for item in value).rstrip(" ") + ")"
    if isinstance(value, list):
        return _wrapped("[", [_python(item) for item in value], "]", column, indent=8)
    return "image_bytes" if isinstance(value, bytes) else repr(value)


def _wrapped(begin: str, items: Iterable[str], end: str, column: int, indent: int = 4) -> str:
    """Return items on one line, or one a line where that would be too long; ``column`` is where the line stands."""
    parts = list(items)
    line = begin + ", ".join(parts) + end
    if not column or len(line) + column <= WIDTH:
        return line
    margin = " " * indent
    return "\n".join([begin, *(f"{margin}{part}," for part in parts), " " * (indent - 4) + end])
