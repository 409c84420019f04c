"""Split: a blob under several names; their gradients are added. Source: Caffe split_layer.cpp.

Any number of layers may read a blob without a Split; the layer exists for nets that contain it.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.shape import Shapes
from netspec.layers._view import ViewLayer
from netspec.layers.base import ANY_LAYOUT, MANY, NOTHING, Abilities, Arity, Passing, Purpose


class Split(ViewLayer):
    """Hand out a blob under several names.

    Bottom: x, any shape. Tops: any number, all the same memory as x; nothing is computed.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5]]}
- {name: split, type: Split, top: [one, two]}
- {name: product, type: Eltwise, bottom: [one, two], operation: PROD}
"""

    tops: ClassVar[Arity] = MANY

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Everything passes."""
        return Passing("all", channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape, for each top."""
        return bottoms * len(self.top_names())
