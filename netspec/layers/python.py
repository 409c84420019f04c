"""Python: a layer that the user wrote, found by its module and its class. Source: Caffe python_layer.hpp.

The module is a code file (`--code`), one that an installed package offers, or one that the program has imported: a
net's file alone never runs code.
"""

from __future__ import annotations

import json
import sys
from functools import cached_property
from typing import Any, ClassVar

from pydantic import Field, ValidationError, model_validator

from netspec.core import plugins
from netspec.core.calls import Run, Workspace
from netspec.core.code_files import in_pycaffe_style, loaded_module
from netspec.core.metric import Metric
from netspec.core.model import wrong
from netspec.core.shape import ShapeError, Shapes
from netspec.core.spelling import suggest
from netspec.layers._pycaffe import Pycaffe
from netspec.layers.base import Abilities, Arity, BatchAxes, Layer, Param, Purpose
from netspec.layers.base_python import PythonLayer


class Python(PythonLayer):
    """Run a class of the user's own.

    Bottoms and tops: as the class has them; say `bottom: []` for none. Params: as the class has them. The class derives
    from `netspec.layers.base_python.PythonLayer`, with fields that `param_str` fills and methods in NumPy; or it is in
    the style of pycaffe, with `setup`, `reshape`, `forward` and `backward(top, propagate_down, bottom)` on blobs with
    `data` and `diff`. Such a class is made and set up once to plan the net, and once for each program; its `setup` may
    not depend on data. docs/plug-ins.md shows both.
    """

    purpose: ClassVar[Purpose] = "other"
    bottoms: ClassVar[Arity] = Arity(0, None)
    tops: ClassVar[Arity] = Arity(0, None)

    module: str = Field(description="A code file's name without its ending; or a plug-in's module, or an imported one.")
    layer: str = Field(description="The class in that module.")
    param_str: str | dict[str, Any] = Field(
        "", description="The fields of a PythonLayer, as a mapping or as JSON; the text that a class of pycaffe gets."
    )

    @model_validator(mode="after")
    def _check(self) -> Python:
        assert self.made
        return self

    @cached_property
    def made(self) -> PythonLayer:
        """The user's layer. Raises PydanticCustomError, PluginError."""
        cls = self._class()
        wiring: dict[str, Any] = {"name": self.name, "bottom": self.bottom, "top": self.top}
        if issubclass(cls, PythonLayer):
            return self._validated(cls, wiring)
        if issubclass(cls, Layer):
            raise wrong(f"'{self.layer}' is a layer type of its own", field="layer", help=f"write `type: {self.layer}`")
        if not in_pycaffe_style(cls):
            text = f"'{self.layer}' derives from no PythonLayer, and lacks a method of pycaffe's"
            raise wrong(text, field="layer", help="these are setup, reshape, forward and backward")
        if not isinstance(self.param_str, str):
            text = f"`param_str` must be a text: '{self.layer}' is a class in the style of pycaffe"
            raise wrong(text, field="param_str", help="like '{\"scale\": 2}', which the class itself reads")
        return Pycaffe.model_validate(wiring).around(cls, self.param_str, self.place)

    def _class(self) -> type[Any]:
        module = loaded_module(self.module) or plugins.module(self.module) or sys.modules.get(self.module)
        if module is None:
            text = f"no code file and no plug-in is called '{self.module}', and no such module was imported"
            help = f"name the file on the command line: --code {self.module}.py; or import it in your program"
            raise wrong(text, field="module", help=help)
        classes = {name: one for name, one in vars(module).items() if isinstance(one, type)}
        own = {name for name, one in classes.items() if issubclass(one, Layer) or in_pycaffe_style(one)}
        if self.layer not in classes:
            text = f"the module '{self.module}' has no class '{self.layer}'"
            raise wrong(text, field="layer", help=suggest(self.layer, own))
        return classes[self.layer]

    def _validated(self, cls: type[PythonLayer], wiring: dict[str, Any]) -> PythonLayer:
        """The layer with the fields of `param_str`."""
        fields: Any = self.param_str or {}
        if isinstance(fields, str):
            try:
                fields = json.loads(fields)
            except ValueError as error:
                text = f"`param_str` is no JSON: {error}"
                raise wrong(text, field="param_str", help='like {"factor": 2}') from None
        if not isinstance(fields, dict):
            raise wrong("`param_str` must be a mapping", field="param_str", help="like {factor: 2}")
        taken = sorted(fields.keys() & Layer.model_fields.keys())
        if taken:
            text = f"`{taken[0]}` stands in `param_str`, where only fields of {cls.__name__} do"
            raise wrong(text, field="param_str", help="write it beside `param_str`")
        try:
            return cls.model_validate({**wiring, **fields})
        except ValidationError as error:
            problem = error.errors()[0]
            name, said = ".".join(map(str, problem["loc"])), problem["msg"]
            if said.startswith("Input should be"):
                said = f"must be{said.removeprefix('Input should be')}, not {problem['input']!r}"
            known = [field for field in cls.model_fields if field not in Layer.model_fields]
            help = suggest(name, known) if problem["type"] == "extra_forbidden" else None
            raise wrong(f"`{name}` of {cls.__name__}: {said}", field=f"param_str.{name}", help=help) from None

    def coded(self) -> type:
        """The user's class."""
        return self.made.coded()

    @property
    def abilities(self) -> Abilities:
        """Those of the user's layer."""
        return self.made.abilities

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Those of the user's layer. Raises ShapeError."""
        arities = (("bottom", self.made.bottoms, len(bottoms)), ("top", self.made.tops, len(self.top_names())))
        for word, arity, number in arities:
            if not arity.holds(number):
                text = f"{self.layer} takes {arity} {word}{'s' * (f'{arity}' != '1')}, not {number}"
                raise ShapeError(text, field=word)
        found: list[Shapes] = []
        self.guarded("top_shapes", lambda: found.append(self.made.top_shapes(bottoms)))
        if len(found[0]) != len(self.top_names()):
            text = f"{self.layer} gives {len(found[0])} shapes for {len(self.top_names())} tops"
            raise ShapeError(text, field="layer")
        return found[0]

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """That of the user's layer."""
        return self.made.shape_arithmetic(bottoms)

    def params(self) -> tuple[Param, ...]:
        """Those of the user's layer."""
        return self.made.params()

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """Those of the user's layer."""
        return self.made.param_shapes(bottoms)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """That of the user's layer."""
        return self.made.param_arithmetic(bottoms)

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """Those of the user's layer."""
        return self.made.macs(bottoms, tops)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """Those of the user's layer."""
        return self.made.batch_axes(bottoms, axes)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """Those of the user's layer."""
        return self.made.classes(bottoms)

    def metric(self, bottoms: Shapes) -> Metric | None:
        """That of the user's layer."""
        return self.made.metric(bottoms)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Those of the user's layer."""
        return self.made.workspaces(bottoms, backward)

    def compute(self, run: Run) -> None:
        """By the user's layer."""
        self.made.compute(run)

    def gradients(self, run: Run) -> None:
        """By the user's layer."""
        self.made.gradients(run)
