"""Arrays: NumPy files, or numbers written in the spec itself. The first axis of every array counts the samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_validator, model_validator

from netspec.core.locate import beside
from netspec.core.model import Listed, SpecPath, wrong
from netspec.core.shape import Shape
from netspec.data.dataset import Dataset
from netspec.data.sources.base import ArrayDataset, Source
from netspec.formats.files import about
from netspec.formats.npy import open_npy, open_npz


class Arrays(Source):
    """One array for each output of a sample.

    `outputs` names .npy files, `file` an .npz file, `values` holds the numbers.
    """

    outputs: Listed[SpecPath] | None = Field(
        None, description="The .npy file of each output; large ones are read as they are needed."
    )
    file: SpecPath | None = Field(None, description="An .npz file.")
    keys: Listed[str] | None = Field(None, description="The array of `file` for each output; left out: all, as saved.")
    values: tuple[Any, ...] | None = Field(None, description="The numbers of each output, as nested lists.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in ("outputs", "file", "values") if getattr(self, name)]
        if len(given) != 1:
            names = " and ".join(f"`{name}`" for name in given)
            fault = f"{names} exclude each other" if given else "there are no arrays"
            raise wrong(fault, field=given[-1] if given else None, help="give one of `outputs`, `file` and `values`")
        if self.keys and not self.file:
            raise wrong("`keys` chooses arrays of an .npz `file`", field="keys")
        return self

    @field_validator("values")
    @classmethod
    def _boxes(cls, values: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        for output in values or ():
            _box(output)
        return values

    @property
    def bundled(self) -> bool:
        """True for numbers in the spec."""
        return self.values is not None

    def open(self, base: Path | None) -> Dataset:
        """The arrays. Raises DataError."""
        import numpy as np

        if self.values:
            names = tuple(f"output {i} of `values`" for i in range(len(self.values)))
            return ArrayDataset("values in the spec", names, tuple(np.asarray(value) for value in self.values))
        if self.file:
            path = beside(base, self.file)
            with about("file"):
                members, file = open_npz(path, self.keys)
            names = tuple(f"{path.name}[{key}]" for key, _ in members)
            return ArrayDataset(str(path), names, tuple(array for _, array in members), watched=(file,))
        opened = []
        paths = [beside(base, output) for output in self.outputs or ()]
        for i, path in enumerate(paths):
            with about(f"outputs.{i}"):
                opened.append(open_npy(path))
        arrays, files = zip(*opened, strict=True)
        return ArrayDataset(", ".join(map(str, paths)), tuple(path.name for path in paths), arrays, watched=files)


def _box(value: Any) -> Shape:
    """The shape of nested tuples of numbers; raises a validator's error when rows differ in length."""
    if isinstance(value, tuple):
        shapes = {_box(item) for item in value}
        if len(shapes) > 1:
            raise wrong("the rows of one output differ in length", help="every sample of an output has the same shape")
        return (len(value), *(shapes.pop() if shapes else ()))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong(f"{value!r} is not a number")
    return ()
