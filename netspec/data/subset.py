"""A subset of a feed's samples: a share or a number of them, drawn by a seed and by class, or those of a list."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from netspec.core.errors import DataError
from netspec.core.locate import beside
from netspec.core.model import Model, PathMark, SpecPath, wrong
from netspec.core.shape import counted
from netspec.data.chosen import Chosen
from netspec.data.class_labels import class_labels, counted_from_0
from netspec.data.dataset import Dataset
from netspec.data.division import divided
from netspec.formats.files import WrongFormatError, about, opened
from netspec.formats.npy import read_npy

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Index = NDArray[np.int64]


class SubsetError(DataError):
    """A subset has more samples than there are, none, a sample twice, or one that is not there."""

    code = "NS655"


class Subset(Model):
    """Some of the samples: as many as `size` says, or those that `index` or `file` lists."""

    size: int | float | None = Field(
        None, gt=0, description="A number of samples, 500, or a share of them, 0.1, of every class alike."
    )
    index: tuple[Annotated[int, Field(ge=-(2**63), lt=2**63)], ...] | None = Field(
        None, min_length=1, description="The samples, counted from 0, in this order."
    )
    file: SpecPath | None = Field(None, description="A file of such numbers: .npy, or text with one in each line.")
    seed: int = Field(1, ge=0, lt=2**63, description="Other seeds draw other samples; `random_seed` does not matter.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in ("size", "index", "file") if getattr(self, name) is not None]
        if len(given) != 1:
            fault = f"{' and '.join(f'`{name}`' for name in given)} exclude each other" if given else "it names nothing"
            raise wrong(f"`subset`: {fault}", field=given[-1] if given else None, help="give one of size, index, file")
        if isinstance(self.size, float) and self.size > 1:
            help = "a number of samples is written without a point: 500"
            raise wrong(f"a share of the samples is at most 1.0, not {self.size:g}", help=help)
        return self

    def of(self, data: Dataset, base: Path | None) -> Dataset:
        """The chosen samples. Raises SubsetError, FileError."""
        if self.size is not None:
            index = self._drawn(data, self.size)
            return Chosen(data, index, f"a subset of {len(index):,} by seed {self.seed}")
        index = self._listed(base)
        if len(index) == 0:
            raise SubsetError("the list of samples is empty")
        if index.min() < 0 or index.max() >= len(data):
            wrong = index[(index < 0) | (index >= len(data))][0]
            there = f"they are counted from 0 to {len(data) - 1:,}"
            raise SubsetError(f"there is no sample {wrong:,} among {counted(len(data), 'sample')}", help=there)
        _refuse_twice(index)
        return Chosen(data, index, f"a list of {len(index):,} of them")

    def _drawn(self, data: Dataset, size: float) -> Index:
        """As many samples as are wanted, in their order."""
        import numpy as np

        number = size if isinstance(size, int) else max(1, int(Fraction(str(size)) * len(data) + Fraction(1, 2)))
        if number > len(data):
            help = "leave `subset` out to take them all"
            raise SubsetError(f"a subset of {number:,} of only {counted(len(data), 'sample')}", help=help)
        found = class_labels(data)
        classes = np.zeros(len(data), np.int64) if found is None else counted_from_0(found[1])
        part = divided(classes, [Fraction(number, len(data))], self.seed, "subset", each=False)
        return np.flatnonzero(part == 0)

    def _listed(self, base: Path | None) -> Index:
        """The numbers of the list."""
        import numpy as np

        if self.index is not None:
            return np.array(self.index, np.int64)
        path = beside(base, self.file or "")
        with about("file"):
            if path.suffix == ".npy":
                array = read_npy(path)
                if array.ndim != 1 or array.dtype.kind not in "iu":
                    raise WrongFormatError(f"'{path}' does not hold a list of whole numbers")
                return array.astype(np.int64)
            with opened(path) as file:
                words = file.read().split()
            if bad := next((word for word in words if not word.isdigit() or len(word) > 18), None):
                raise WrongFormatError(f"'{path}' holds {bad[:40]!r}, which is not the number of a sample")
            return np.array([int(word) for word in words], np.int64)


def _refuse_twice(index: Index) -> None:
    """Raise SubsetError where a sample is listed twice."""
    import numpy as np

    values, counts = np.unique(index, return_counts=True)
    if counts.max() > 1:
        raise SubsetError(f"sample {values[counts.argmax()]:,} is listed {counts.max():,} times")


def _subset(value: Any) -> Any:
    """A number, a list or a path as the field that it stands for."""
    if isinstance(value, bool):
        return value
    forms = {int: "size", float: "size", tuple: "index", str: "file"}
    return next(({name: value} for form, name in forms.items() if isinstance(value, form)), value)


_FORMS = {
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0},
        {"type": "string"},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        {
            "type": "object",
            "properties": {
                "size": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "description": Subset.model_fields["size"].description,
                },
                "index": {
                    "type": "array",
                    "items": {"type": "integer"},
                    "description": Subset.model_fields["index"].description,
                },
                "file": {"type": "string", "description": Subset.model_fields["file"].description},
                "seed": {"type": "integer", "minimum": 0, "description": Subset.model_fields["seed"].description},
            },
            "additionalProperties": False,
        },
    ]
}

AnySubset = Annotated[Subset, BeforeValidator(_subset), WithJsonSchema(_FORMS), PathMark()]
