"""The labels that a caller of a Net hands in, or that the net computes, checked before and after it runs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from netspec.core.errors import DataError
from netspec.data.labels import LabelRule, classes
from netspec.engine.program import Program
from netspec.net.labels import label_readers, label_rules

if TYPE_CHECKING:
    from netspec.core.calls import Array


class WrongLabelError(DataError):
    """A label is outside the classes of the layer that reads it."""

    code = "NS623"


class Labels:
    """The labels of a program."""

    def __init__(self, program: Program) -> None:
        self._program = program

    @cached_property
    def _rules(self) -> tuple[LabelRule, ...]:
        return label_rules(self._program.shaped)

    def check(self) -> None:
        """Check the labels in the inputs. Raises WrongLabelError."""
        import numpy as np

        program = self._program
        for rule in self._rules:
            blob = program.graph.inputs[rule.output]
            wrong, axis = rule.wrong(program.inputs[rule.output]), program.shaped.batch_axes[blob]
            self._refuse(blob, wrong[0] if axis is None else np.moveaxis(wrong, 0, axis), rule.classes, rule.word)

    def check_computed(self) -> None:
        """Check the labels that the net computes, when it has run. Raises WrongLabelError."""
        program = self._program
        for node, blob, number, ignore in label_readers(program.shaped):
            self._refuse(blob, ~classes(program.data[blob], number, ignore), number, node.layer.label_word)

    def _refuse(self, blob: int, wrong: Array, number: int, word: str) -> None:
        """Raise WrongLabelError if a label of a blob is wrong; `wrong` has the blob's shape."""
        import numpy as np

        if wrong.any():
            where = tuple(np.argwhere(wrong)[0].tolist())
            name, value = self._program.graph.blobs[blob].name, self._program.data[blob][where]
            article = "an" if word[0] in "aeiou" else "a"
            message = f"'{name}' holds {value:g} at {list(where)}, which is not {article} {word} in 0..{number - 1}"
            raise WrongLabelError(message)
