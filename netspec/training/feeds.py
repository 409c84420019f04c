"""The feed of a phase, checked against the inputs and labels of its net."""

from __future__ import annotations

from netspec.core.calls import Phase
from netspec.core.errors import DataError
from netspec.core.shape import counted, text
from netspec.data.feed import Feed, open_feed
from netspec.net.labels import label_ranges
from netspec.training.job import Job


class MisfitError(DataError):
    """The data do not have the shape of the net's inputs."""

    code = "NS620"


class TooFewSamplesError(DataError):
    """The data of a phase have no samples."""

    code = "NS621"


def open_phase(job: Job, phase: Phase, seed: int) -> Feed | None:
    """The feed of a phase, checked against its net's inputs and labels; None for a net without inputs.

    Raises DataError.
    """
    spec = job.spec.data.train if phase == "TRAIN" else job.spec.data.test
    shaped = job.train if phase == "TRAIN" else job.test
    if spec is None or shaped is None or not shaped.graph.inputs:
        return None
    feed = open_feed(spec, phase, seed, job.base, dtype=job.spec.dtype, train=job.spec.data.train)
    at = spec.place("source")
    if len(feed) == 0:
        raise TooFewSamplesError("there are no samples", at=at)
    graph = shaped.graph
    if len(feed.shapes) < len(graph.inputs):
        names = ", ".join(f"'{graph.blobs[i].name}'" for i in graph.inputs)
        outputs = counted(len(feed.shapes), "output")
        message = f"the net has {counted(len(graph.inputs), 'input')} ({names}), but the source has {outputs}"
        raise MisfitError(message, at=at, help="name the source's labels, or take the top out of the net's Input")
    for blob, shape in zip(graph.inputs, feed.shapes, strict=False):
        axis = shaped.batch_axes[blob]
        wanted = tuple(size for i, size in enumerate(shaped.blobs[blob]) if i != axis)
        if wanted != shape:
            name = graph.blobs[blob].name
            message = f"input '{name}' takes samples of {text(wanted)}, but the data have {text(shape)}"
            raise MisfitError(
                message, at=at, help=f"change the shape of '{name}' in the net, or the source's transforms"
            )
    for blob, (classes, ignore) in label_ranges(shaped).items():
        feed.check_labels(graph.inputs.index(blob), classes, ignore)
    return feed
