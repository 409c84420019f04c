"""Verification of an export: onnxruntime and netspec run the net on the same random and real inputs.

Source of the measure: max|a-b| / max|b| over each output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from netspec.core.errors import NetspecError
from netspec.data.computed import Computed
from netspec.interop.agreement import Difference, differences
from netspec.interop.exported import SUFFIX
from netspec.interop.onnx_files import run, session
from netspec.interop.running import answers, random_inputs
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import open_any
from netspec.net.load import load_net
from netspec.training import folders
from netspec.training.feeds import open_named
from netspec.training.job import load_solver

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from netspec.core.calls import Array
    from netspec.interop.exported import Exported
    from netspec.interop.to_onnx.model import OnnxModel
    from netspec.net.graph import ParamKey
    from netspec.net.shaped import ShapedGraph

BATCHES = (3, 2)
"""Numbers of random samples in the batches that are compared, so that an open batch axis is tried."""
SAMPLES = 8
"""Most real samples that are compared."""


class Comparison:
    """A model in onnxruntime beside its net in netspec, which run the same inputs.

    `file` is where the model was saved, if it was; `name` is what errors call it.
    """

    def __init__(
        self, net: Exported, arrays: Mapping[ParamKey, Array], model: OnnxModel, name: str, file: Path | None = None
    ) -> None:
        self.net, self.arrays, self.model, self.name = net, arrays, model, name
        self._session = session(b"".join(model.pieces()) if file is None else file, name)

    def shaped(self, batch: int) -> ShapedGraph:
        """The net for a number of samples."""
        return self.model.shaped if self.model.fixed else load_net(self.net.net, (), self.net.state, batch)

    def random(self) -> Iterator[Difference]:
        """The differences on random inputs, normal numbers and where a layer reads them random classes."""
        for batch in (self.model.shaped.batch,) if self.model.fixed else BATCHES:
            shaped = self.shaped(batch)
            inputs = random_inputs(shaped)
            yield from self.compare(shaped, inputs, f"{batch} random samples")

    def real(self, batches: Sequence[Array]) -> Iterator[Difference]:
        """The differences on samples of a feed, the batches of the deploy view's inputs."""
        shaped = self.shaped(len(batches[0]))
        axes = [shaped.batch_axes[blob] or 0 for blob in shaped.graph.inputs]
        inputs = [np.moveaxis(np.asarray(x, np.float32), 0, axis) for x, axis in zip(batches, axes, strict=True)]
        yield from self.compare(shaped, inputs, f"{len(batches[0])} test samples")

    def compare(self, shaped: ShapedGraph, inputs: Sequence[Array], words: str) -> list[Difference]:
        """The differences of all answers on some inputs, each in the shape of its blob."""
        theirs = run(self._session, dict(zip(self.model.inputs, inputs, strict=True)), self.name)
        return differences(words, answers(shaped, self.arrays, inputs, self.model.outputs), theirs)


def compare(
    net: Exported, arrays: Mapping[ParamKey, Array], model: OnnxModel, real: tuple[Array, ...] | None, file: Path
) -> list[Difference]:
    """The differences of a saved model from its net, on random inputs and on real ones where there are any."""
    both = Comparison(net, arrays, model, str(file), file)
    return [*both.random(), *(both.real(real) if real is not None else ())]


def samples(
    net: Exported, model: OnnxModel, word: str, overrides: Sequence[str] = (), asked: AskedState = NOTHING_ASKED
) -> tuple[tuple[Array, ...] | None, str]:
    """Batches of test samples for the inputs of a deploy view, as the solver or run of that word feeds them.

    None for a net alone, and where the samples cannot be read; then also a text that says why.
    """
    assert net.view is not None
    computed = Computed(net.snapshot.computed) if net.snapshot is not None else None
    try:
        source = _solver(word)
        if source is None or open_any(source, overrides, asked=asked).solver is None:
            return None, ""
        job = load_solver(source, overrides, phases=("TEST",), asked=asked)
        feed = open_named(job, job.spec.feed_name("TEST"), "TEST", job.spec.random_seed, computed)
        if feed is None:
            return None, ""
        size = model.shaped.batch if model.fixed else min(SAMPLES, len(feed))
        if size > len(feed):
            return None, f"no test samples were compared: there are {len(feed)}, and a batch takes {size}"
        batch = feed.batch(0, size)
    except NetspecError as error:
        return None, f"no test samples were compared: {error.errors()[0].message}"
    return tuple(batch[number] for number in net.view.inputs), ""


def _solver(word: str) -> str | None:
    """What may be the solver of a word: of a snapshot its run, and None for a snapshot alone."""
    path = folders.named(word)
    if path.is_file() and path.suffix == SUFFIX:
        path = path.parent.parent
        return str(path) if folders.holds(path) else None
    return str(path) if folders.holds(path) else word
