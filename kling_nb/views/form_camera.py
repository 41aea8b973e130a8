"""The camera of the sweep form: its moves to choose from, and the six sliders of the simple one."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..errors import InputError
from ..fields import CAMERA_AXES, CameraControl, read_field
from .form_fields import FINE_STEP, MOVES, REACH, Field
from .form_parts import Changed, Choices, group, show_if
from .form_shelf import Offered
from .page import text_of


class Camera:
    """Camera moves, each a checkbox; *simple* has six sliders, and moving one of them takes the others to zero."""

    def __init__(self, field: Field, changed: Changed) -> None:
        self._types = Choices(field, self._chosen)
        self._changed = changed
        self._field = field
        self.sliders = _sliders_class()(axes=[*MOVES.items()], reach=REACH)
        self.sliders.observe(lambda _: changed(field.name), "moves")
        self._place = group([self.sliders])  # which can be hidden: an anywidget does not follow its classes
        self.widget = group([self._types.widget, self._place], "knb-camera")
        self._fit()

    def get(self) -> tuple[CameraControl, ...]:
        """Return the cameras that are chosen; a simple one may still lack its move."""
        return tuple(
            CameraControl(type=name, **(self._moves() if name == "simple" else {})) for name in self._types.get()
        )

    def set(self, values: Any) -> None:
        """Enter cameras, or the names of their types; raises `InputError` for what the form has no place for."""
        cameras = [_camera(value) for value in _listed(values)]
        simple = [camera for camera in cameras if camera.type == "simple"]
        if len(simple) > 1 or any(camera.moves for camera in cameras if camera.type != "simple"):
            message = f"{self._field.name}={values!r} cannot be entered: the form has one set of sliders, for simple"
            raise InputError(message)
        self._types.set([camera.type for camera in cameras])
        self.sliders.moves = simple[0].moves if simple else {}
        self._fit()

    def offer(self, offered: Offered) -> tuple[Any, ...]:
        """Offer these types, and whole steps where a provider takes nothing else."""
        self.sliders.step = 1.0 if offered.whole else FINE_STEP
        dropped = self._types.offer(offered)
        self._fit()
        return dropped

    def _moves(self) -> dict[str, float]:
        moves = self.sliders.moves
        return {name: moves[name] for name in CAMERA_AXES if isinstance(moves.get(name), int | float)}

    def _chosen(self, name: str) -> None:
        self._fit()
        self._changed(name)

    def _fit(self) -> None:
        show_if(self._place, shown="simple" in self._types.get())


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [] if values is None else [values]


def _camera(value: Any) -> CameraControl:
    camera: CameraControl = CameraControl(type=value) if isinstance(value, str) else read_field("camera_control", value)
    return camera


@cache
def _sliders_class() -> type[Any]:
    import anywidget
    import traitlets

    class CameraSliders(anywidget.AnyWidget):
        _esm = text_of("form_camera.js")
        axes: Any = traitlets.List().tag(sync=True)
        reach = traitlets.Int().tag(sync=True)
        step = traitlets.Float(FINE_STEP).tag(sync=True)
        moves = traitlets.Dict().tag(sync=True)

    return CameraSliders
