"""The house: who may import whom, and which third-party library has which door."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "kling_nb"

FLOORS = {
    0: [
        "errors",
        "keywords",
        "excerpts",
        "letters",
        "pictures",
        "fields",
        "request",
        "offer",
        "records",
        "states",
        "task",
        "costs",
        "redaction",
    ],
    1: [
        "dialect",
        "spelling",
        "sweep",
        "catalog",
        "catalog_form",
        "menu",
        "terms",
        "verdict",
        "prices",
        "answers",
        "columns",
        "spending",
        "space",
        "secret",
        "stage",
    ],
    2: ["frames", "wire", "clients", "transport", "streams", "links", "bodies", "keys", "dialects"],
    3: ["log", "media", "tables"],
    4: ["plan", "views"],
    5: ["engine"],
    6: ["lab", "ordering", "bindings"],
    7: ["", "__main__", "arguments", "cli", "demo", "doctor", "serve", "sync"],
}
"""Rooms by floor; a folder is one room. The design's table, with the rooms that joined it since."""

BESIDE = "simulator"

NEIGHBOURS = [
    # A room that was split: its parts may import each other, and a test holds that there is no circle.
    {"request", "fields", "pictures", "keywords", "excerpts", "letters", "errors"},
    {"offer", "excerpts"},
    {"task", "states", "costs", "records"},
    {"catalog", "catalog_form", "menu", "terms", "verdict", "prices"},
    {"dialect", "spelling"},
    {"wire", "clients", "transport", "streams", "links", "bodies"},
    {"plan", "views"},
    {"lab", "ordering", "bindings"},
    {"__main__", "arguments", "cli", "demo", "doctor", "serve"},
]

DOORS = {
    "httpx": ["clients"],
    "httpx2": ["clients"],
    "sqlalchemy": ["log"],
    "av": ["media", "simulator"],
    "pandas": ["frames"],
    "ipywidgets": ["views"],
    "anywidget": ["views"],
    "jinja2": ["views"],
    "anyio": ["engine", "simulator"],
    "filelock": ["engine"],
    "jwt": ["dialects", "simulator"],
    "rich": ["plan", "views", "cli"],
    "starlette": ["simulator"],
    "uvicorn": ["simulator"],
    "trustme": ["simulator"],
    "allpairspy": ["sweep"],
    "tomli_w": ["sweep"],
    "dotenv": ["keys"],
    "keyring": ["keys"],
    "nest_asyncio": ["sync"],
    "nest_asyncio2": ["sync"],
}
"""Each third-party library is imported in these rooms only."""


def room_of(path: Path) -> str:
    """Return the room that a file belongs to: its top folder, or its own name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def floor_of(room: str) -> int:
    """Return the floor of a room."""
    return next(floor for floor, rooms in FLOORS.items() if room in rooms)


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """Return every imported module, in functions too, as (dotted name, whether only for type checking)."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    package = ("kling_nb", *path.relative_to(PACKAGE).parent.parts)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in hidden) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            names = [f"{module}.{alias.name}" for alias in node.names]
            found += [(name, id(node) in hidden) for name in (names if module.startswith("kling_nb") else [module])]
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


def own_rooms(path: Path) -> set[str]:
    """Return the rooms of the package that a file imports at run time."""
    rooms = {room for one in FLOORS.values() for room in one} | {BESIDE}
    names = [name.split(".")[1:] for name, typing in imports_of(path) if name.startswith("kling_nb") and not typing]
    return {parts[0] if parts and parts[0] in rooms else "" for parts in names}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_a_lower_floor(path: Path) -> None:
    """A room knows only the rooms below it; imports inside functions count."""
    room = room_of(path)
    if room == BESIDE:
        assert own_rooms(path) <= {BESIDE}, "the simulator is a stranger: it imports nothing of ours"
        return
    floor = floor_of(room)
    for other in own_rooms(path) - {room}:
        if other == BESIDE:
            assert floor >= 5, f"{room} may not know the simulator"
            continue
        together = any({room, other} <= parts for parts in NEIGHBOURS)
        assert floor_of(other) < floor or together, f"{room} (floor {floor}) imports {other} (floor {floor_of(other)})"


def test_neighbours_import_each_other_in_no_circle() -> None:
    """The parts of a room that was split stand in an order."""
    graph = {room: set[str]() for rooms in NEIGHBOURS for room in rooms}
    for path in FILES:
        if room_of(path) in graph:
            graph[room_of(path)] |= own_rooms(path) & graph.keys() - {room_of(path)}
    stands_in_order(graph)


def stands_in_order(graph: dict[str, set[str]]) -> None:
    """Fail if what imports what, by names, goes round in a circle."""
    while graph:
        free = {name for name, others in graph.items() if not others & graph.keys()}
        assert free, f"these import each other in a circle: {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in free}


@pytest.mark.parametrize("room", sorted({room_of(path) for path in FILES if path.parent != PACKAGE} - {BESIDE}))
def test_the_files_of_a_room_import_each_other_in_no_circle(room: str) -> None:
    """A room that is a folder has an order inside too."""
    files = {path.stem: path for path in FILES if path.parent == PACKAGE / room and path.stem != "__init__"}
    inside = f"kling_nb.{room}."
    names = {
        stem: {name.removeprefix(inside).split(".")[0] for name, typing in imports_of(path) if not typing}
        for stem, path in files.items()
    }
    stands_in_order({stem: others & files.keys() for stem, others in names.items()})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_each_library_has_its_door(path: Path) -> None:
    """A third-party library is imported in its own rooms only, so that replacing it changes one place."""
    room = room_of(path)
    for name, typing in imports_of(path):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top == "kling_nb" or typing:
            continue
        if top in DOORS:
            assert room in DOORS[top], f"{room} imports {top}, whose door is {DOORS[top]}"
        else:
            assert top in {"IPython", "PIL", "numpy", "markupsafe", "traitlets"}, f"{top} has no door yet"


def test_every_file_has_a_floor() -> None:
    """A new room is put on a floor before it is used."""
    rooms = {room_of(path) for path in FILES} - {BESIDE}
    assert rooms <= {room for one in FLOORS.values() for room in one}
