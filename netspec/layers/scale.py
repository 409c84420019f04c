"""Scale: y = x * w + b, with w and b repeated over the axes of x that they do not have.

Source: Caffe scale_layer.cpp. With one factor a channel it is the learned half of batch normalisation (Ioffe & Szegedy
2015).
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Calls, Run
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shapes, count
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._broadcast import Broadcast
from netspec.layers.base import Param, Passing, Purpose
from netspec.lowering.channels import adds, affine, affine_sums


class Scale(Broadcast):
    """Multiply a blob with learned factors, one for each channel, or with a second bottom.

    Bottoms: x, any shape (N, C, ...), and optionally w, with the shape of x's axes from `axis` on. Top: y, the shape of
    x; may be computed in place.
    Params: weight, with the shape of `num_axes` axes of x from `axis` on, unless w is a bottom; with `bias_term`, bias
    of the same shape.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: scale, type: Scale, filler: {type: gaussian, mean: 1, std: 0.5}, bias_term: true}
"""

    filler: AnyFiller = Field(Constant(value=1.0), description="Initial factors.")
    bias_term: Annotated[bool, Aka("scale_bias", "bias", "use_bias")] = Field(
        False, description="Whether a learned constant is added."
    )
    bias_filler: Annotated[AnyFiller, Aka("beta_filler", "beta_initializer", "bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial constants, with `bias_term`."
    )

    @model_validator(mode="after")
    def _check(self) -> Scale:
        if "bias_filler" in self.model_fields_set and not self.bias_term:
            raise wrong("`bias_filler` has nothing to fill", field="bias_filler", help="say `bias_term: true`")
        return self

    @property
    def passing(self) -> Passing:
        """Learned factors multiply; a second bottom makes it a product."""
        added = frozenset({len(self.params()) - 1} if self.bias_term else ())
        if not self.learned:
            return Passing(None if self.bias_term else "any")
        return Passing("all", factor=0, added=added, channels="alike" if self.axis == 1 else None)

    def params(self) -> tuple[Param, ...]:
        """Weight unless it is a bottom, bias with `bias_term`."""
        weight = (Param("weight", self.filler),) if self.learned else ()
        return (*weight, Param("bias", self.bias_filler)) if self.bias_term else weight

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """One shape, for weight and bias alike."""
        return (self.stands(bottoms)[1],) * len(self.params())

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """2*64 = 128."""
        number, size = len(self.params()), count(self.stands(bottoms)[1])
        return f"{number}*{size} = {number * size}"

    def forward(self, run: Run) -> Calls:
        """One pass."""
        weight = (run.param[0] if self.learned else run.bottom[1]).reshape(-1)
        bias = run.param[-1].reshape(-1) if self.bias_term else weight[:0]
        yield from affine(run, self.around(run.bottom_shapes, run.layout), run.bottom[0], weight, bias, run.top[0])

    def backward(self, run: Run) -> Calls:
        """One pass over x and the top's diff for dw and db, the sums of dy * x and of dy; one for dx = dy * w."""
        around = self.around(run.bottom_shapes, run.layout)
        weight = (run.param[0] if self.learned else run.bottom[1]).reshape(-1)
        dw = run.param_diff[0] if self.learned else run.bottom_diff[1]
        db = run.param_diff[-1] if self.bias_term else None
        none = weight[:0]
        if dw is not None or db is not None:
            diffs = (none if dw is None else dw.reshape(-1), none if db is None else db.reshape(-1))
            add = (adds(run, 0) if self.learned else 0, adds(run, len(run.param) - 1))
            yield from affine_sums(run, around, run.bottom[0], run.top_diff[0], *diffs, add)
        if run.bottom_diff[0] is not None:
            yield from affine(run, around, run.top_diff[0], weight, none, run.bottom_diff[0])
