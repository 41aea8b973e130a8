"""What every view displays: static HTML first, then the live widget where a kernel answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

WIDGET = "application/vnd.jupyter.widget-view+json"


def has_kernel() -> bool:
    """Tell whether this runs in a notebook's kernel, so that widgets can be shown."""
    from IPython.core.getipython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


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
