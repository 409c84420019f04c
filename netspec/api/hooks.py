"""What pycaffe's Net calls, or is given, besides blobs: hooks around layers, and the arrays of a MemoryData layer.

Source: Caffe _caffe.cpp, memory_data_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netspec.api.arguments import BadArgumentError
from netspec.api.rows import Rows, checked
from netspec.engine.program import Program

if TYPE_CHECKING:
    from netspec.api.feeding import Feeding
    from netspec.api.passes import Passes

Hook = Callable[[int], Any]
"""It gets the number of a layer."""


class Hooked:
    """A Net's hooks, which its own passes call, but not the iterations of a training; and its arrays."""

    _program: Program
    _memory: Passes
    _hooks: dict[str, list[Hook]]
    _rows: Rows | None
    _feeding: Feeding | None

    def before_forward(self, hook: Hook) -> None:
        """Call `hook` with the number of each layer before its forward."""
        self._hooks.setdefault("before_forward", []).append(hook)

    def after_forward(self, hook: Hook) -> None:
        """Call `hook` with the number of each layer after its forward."""
        self._hooks.setdefault("after_forward", []).append(hook)

    def before_backward(self, hook: Hook) -> None:
        """Call `hook` with the number of each layer before its backward."""
        self._hooks.setdefault("before_backward", []).append(hook)

    def after_backward(self, hook: Hook) -> None:
        """Call `hook` with the number of each layer after its backward."""
        self._hooks.setdefault("after_backward", []).append(hook)

    def _call(self, when: str, layer: int) -> None:
        for hook in self._hooks.get(when, ()):
            hook(layer)

    def _forward_by_layers(self, first: int, last: int) -> None:
        """Forward of the layers from `first` to `last`, one by one where there are hooks."""
        memory, loss = self._memory, 0.0
        if not self._hooks:
            memory.forward(first, last)
            return
        for layer in range(first, last + 1):
            self._call("before_forward", layer)
            memory.put(layer, layer)
            memory.forward(layer, layer)
            memory.take(layer, layer)
            loss += float(self._program.loss[0])
            self._call("after_forward", layer)
        self._program.loss[0] = loss

    def _backward_by_layers(self, first: int, last: int) -> None:
        """Backward from layer `first` down to `last`, one by one where there are hooks."""
        if not self._hooks:
            self._memory.backward(first, last)
            return
        for layer in range(first, last - 1, -1):
            self._call("before_backward", layer)
            self._memory.backward(layer, layer)
            self._call("after_backward", layer)

    def set_input_arrays(self, data: Any, labels: Any) -> None:
        """Let the net's first layer, a MemoryData, walk through images and labels, a batch at each forward.

        `data` is (n, channels, height, width), `labels` one number for each; n is a multiple of the batch size. Neither
        is copied. Raises BadArgumentError, WrongShapeError.
        """
        memory = self._memory
        first = memory.net.layers[0]
        if first.type != "MemoryData":
            text = f"only a net whose first layer is a MemoryData walks through arrays, and this one is a {first.type}"
            raise BadArgumentError(text)
        cells = [memory.cells[number] for number in first.tops]
        rows = Rows(cells, checked(cells, data, labels), memory.put)
        if self._feeding is None or not self._feeding.read_from(rows):
            self._rows = rows

    def _take_rows(self, given: Any) -> None:
        """Take the next batch of the arrays, unless a caller gives one."""
        if self._rows is not None and not given:
            self._rows.take()
