"""NotFinite: values that are NaN or infinite before the first step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.core.shape import counted
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class NotFiniteWarning(Caution):
    """The first batches bring, or lead to, values that are not finite."""

    code = "NS819"


def _broken(sample: int, feature: int) -> float:
    return float("nan") if (sample, feature) == (3, 2) else value(sample, feature)


class NotFinite(ProbeRule):
    """An input or a blob with a value that is no number."""

    finding: ClassVar[type[NetspecError]] = NotFiniteWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(solver(train=feed(_broken)))
    fine: ClassVar[Example] = Example(solver())

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning, at the first such input or blob."""
        inputs = [(f"input '{one.name}' of '{one.feed}'", one.bad) for one in probed.probe.data.inputs]
        blobs = [(f"blob '{one.top}' of layer '{one.layer}' ({one.type})", one.bad) for one in probed.probe.blobs]
        for what, bad in [pair for pair in (*inputs, *blobs) if pair[1]][:1]:
            text = f"{what} has {counted(bad, 'value')} that {'is' if bad == 1 else 'are'} not finite before any step"
            help = "look at the data (`netspec data check`), then at the layer; of a table, FillMissing fills gaps"
            yield NotFiniteWarning(text, help=help)
