"""The data of a solver as Data layers of Caffe, which read LMDB databases, in place of the net's Input."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netspec.core.calls import Phase
from netspec.data.sources.lmdb import Lmdb
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import Transform
from netspec.data.transforms.crop import Crop
from netspec.data.transforms.mirror import Mirror
from netspec.data.transforms.scale import Scale
from netspec.data.transforms.subtract_mean import SubtractMean
from netspec.interop.to_caffe.case import CaffeLayer
from netspec.interop.to_caffe.paths import from_here
from netspec.layers.base import Layer
from netspec.training.job import Job


class _Unsaid(Exception):
    """Data that Caffe's Data layer does not read as netspec does, and why."""


@dataclass(frozen=True)
class DataLayers:
    """The Data layers that take the place of an Input, by its name; empty where the data cannot be said in Caffe."""

    replaced: dict[str, list[CaffeLayer]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def data_layers(job: Job, word: str, prefix: Path, convert: bool = False) -> DataLayers:
    """The Data layers of a training. `word` names it, and `prefix` begins the names of files.

    `convert`: where data lie elsewhere than in LMDB, databases are named that `netspec data convert` will write.
    """
    inputs = [layer for layer in job.net.layers if layer.type == "Input"]
    feeds: dict[Phase, str | None] = {"TRAIN": "train", "TEST": job.spec.data.watched}
    named = {phase: name for phase, name in feeds.items() if name is not None and job.spec.data.named(name) is not None}
    if not named or not inputs:
        return DataLayers()
    made, notes = list[CaffeLayer](), list[str]()
    try:
        if len(inputs) > 1 or len(inputs[0].top_names()) > 2:
            raise _Unsaid("a Data layer has an image and a label")
        for phase, name in named.items():
            feed = job.spec.data.named(name)
            assert feed is not None
            path, command = _database(job, feed, name, word, prefix, convert)
            notes += command
            made.append(_layer(inputs[0], phase, feed, path))
    except _Unsaid as unsaid:
        return DataLayers(notes=(f"the net waits for data that the caller fills in: {unsaid}",))
    if job.spec.data.train is not None and job.spec.data.train.shuffle is not False:
        notes.append("Caffe reads the records in the order of their keys, in each epoch the same")
    return DataLayers({inputs[0].name: made}, tuple(notes))


def _database(
    job: Job, feed: FeedSpec, name: str, word: str, prefix: Path, convert: bool
) -> tuple[str, tuple[str, ...]]:
    """The path of a feed's database, and the command that writes it where it is still to be written."""
    if feed.subset is not None or feed.limit is not None or feed.balance is not None:
        raise _Unsaid(f"Caffe reads all of the data of {name}, and each record once")
    if isinstance(feed.source, Lmdb):
        return from_here(job.base, feed.source.path), ()
    if not convert:
        raise _Unsaid("`--lmdb` writes Data layers, for databases that `netspec data convert` makes")
    path = prefix.with_name(f"{prefix.name}_{name}_lmdb")
    return str(path), (f"to make its data: netspec data convert {word} --on {name} --to lmdb -o {path}",)


def _layer(layer: Layer, phase: Phase, feed: FeedSpec, path: str) -> CaffeLayer:
    """The Data layer of a phase."""
    values: dict[str, Any] = {"name": layer.name, "type": "Data", "top": list(layer.top_names())}
    values |= {"include": [{"phase": phase}]}
    values["data_param"] = {"source": path, "batch_size": feed.batch_size, "backend": "LMDB"}
    changes = _changes(feed.transform, phase)
    return CaffeLayer(values | ({"transform_param": changes} if changes else {}))


def _changes(transforms: tuple[Transform, ...], phase: Phase) -> dict[str, Any]:
    """Transforms as Caffe's: (x - mean) * scale of a window, mirrored at random. Caffe would mirror in TEST too."""
    found: dict[str, Any] = {}
    for one in transforms:
        if isinstance(one, SubtractMean) and one.values is not None and "scale" not in found:
            found["mean_value"] = list(one.values)
        elif isinstance(one, Crop) and len(set(one.size)) == 1 and not one.pad:
            found["crop_size"] = one.size[0]
        elif isinstance(one, Mirror) and one.axis == "horizontal":
            found |= {"mirror": True} if phase == "TRAIN" else {}
        elif isinstance(one, Scale) and "scale" not in found:
            found["scale"] = one.factor
        else:
            raise _Unsaid(f"Caffe's data layers have nothing like the transform {type(one).__name__} in its place")
    return found
