"""What every view displays: static HTML first, then the live widget where a kernel answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"


def has_kernel() -> bool:
    """Tell whether this runs in a notebook's kernel, so that widgets can be shown."""
    if "IPython" not in sys.modules:
        return False
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def unseen(how: str) -> str:
    """Return what a view's `repr` ends with where no notebook can show the view: how to go on; nothing in a kernel."""
    return "" if has_kernel() else f"; {how}"


def display_both(html: str, words: str, widget: Callable[[], Any], words_of_widget: str) -> None:
    """Display static HTML, and after it the widget that takes its place; made only where there is a kernel."""
    from IPython.display import display

    display({"text/plain": words, "text/html": html}, raw=True)  # type: ignore[no-untyped-call]
    if has_kernel():
        display(view_of(widget(), words_of_widget), raw=True)  # type: ignore[no-untyped-call]


def view_of(widget: Any, words: str) -> dict[str, Any]:
    """Return what shows a widget, with one line for whoever cannot."""
    bundle = widget._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, Sequence) else bundle
    return {WIDGET: data[WIDGET], "text/plain": words}


def reply_on_the_askers_subshell(comm: Any) -> None:
    """Let the front end's messages be handled on the subshell that it names.

    ipykernel 7.4.0 (``comm/comm.py``, read 2026-11) sends them to the shell that Python last wrote from instead: to
    the main one, which stands still while a cell runs, so that a button would wait for that cell. There is no public
    switch; shadowing the method holds for every message, where resetting what it remembers would have to follow
    each update.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, subshell: subshell  # noqa: SLF001
