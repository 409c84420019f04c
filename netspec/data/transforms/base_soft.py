"""Base of transforms that make or mix soft labels: rows of shares of the classes in place of numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.errors import DataError
from netspec.core.model import Aka
from netspec.core.shape import ANY, Shape, ShapeError, Shapes, counted, text
from netspec.data.labels import BadLabelError, classes
from netspec.data.transforms.base import ApplyAll, Setting, Transform

if TYPE_CHECKING:
    from netspec.data.dataset import Outputs
    from netspec.data.transforms.base import Array, Draw


class NoSuchOutputError(DataError):
    """A transform is for an output that the data do not have."""

    code = "NS648"
    field = "output"


class MixedError(ShapeError):
    """Samples or labels that cannot be mixed: they differ in size, or are not labels of whole images."""

    code = "NS649"


def of_output(shapes: Shapes, output: int, what: str) -> Shape:
    """The shape of an output. Raises NoSuchOutputError."""
    if output >= len(shapes):
        there = "0" if len(shapes) == 1 else f"0 to {len(shapes) - 1}"
        raise NoSuchOutputError(f"{what} is for output {output}, but the data have the outputs {there}")
    return shapes[output]


class Classes(Transform):
    """Base of transforms that turn labels into rows of shares of the classes."""

    def check_labels(self, setting: Setting, output: int, number: int) -> None:
        """Check all labels that the data know without reading. Raises BadLabelError."""
        import numpy as np

        labels = setting.data.labels(output)
        if labels is not None:
            self._refuse(setting, output, labels, number, np.arange(len(labels)))

    def one_hot(self, setting: Setting, output: int, labels: Array, number: int, draw: Draw) -> Array:
        """Labels (N, ...) as rows of a one among zeros, (N, C, ...). Raises BadLabelError."""
        import numpy as np

        self._refuse(setting, output, labels, number, draw.index)
        kinds = np.arange(number).reshape(-1, *[1] * (labels.ndim - 1))
        rows: Array = (labels[:, None] == kinds).astype(setting.real)
        return rows

    def _refuse(self, setting: Setting, output: int, labels: Array, number: int, index: Array) -> None:
        import numpy as np

        good = classes(labels, number, None)
        if good.all():
            return
        sample = int(np.argwhere(~good)[0][0])
        label, name = labels[~good][0].item(), setting.data.name(int(index[sample]), output)
        fits = f"there are {counted(number, 'class', 'classes')}"
        raise BadLabelError(f"{name} has the label {label}, but {fits}", at=self.place("classes"), help="count from 0")


class Mix(Classes):
    """A mixture of each sample with the one before it in its batch, and of their labels alike.

    The first is mixed with the last. In TEST nothing is mixed, and labels are soft all the same.
    """

    random: ClassVar[bool] = True

    classes: Annotated[int | None, Aka("num_classes")] = Field(
        None, gt=0, description="Number of classes; left out: the labels are soft already, as OneHot makes them."
    )
    probability: Annotated[float, Aka("p", "prob")] = Field(
        1.0, ge=0, le=1, description="The share of the samples that are mixed."
    )
    output: int = Field(1, gt=0, description="Which output of a sample is the label, from 0.")

    @property
    def changes(self) -> frozenset[int]:
        """The samples and their labels."""
        return frozenset({0, self.output})

    @property
    def softens(self) -> frozenset[int]:
        """The labels."""
        return frozenset({self.output})

    def output_shapes(self, shapes: Shapes) -> Shapes:
        """Labels become (C,). Raises ShapeError, NoSuchOutputError."""
        word = type(self).__name__
        label = of_output(shapes, self.output, word)
        if ANY in shapes[0]:
            raise MixedError(
                f"{word} mixes samples of one size, but these are {text(shapes[0])}", help="Resize them first"
            )
        self.output_shape(shapes[0])
        if self.classes is not None and label:
            help = "leave `classes` out" if len(label) == 1 else "labels of pixels are not mixed"
            raise MixedError(
                f"{word} takes a label for each sample, but these are {text(label)}", help=help, field="classes"
            )
        if self.classes is None and len(label) != 1:
            what = "labels that are numbers" if not label else f"labels of {text(label)}"
            raise MixedError(
                f"{word} mixes soft labels, but there are {what}", help="say `classes:`, the number of classes"
            )
        soft = label if self.classes is None else (self.classes,)
        return (*shapes[: self.output], soft, *shapes[self.output + 1 :])

    def bind_all(self, setting: Setting) -> ApplyAll:
        """Mix samples, then labels by the same shares. Raises BadLabelError."""
        import numpy as np

        if self.classes is not None:
            self.check_labels(setting, self.output, self.classes)

        def apply(batch: Outputs, draw: Draw) -> Outputs:
            outputs: list[Any] = list(batch)
            x, label = outputs[0], outputs[self.output]
            if self.classes is not None:
                label = self.one_hot(setting, self.output, label, self.classes, draw)
            if setting.phase == "TRAIN":
                stays = draw.uniform(f"{setting.stream} chosen") >= self.probability
                x, share = self.mixed(x, np.roll(x, 1, axis=0), stays, draw, setting)
                share = share[:, None].astype(setting.real)
                label = share * label + (1 - share) * np.roll(label, 1, axis=0)
            outputs[0], outputs[self.output] = x, label
            return tuple(outputs)

        return apply

    def mixed(self, x: Array, other: Array, stays: Array, draw: Draw, setting: Setting) -> tuple[Array, Array]:
        """Samples mixed with others, but for those that stay; and the share (N,) that each keeps of itself."""
        raise NotImplementedError


def beta(draw: Draw, purpose: str, alpha: float) -> Array:
    """A number for each sample, (N,), of the distribution Beta(alpha, alpha).

    Up to 1 of two powers of uniform numbers whose sum is at most 1 (Johnk 1964); above 1 of a uniform number x that is
    kept with probability (4 x (1 - x))^(alpha - 1).
    """
    import numpy as np

    result = np.full(len(draw.index), np.nan)
    for attempt in range(1000):
        u, v = draw.uniform(f"{purpose} u {attempt}"), draw.uniform(f"{purpose} v {attempt}")
        if alpha <= 1:
            first, second = u ** (1 / alpha), v ** (1 / alpha)
            fits = (first + second <= 1) & (first + second > 0)
            found = first / np.where(fits, first + second, 1)
        else:
            found, fits = u, v < (4 * u * (1 - u)) ** (alpha - 1)
        result = np.where(np.isnan(result) & fits, found, result)
        if not np.isnan(result).any():
            break
    return np.where(np.isnan(result), 0.5, result)
