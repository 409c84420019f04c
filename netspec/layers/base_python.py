"""Base of layers whose arithmetic is Python: NumPy, or functions that their author compiled.

The program calls them between its compiled steps, on the thread that runs it, so they take part in every command, in
`inspect` and in gradient checks like other layers. What they raise comes out as an error of the layer.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import PurePath
from typing import TYPE_CHECKING

from netspec.core.calls import Call, Calls, Routine, Run
from netspec.core.errors import NetspecError, SpecError
from netspec.core.plugins import reason
from netspec.layers.base import Layer

if TYPE_CHECKING:
    from netspec.core.calls import Array


class LayerCodeError(SpecError):
    """The Python code of a layer raised an exception."""

    code = "NS314"


class PythonLayer(Layer):
    """A layer that computes with NumPy.

    A subclass has fields, `top_shapes` and, where it learns, `params` and `param_shapes`, as every layer. Its `compute`
    and `gradients` get the arrays of a `Run` in the order N, C, H, W. Random numbers are those of
    `netspec.core.rng.generator(run.seed, *run.clock.tolist())`, so that they are drawn again after a resume.
    """

    def compute(self, run: Run) -> None:
        """Write `run.top`, from `run.bottom` and `run.param`. What is not written is NaN."""
        raise NotImplementedError

    def gradients(self, run: Run) -> None:
        """Write each of `run.bottom_diff`, and add to each of `run.param_diff`, that is not None.

        They follow from `run.top_diff`, `run.bottom`, `run.top` and `run.param`. What is not written is NaN.
        """
        raise NotImplementedError

    def coded(self) -> type:
        """The class whose code runs."""
        return type(self)

    def forward(self, run: Run) -> Calls:
        """One Call of `compute`."""
        yield self._call("compute", self.compute, run, run.top, (*run.bottom, *run.param, *run.workspace.values()))

    def backward(self, run: Run) -> Calls:
        """One Call of `gradients`."""
        written = [diff for diff in run.bottom_diff if diff is not None]
        sums = [diff for diff in run.param_diff if diff is not None]
        kept = {"bottom": run.bottom, "top": run.top}
        read = [array for word in sorted(self.abilities.reads) for array in kept[word]]
        read += [*run.top_diff, *run.param, *run.workspace.values(), *sums]
        yield self._call("gradients", self.gradients, run, written, read)

    def _call(
        self, word: str, function: Callable[[Run], None], run: Run, written: Iterable[Array], read: Iterable[Array]
    ) -> Call:
        outputs = tuple(written)

        def routine(*_: Array) -> None:
            for array in outputs:
                array.fill(float("nan"))
            self.guarded(word, lambda: function(run))

        return Call(Routine(f"{self.coded().__name__}.{word}", routine), *outputs, *read)

    def guarded(self, word: str, call: Callable[[], None]) -> None:
        """Call the code of the layer. Raises LayerCodeError for what it raises, except netspec's own errors."""
        try:
            call()
        except NetspecError:
            raise
        except (Exception, SystemExit) as error:
            file = getattr(sys.modules.get(self.coded().__module__), "__file__", None) or ""
            text = f"layer '{self.name}' ({self.type}): {self.coded().__name__}.{word} raised {reason(error, file)}"
            raise LayerCodeError(text, at=self.place("layer"), help=_line(error, file)) from error


def _line(error: BaseException, file: str) -> str | None:
    """The line of the layer's own file that raised an exception, or called what raised it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f"{PurePath(file).name}, line {frames[-1].lineno}: {frames[-1].line}" if frames else None
