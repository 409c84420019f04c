"""Whiteout: an InnerProduct with normal noise e on the input of each weight w.

The variance of e is sigma^2 |w|^-gamma + lambda. ADDITIVE: w * (x + e). MULTIPLICATIVE: w * x * (1 + e). While testing
there is no noise. Source: Li & Liu 2016, "Whiteout: Gaussian adaptive noise regularization in deep neural networks".
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shapes
from netspec.layers._noisy_weight import NoisyWeight, clocked
from netspec.layers.base import BOTTOM, Abilities, Purpose
from netspec.layers.inner_product import InnerProduct
from netspec.lowering.channels import adds


class Whiteout(NoisyWeight):
    """Multiply with a learned matrix, and add noise to the input of each weight: the more, the smaller the weight.

    Bottom: x (N..., K...), flattened from `axis` on. Top: y (N..., M). Params: weight (M, K), or (K, M) with
    `transpose`; bias (M,). ADDITIVE noise is drawn for each sample, as the sum that it is in an output: normal, with
    variance sum of w^2 (sigma^2 |w|^-gamma + lambda). MULTIPLICATIVE noise is drawn with the weight, for the whole
    batch. Gradients are those of the function that was drawn; the noise of a weight of 0 is 0, and so is its gradient.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[5, 4]]}
- {name: add, type: Whiteout, num_output: 3, sigma: 0.3, constant: 0.1, weight_filler: xavier}
- {name: multiply, type: Whiteout, num_output: 2, sigma: 0.3, noise: MULTIPLICATIVE, weight_filler: xavier}
"""

    noise: Annotated[Literal["ADDITIVE", "MULTIPLICATIVE"], Aka("mode", "form")] = Field(
        "ADDITIVE", description="Whether the noise is added to the inputs, or inputs are multiplied with 1 + noise."
    )
    sigma: Annotated[float, Aka("stddev", "std")] = Field(
        0.1, ge=0, description="Standard deviation of the noise of a weight of 1, for `constant` 0."
    )
    gamma: float = Field(1.0, ge=0, lt=2, description="How fast the noise's variance falls with the weight's size.")
    constant: Annotated[float, Aka("lambda", "lam", "lambd")] = Field(
        0.0, ge=0, description="Part of the noise's variance that does not depend on the weight, lambda."
    )

    @model_validator(mode="after")
    def _check(self) -> Whiteout:
        if self.transpose and self.noise == "ADDITIVE":
            raise wrong("ADDITIVE noise needs the weight as (num_output, inputs)", field="transpose")
        return self

    @property
    def _additive(self) -> bool:
        return self.noise == "ADDITIVE"

    @property
    def _law(self) -> tuple[float, float, float]:
        return self.sigma, self.gamma, self.constant

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom, adds and stores; a ReLU along only where no noise comes after the product."""
        along = frozenset[str]() if self._additive else frozenset({"ReLU"})
        return Abilities(reads=BOTTOM, along=along, adds=True, stores=True)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """For additive noise: the variances of the weights, the deviation of each output, the sums of its noise."""
        if not self._additive:
            return super().workspaces(bottoms, backward)
        own = {"noisy": Workspace(self.param_shapes(bottoms)[0]), "deviations": Workspace((self.num_output,))}
        sums = {"noise_sums": Workspace((self.num_output,), "float64", use="backward")} if backward else {}
        return InnerProduct.workspaces(self, bottoms, backward) | own | sums

    def forward(self, run: Run) -> Calls:
        """Multiply and add noise, or draw the weight and multiply."""
        if not self._additive:
            yield from super().forward(run)
            return
        yield from InnerProduct.forward(self, run)
        if run.phase == "TRAIN":
            from netspec.kernels import weight_noise

            yield self._deviations(run)
            y = run.top[0].reshape(-1, self.num_output)
            yield Call(weight_noise.add_noise, y, run.workspace["deviations"], *clocked(run))

    def backward(self, run: Run) -> Calls:
        """The product's gradients, and that of the noise to the weight."""
        if not self._additive:
            yield from super().backward(run)
            return
        yield from InnerProduct.backward(self, run)
        if run.phase == "TRAIN" and run.param_diff[0] is not None:
            from netspec.kernels import weight_noise

            dy, sums = run.top_diff[0].reshape(-1, self.num_output), run.workspace["noise_sums"]
            yield self._deviations(run)
            yield Call(weight_noise.noise_sums, dy, sums, *clocked(run), parts=max(1, self.num_output // 64))
            found = (run.workspace["deviations"], sums)
            yield Call(weight_noise.deviations_diff, run.param[0], run.param_diff[0], *found, *self._law)

    def _deviations(self, run: Run) -> Call:
        from netspec.kernels import weight_noise

        spaces = (run.workspace["noisy"], run.workspace["deviations"])
        return Call(weight_noise.deviations, run.param[0], *spaces, *self._law)

    def draw(self, run: Run, weight: Any, noisy: Any) -> Call:
        """The weight times 1 + noise."""
        from netspec.kernels import weight_noise

        return Call(weight_noise.whiten_weights, weight, noisy, *clocked(run), *self._law)

    def draw_diff(self, run: Run, diff: Any, own: Any) -> Call:
        """The diff times the slope of the drawn weight."""
        from netspec.kernels import weight_noise

        drawing = (*clocked(run), *self._law, adds(run, 0))
        return Call(weight_noise.whiten_weights_diff, run.param[0], diff, own, *drawing)
