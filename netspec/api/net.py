"""Net: a net of one phase, as in pycaffe, with its blobs and params, forward and backward.

Every blob's data and diff stay readable, so a Net uses more memory than the command line does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from netspec.core.calls import Phase
from netspec.core.errors import DataError, UsageError
from netspec.core.nodes import Document
from netspec.core.shape import Shape, text
from netspec.core.spelling import suggest
from netspec.data.labels import LabelRule, classes
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import fill_weights, params_by_key
from netspec.net.graph import State
from netspec.net.labels import label_readers, label_rules
from netspec.net.load import load_net
from netspec.training import snapshot
from netspec.training.loading import LoadReport, load
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from netspec.core.calls import Array


class UnknownNameError(UsageError):
    """A blob, input or layer of that name is not in the net."""

    code = "NS002"


class WrongShapeError(DataError):
    """An array does not have the shape of its blob."""

    code = "NS622"


class WrongLabelError(DataError):
    """A label is outside the classes of the layer that reads it."""

    code = "NS623"


class NoDiffError(UsageError):
    """The blob has no gradient."""

    code = "NS003"


class BadArgumentError(UsageError):
    """A call without meaning: an unknown phase, a batch of 0, backward before forward."""

    code = "NS005"


def check_overrides(overrides: Sequence[str]) -> None:
    """Raise BadArgumentError unless `overrides` is a list of words."""
    if isinstance(overrides, (str, dict)):
        raise BadArgumentError("overrides are a list", help='like ["base_lr=0.1", "max_iter=100"]')


@dataclass(frozen=True)
class Blob:
    """A named array in N, C, H, W order: `data`, and `diff` where a gradient is computed (None elsewhere).

    Both are writable views.
    """

    data: Array
    diff: Array | None


class Net:
    """A net of one phase on its own memory.

    `net` is a path, a zoo name, YAML-like plain values, or a Document. Raises the errors of the spec, and SnapshotError
    for `weights`.

    `blobs[name]` and `params[layer][i]` have `data` and `diff`. Param diffs add up over `backward` calls, as in Caffe,
    until `clear_param_diffs()`. `force_backward` computes the gradients of the inputs too.
    """

    def __init__(
        self,
        net: str | Path | dict[str, Any] | Document,
        *,
        phase: Phase = "TEST",
        weights: str | Path | None = None,
        dtype: Literal["float32", "float64"] = "float32",
        overrides: Sequence[str] = (),
        level: int = 0,
        stages: Sequence[str] = (),
        batch: int | None = None,
        seed: int = 1,
        threads: int | None = None,
        force_backward: bool = False,
    ) -> None:
        from netspec.codegen import driver

        if phase not in get_args(Phase):
            raise BadArgumentError(f"there is no phase {phase!r}", help="TRAIN or TEST")
        if batch is not None and (not isinstance(batch, int) or batch < 1):
            raise BadArgumentError(f"a batch of {batch!r} is none", help="a whole number from 1")
        check_overrides(overrides)
        driver.limit_threads(threads)
        state = State(phase, level, tuple(stages))
        shaped = load_net(net, overrides, state, batch, gradients="inputs" if force_backward else "any")
        shaped, memory = compile_net(shaped, dtype, keep=True)
        self._program = bind(shaped, memory, fill_weights(shaped, dtype, seed), seed)
        self._ran = False
        self._fill_seeds()
        if weights is not None:
            self.load(weights)

    @classmethod
    def around(cls, program: Program) -> Net:
        """A Net around an existing program, such as a training's."""
        net = cls.__new__(cls)
        net._program = program
        net._ran = True
        return net

    def _fill_seeds(self) -> None:
        """Write each loss weight into the diff of its top, as Caffe does at set-up."""
        for blob in self._program.graph.blobs:
            diff = self._program.diff[blob.index]
            if diff is not None and blob.loss_weight:
                diff[...] = blob.loss_weight

    @property
    def program(self) -> Program:
        """The program that the net runs."""
        return self._program

    @property
    def name(self) -> str:
        """The net's name."""
        return self._program.graph.name

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """Every blob by name, in the order of production; of a blob that is changed in place, the last version."""
        program = self._program
        return {
            name: Blob(program.data[blob.index], program.diff[blob.index]) for name, blob in program.graph.named.items()
        }

    @property
    def params(self) -> Mapping[str, tuple[Blob, ...]]:
        """The param blobs of every layer with params, weight first; layers that share a param see the same memory."""
        weights, shaped = self._program.weights, self._program.shaped

        def blob(param: int, shape: Shape) -> Blob:
            diff = weights.diff[param]
            return Blob(weights.data[param].reshape(shape), None if diff is None else diff.reshape(shape))

        return {
            node.layer.name: tuple(map(blob, node.params, node.layer.param_shapes(shaped.bottom_shapes(node))))
            for node in shaped.graph.nodes
            if node.params
        }

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that Input layers hold."""
        graph = self._program.graph
        return [graph.blobs[i].name for i in graph.inputs]

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads."""
        graph = self._program.graph
        return [graph.blobs[i].name for i in graph.outputs]

    def forward(self, /, **inputs: Any) -> dict[str, Array]:
        """Compute all blobs; inputs that are not given keep their values. Returns copies of the outputs.

        Raises UnknownNameError, WrongShapeError, WrongLabelError.
        """
        program = self._program
        for name, value in inputs.items():
            if name not in self.inputs:
                raise UnknownNameError(f"the net has no input '{name}'", help=suggest(name, self.inputs))
            array = program.data[program.graph.inputs[self.inputs.index(name)]]
            array[...] = self._fitting(name, array, value)
        self._check_labels()
        program.forward()
        self._check_computed_labels()
        self._ran = True
        return {program.graph.blobs[b].name: program.data[b].copy() for b in program.graph.outputs}

    @cached_property
    def _label_rules(self) -> tuple[LabelRule, ...]:
        return label_rules(self._program.shaped)

    def _check_labels(self) -> None:
        """Check the labels in the inputs. Raises WrongLabelError."""
        import numpy as np

        program = self._program
        for rule in self._label_rules:
            blob = program.graph.inputs[rule.output]
            wrong = np.moveaxis(rule.wrong(program.inputs[rule.output]), 0, program.shaped.batch_axes[blob] or 0)
            self._refuse(blob, wrong, rule.classes)

    def _check_computed_labels(self) -> None:
        """Check the labels that the net computes, when it has run. Raises WrongLabelError."""
        program = self._program
        for _, blob, number, ignore in label_readers(program.shaped):
            self._refuse(blob, ~classes(program.data[blob], number, ignore), number)

    def _refuse(self, blob: int, wrong: Array, number: int) -> None:
        """Raise WrongLabelError if a label of a blob is wrong; `wrong` has the blob's shape."""
        import numpy as np

        if wrong.any():
            where = tuple(np.argwhere(wrong)[0].tolist())
            name, value = self._program.graph.blobs[blob].name, self._program.data[blob][where]
            message = f"'{name}' holds {value:g} at {list(where)}, which is not a label in 0..{number - 1}"
            raise WrongLabelError(message)

    @property
    def loss(self) -> float:
        """Weighted sum of the losses of the last forward."""
        return float(self._program.loss[0])

    def backward(self, /, **top_diffs: Any) -> dict[str, Array | None]:
        """Compute gradients of the weighted losses, or of the sum of some tops times their given diffs.

        With diffs given, nothing above the topmost of them runs, and the losses do not count. Returns the diffs of the
        inputs (None without `force_backward`). Raises UnknownNameError, WrongShapeError, NoDiffError.
        """
        import numpy as np

        if not self._ran:
            raise BadArgumentError("backward before the first forward", help="call net.forward(...) first")
        program, graph = self._program, self._program.graph
        given: dict[int, Array] = {}
        diffs: dict[int, Array] = {}
        for name, value in top_diffs.items():
            if name not in self.blobs:
                raise UnknownNameError(f"the net has no blob '{name}'", help=suggest(name, self.blobs))
            blob = graph.latest(name)
            diff = program.diff[blob.index]
            if diff is None:
                raise NoDiffError(
                    f"blob '{name}' has no gradient: nothing below it learns", help="say force_backward=True"
                )
            diffs[blob.index] = diff
            given[blob.index] = self._fitting(name, program.data[blob.index], value)
        start = max((graph.blobs[b].producer for b in given), default=len(graph.nodes) - 1)
        for storage, flow in program.flows.items():
            diff = program.diff[storage]
            if diff is not None and (not flow.writers or flow.writers[0][0] > start):
                diff[...] = 0
        ends = {index: program.flows[program.plan.storage[index]].producer for index in given}
        for node in reversed(graph.nodes[: start + 1]):
            if not given:
                program.run_node("seed", node.index)
            for index in (index for index, end in ends.items() if end == node.index):
                diffs[index] += given[index]  # added to the gradient that arrives from other given tops
            program.run_node("backward", node.index)
        return {
            graph.blobs[i].name: None if program.diff[i] is None else np.array(program.diff[i]) for i in graph.inputs
        }

    @staticmethod
    def _fitting(name: str, array: Array, value: Any) -> Array:
        """The value as an array of the blob's shape and number type. Raises WrongShapeError."""
        import numpy as np

        try:
            given = np.asarray(value)
            if given.shape == array.shape:
                return given.astype(array.dtype, copy=False)
        except (TypeError, ValueError) as error:
            raise WrongShapeError(f"what was given for blob '{name}' is no array of numbers: {error}") from None
        raise WrongShapeError(
            f"blob '{name}' has the shape {text(array.shape)}, not {text(given.shape)}",
            help="say batch=... for another batch",
        )

    def clear_param_diffs(self) -> None:
        """Set the gradients of all params to zero."""
        self._program.weights.flat_diff[:] = 0

    def save(self, path: str | Path) -> None:
        """Write the params of every layer to a safetensors file, a shared one under each layer that has it.

        Raises WriteError, NotFiniteError.
        """
        weights = params_by_key(self._program.shaped, self._program.weights)
        snapshot.write(Path(path), Snapshot(None, weights))

    def load(self, path: str | Path) -> LoadReport:
        """Read params by layer and name from a snapshot or a safetensors file of any program.

        Returns a report of the params loaded, skipped and left. Raises SnapshotError.
        """
        return load(self._program.shaped, self._program.weights, Path(path))

    def __repr__(self) -> str:
        graph = self._program.graph
        params = self._program.shaped.total_params
        return f"<Net '{graph.name}' {graph.phase}: {len(graph.written)} layers, {params:,} params>"
