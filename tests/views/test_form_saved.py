"""What the widgets of a sweep form weigh in a notebook that is saved with them."""

from __future__ import annotations

import json
from pathlib import Path

import ipywidgets as widgets
from ipywidgets.embed import dependency_state

from tests.views.forms import form_of, inside, is_gone, open_lab


def test_a_form_is_light(tmp_path: Path) -> None:
    """Layouts and styles are held in common, so that a form is saved with its controls and words, not with looks."""
    with open_lab(tmp_path / "study") as lab:
        saved = dependency_state([form_of(lab).widget()], drop_defaults=False)

    assert len(json.dumps(saved)) < 200_000


def test_what_is_hidden_hides_nothing_else(tmp_path: Path) -> None:
    """A control that goes leaves the others of its form, and those of another form, where they are."""
    with open_lab(tmp_path / "study") as lab:
        form, other = form_of(lab), form_of(lab)
        before = [is_gone(one) for one in inside(other.widget())]
        form.set(design="sample")

        assert before == [is_gone(one) for one in inside(other.widget())]
        assert before != [is_gone(one) for one in inside(form.widget())]


def test_a_form_is_whole_after_all_widgets_were_closed(tmp_path: Path) -> None:
    """What the forms have in common is made anew once somebody has closed it."""
    with open_lab(tmp_path / "study") as lab:
        form_of(lab)
        widgets.Widget.close_all()

        assert all(one.layout.comm is not None for one in inside(form_of(lab).widget()))
