"""MeanIoU: the mean over classes of IoU = right / (true + predicted - right), intersection over union.

Of each class: the positions predicted right, all that are truly of it, all predicted as the class. Source: Everingham
et al. 2010 (PASCAL VOC segmentation).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.core.shape import Shapes
from netspec.layers._confusion import Confusion
from netspec.layers._score import ClassScore, portions
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Overlaps(Confusion):
    """Intersection over union: the mean over classes, and of each class."""

    def finish(self, total: Array) -> tuple[Array, ...]:
        """A scalar and (C,)."""
        import numpy as np

        right, true, predicted = self.counts(total)
        union = true + predicted - right
        each = portions(right, union)
        return portions(each.sum(), np.asarray((union > 0).sum())), each


class MeanIoU(ClassScore):
    """Measure how well the regions of each class are met: intersection over union. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: the mean, a scalar, over the classes that occur or are
    predicted; on request, that of each class (C,), 0 for a class that neither occurs nor is predicted.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[2, 3, 4, 5], [2, 4, 5]]}
- {name: iou, type: MeanIoU, bottom: [data, label], top: [iou, by_class], ignore_label: 2}
"""

    tops: ClassVar[Arity] = Arity(1, 2)
    is_score: ClassVar[bool] = True

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and (C,) for a second top."""
        return ((), (self.several(bottoms),))[: len(self.top_names())]

    def measure(self, bottoms: Shapes) -> Overlaps:
        """The overlaps of the positions of all batches."""
        return Overlaps(self.several(bottoms), self.ignore_label)
