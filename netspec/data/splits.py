"""One source for several feeds: its split into parts, by shares or folds; a feed without a source takes its part.

The split is a function of the samples' order in their source, their classes or groups, and the seed that stands beside
it: not of the solver's `random_seed`, so that a training that is repeated with another seed sees the same samples.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import Field, PrivateAttr, model_validator

from netspec.core.errors import DataError
from netspec.core.model import Aka, Model, wrong
from netspec.core.nodes import placed
from netspec.core.shape import counted
from netspec.data.chosen import Chosen
from netspec.data.class_labels import NoClassesError, class_labels, class_name, counted_from_0
from netspec.data.dataset import Dataset
from netspec.data.division import dealt, divided
from netspec.data.sources.base import AnySource, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class EmptyPartError(DataError):
    """A part of a split gets no sample."""

    code = "NS651"
    field = "split"


class SmallClassError(DataError):
    """A class has fewer samples than a split has parts, so that some part would not have it."""

    code = "NS652"
    field = "split"


class GroupError(DataError):
    """Samples cannot be put into groups: there is no such column or output, or files have other names."""

    code = "NS653"
    field = "group"


class DividedOrderError(DataError):
    """Samples that follow one another cannot be divided at random."""

    code = "NS654"
    field = "source"


class Group(Model):
    """What the samples of a group have in common: a column, an output, or a part of their files' names."""

    column: str | None = Field(None, description="A column of a table, an output of the samples or not.")
    output: int | None = Field(None, ge=0, description="The number of an output: samples with equal values.")
    files: str | None = Field(
        None,
        description="A regular expression, found in a file's path below its source: its first (...), or all of it.",
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [name for name in ("column", "output", "files") if getattr(self, name) is not None]
        if len(given) != 1:
            fault = f"{' and '.join(f'`{name}`' for name in given)} exclude each other" if given else "it names nothing"
            raise wrong(fault, field=given[-1] if given else None, help="give one of `column`, `output` and `files`")
        if self.files is not None:
            try:
                re.compile(self.files)
            except re.error as error:
                raise wrong(f"'{self.files}' is no regular expression: {error}", field="files") from None
        return self

    def of(self, data: Dataset) -> Index:
        """The number of each sample's group, (N,), from 0. Raises GroupError."""
        import numpy as np

        if self.column is not None:
            values = data.column(self.column)
            if values is None:
                raise GroupError(f"there is no column '{self.column}' in {data.describe()}")
        elif self.output is not None:
            labels = data.labels(self.output) if self.output < len(data.shapes) else None
            if labels is None or labels.ndim > 1:
                there = counted(len(data.shapes), "output")
                raise GroupError(
                    f"output {self.output} has no single value for each sample that is known before it is read",
                    help=f"a sample has {there}, counted from 0",
                )
            values = labels
        else:
            values = np.array([self._in_file(data, index) for index in range(len(data))])
        return counted_from_0(values)

    def _in_file(self, data: Dataset, index: int) -> str:
        file = data.file(index)
        if file is None:
            raise GroupError("`files` groups samples by their files, but these have none of their own")
        found = re.search(self.files or "", file)
        if found is None or (found.re.groups and found[1] is None):
            raise GroupError(f"the expression '{self.files}' is not found in '{file}'", help="write one that fits all")
        return found[1] if found.re.groups else found[0]


HELD = ("test", "validation")
"""The parts that may be a fold: the first that a split has."""


class SplitSpec(Model):
    """One source for several feeds: those without a source take their part of it."""

    source: Annotated[AnySource, Aka("data", "dataset")] = Field(description="Which data, and where they lie.")
    split: dict[str, float] = Field(
        description="The share of each feed by its name: {train: 0.8, validation: 0.1, test: 0.1}; what is left over "
        "is not used."
    )
    folds: Annotated[int | None, Aka("n_splits", "k_fold", "num_folds", "n_folds")] = Field(
        None,
        ge=2,
        le=10_000,
        description="The number of equal folds, of which one is the part `test` (without one: `validation`) in place "
        "of its share; the others divide the rest in proportion.",
    )
    fold: int = Field(0, ge=0, description="Which of the folds: 0, 1, ...")
    group: Annotated[Group | None, Aka("groups", "group_by")] = Field(
        None, description="Samples that belong together, and come to one part: {column: patient}."
    )
    stratify: Annotated[bool | None, Aka("stratified")] = Field(
        None, description="Whether each part has the classes in equal shares; left out: where there are class labels."
    )
    seed: int = Field(1, ge=0, lt=2**63, description="Other seeds divide otherwise; `random_seed` does not matter.")

    _open: Any = PrivateAttr(None)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.split:
            raise wrong("the split has no parts", field="split", help=_LIKE)
        for name, share in self.split.items():
            if not 0 < share <= 1:
                text = f"the share of '{name}' must be more than 0 and at most 1, not {share:g}"
                raise wrong(text, field=f"split.{name}", help="0.1 is a tenth of all samples")
        if sum(self.shares.values()) > 1:
            text = f"the shares of the split sum to {float(sum(self.shares.values())):g}, more than 1"
            raise wrong(text, field="split", help=_LIKE)
        if self.folds is None and "fold" in self.model_fields_set:
            raise wrong("`fold` needs `folds`, their number", field="fold", help="say `folds: 5`")
        if self.folds is not None and self.fold >= self.folds:
            raise wrong(f"there is no fold {self.fold}: {self.folds} are counted from 0", field="fold")
        if self.folds is not None and (self.held is None or len(self.split) < 2):
            text = "a fold is the part `test` or `validation`, and the other folds are for another part"
            raise wrong(text, field="split", help="like `split: {train: 0.8, test: 0.2}`")
        return self

    @property
    def shares(self) -> dict[str, Fraction]:
        """The shares as they are written, so that tenths sum to 1."""
        return {name: Fraction(str(share)) for name, share in self.split.items()}

    @property
    def held(self) -> str | None:
        """The name of the part that is a fold."""
        return next((name for name in HELD if name in self.split), None)

    def open(self, base: Path | None) -> Divided:
        """The source and its parts, which all feeds share while one of them has it open. Raises DataError."""
        there = self._open() if self._open is not None else None
        if there is not None and there.base == base and there.users:
            there.users += 1
            return there  # type: ignore[no-any-return]
        with placed(self.written, "source"):
            data = self.source.open(base)
        with placed(self.written):
            divided = Divided(data, parts_of(self, data), base)
        self._open = weakref.ref(divided)
        return divided


_LIKE = "like `split: {train: 0.8, validation: 0.1, test: 0.1}`"


@dataclass(eq=False)
class Divided:
    """An opened source, and the samples of each part in their order; `users` are the feeds that read it."""

    data: Dataset
    parts: Mapping[str, Index]
    base: Path | None
    users: int = 1

    def leave(self) -> None:
        """Close the source when its last feed has left."""
        self.users -= 1
        if self.users == 0:
            self.data.close()


@dataclass(frozen=True, eq=False)
class _PartData(Chosen):
    """A part of a source that other feeds have parts of."""

    whole: Divided

    def close(self) -> None:
        """Leave the source to the other feeds."""
        self.whole.leave()


class Part(Source):
    """The part of a feed in a split; no word of its own selects it: a feed has it that names no source."""

    all: SplitSpec = Field(description="The source and its split.")
    part: str = Field(description="The name of the feed.")

    @property
    def bundled(self) -> bool:
        """As the source that is split."""
        return self.all.source.bundled

    def open(self, base: Path | None) -> Dataset:
        """The samples of the part. Raises DataError."""
        whole = self.all.open(base)
        index = whole.parts[self.part]
        folds = f" of fold {self.all.fold} of {self.all.folds}" if self.all.folds else ""
        what = f"part '{self.part}'{folds} with {counted(len(index), 'sample')}"
        return _PartData(whole.data, index, what, whole)


def parts_of(spec: SplitSpec, data: Dataset) -> dict[str, Index]:
    """The samples of each part of opened data, in their order. Raises DataError."""
    import numpy as np

    if data.ordered:
        raise DividedOrderError(
            "these samples go on where those before them ended, so they cannot be divided",
            help="give each feed a source of its own",
        )
    classes = _classes(spec, data)
    groups = None if spec.group is None else spec.group.of(data)
    part_of = _numbered(spec, classes, groups)
    parts = {name: np.flatnonzero(part_of == number) for number, name in enumerate(spec.split)}
    for name, index in parts.items():
        if not len(index):
            of = counted(len(data), "sample") if groups is None else counted(int(groups.max()) + 1, "group")
            raise EmptyPartError(
                f"the part '{name}' comes out empty, of {of} in all",
                at=spec.place("split", name),
                help="take a larger share",
            )
    return parts


def _numbered(spec: SplitSpec, classes: Index, groups: Index | None) -> Index:
    """The number of each sample's part, (N,), -1 for none."""
    import numpy as np

    shares = list(spec.shares.values())
    if spec.folds is None:
        return _dealt(classes, groups, shares, spec.seed, "split")
    fold_of = _dealt(classes, groups, [Fraction(1, spec.folds)] * spec.folds, spec.seed, "folds")
    held = list(spec.split).index(spec.held or "")
    others = [number for number in range(len(shares)) if number != held]
    among = [shares[number] / (1 - shares[held]) for number in others]  # what the split leaves over is left over here
    free = fold_of != spec.fold
    inner = _dealt(
        counted_from_0(classes[free]),
        None if groups is None else counted_from_0(groups[free]),
        among,
        spec.seed,
        "split",
    )
    result = np.full(len(classes), held)
    result[free] = np.where(inner < 0, -1, np.array(others)[inner])
    return result


def _dealt(classes: Index, groups: Index | None, shares: list[Fraction], seed: int, purpose: str) -> Index:
    """The number of each sample's part, (N,), by shares."""
    return divided(classes, shares, seed, purpose) if groups is None else dealt(groups, classes, shares, seed, purpose)


def _classes(spec: SplitSpec, data: Dataset) -> Index:
    """The class of each sample, (N,), 0 for all where classes do not matter. Raises SmallClassError, NoClassesError."""
    import numpy as np

    nothing = np.zeros(len(data), np.int64)
    if spec.stratify is False:
        return nothing
    found = class_labels(data, every=spec.stratify is True)
    if found is None:
        if spec.stratify:
            at, help = spec.place("stratify"), "leave `stratify` out"
            raise NoClassesError("the samples have no class labels", at=at, help=help)
        return nothing
    output, labels = found
    values, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    parts = spec.folds or len(spec.split)
    if spec.group is None and (least := int(counts.min())) < parts:
        name = class_name(data, output, values[counts.argmin()].item())
        text = (
            f"class {name} has {counted(least, 'sample')}, fewer than the {parts} {'folds' if spec.folds else 'parts'}"
        )
        raise SmallClassError(text, help="say `stratify: false`, or take fewer parts")
    return classes.astype(np.int64)
