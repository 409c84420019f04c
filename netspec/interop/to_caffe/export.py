"""An export to Caffe: a net, its weights, its solver and the state of its training, as files beside one another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from netspec.core.errors import Findings
from netspec.core.outputs import refuse_existing
from netspec.formats import solverstate
from netspec.interop.exported import SUFFIX, Exported, exported
from netspec.interop.to_caffe.case import Filled
from netspec.interop.to_caffe.data import DataLayers, data_layers
from netspec.interop.to_caffe.files import layers_of, prototxt, text_of, values_of
from netspec.interop.to_caffe.net import CaffeNet, caffe_net
from netspec.interop.to_caffe.solver import current_step, history, solver_values
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import open_any
from netspec.training.caffe_saving import save
from netspec.training.container import write_whole
from netspec.training.job import Job, job_of

ENDINGS = (".prototxt", ".caffemodel", ".solverstate")

Write = Callable[[Path], None]
"""Writes one of the files to its path."""


@dataclass(frozen=True)
class Written:
    """The files that an export wrote, and what is otherwise in them than in netspec."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Wanted:
    """What is exported, and how: `prefix` begins the names of the files.

    `deploy`: the net as it predicts. `forks`: with layers that only forks of Caffe have. `seed`: that of the fillers,
    where no file of weights is named. `force`: files that exist are written over. `lmdb`: data that lie elsewhere are
    named as databases that are to be made of them.
    """

    word: str
    prefix: Path
    overrides: Sequence[str] = ()
    asked: AskedState = NOTHING_ASKED
    weights: Path | None = None
    deploy: bool = False
    forks: bool = False
    seed: int = 1
    best: bool = False
    average: str | None = None
    force: bool = False
    lmdb: bool = False

    def path(self, ending: str) -> Path:
        """The path of one of the files."""
        name = self.prefix.name
        stem = name.removesuffix(next((end for end in ENDINGS if name.endswith(end)), ""))
        return self.prefix.with_name(f"{stem}{ending}")


def export(wanted: Wanted) -> Written:
    """Write a net in Caffe's words, and all that goes with it.

    Raises UsageError, ExistsError, every mistake of the net and the solver, and what has no meaning in Caffe.
    """
    named = (wanted.word, wanted.overrides, wanted.asked, wanted.weights, wanted.best, wanted.average)
    net = exported(*named, phase="TEST" if wanted.deploy else "TRAIN")
    net = net.deployed() if wanted.deploy else net
    job = None if wanted.deploy else _job(wanted)
    found, files, notes = Findings(), dict[Path, Write](), list[str]()
    with found.catching():
        data = DataLayers() if job is None else data_layers(job, wanted.word, wanted.path(""), wanted.lmdb)
        caffe = caffe_net(net, wanted.forks, data.replaced)
        notes += (*data.notes, *caffe.notes)
    with found.catching():
        if job is not None:
            where = str(wanted.path(".prototxt")), str(wanted.path(""))
            values, said = solver_values(job, *where)
            text = text_of("SolverParameter", values).encode()
            files[wanted.path("_solver.prototxt")] = partial(write_whole, content=text)
            notes += said
    found.raise_if_any()
    params, said = values_of(net, wanted.seed)
    notes += said
    files = {
        wanted.path(".prototxt"): partial(write_whole, content=prototxt(caffe).encode()),
        **files,
        wanted.path(".caffemodel"): partial(save, shaped=net.every[0], weights=params, layers=layers_of(caffe, params)),
    }
    if not wanted.deploy and (state := _state(net, caffe, wanted)) is not None:
        files[wanted.path(".solverstate")] = state
    _write(files, wanted.force)
    return Written(tuple(files), tuple(dict.fromkeys(notes)))


def _job(wanted: Wanted) -> Job | None:
    """The training of a solver or run; None for a net and for a snapshot."""
    if wanted.word.endswith(SUFFIX):
        return None
    opened, found = open_any(wanted.word, wanted.overrides, asked=wanted.asked), Findings()
    return None if opened.solver is None else job_of(opened, found)


def _state(net: Exported, caffe: CaffeNet, wanted: Wanted) -> Write | None:
    """Writes a solverstate; None where there is none to write."""
    held = net.snapshot
    if held is None or held.iteration is None or wanted.weights is not None or net.average is not None:
        return None
    train = net.every[0]
    keys = train.graph.param_keys
    blobs = [blob for layer in caffe.layers for blob in layer.blobs if isinstance(blob, Filled) or blob in keys]
    arrays = history(held, train, blobs)
    if arrays is None:
        return None
    pieces = solverstate.pieces(held.iteration, str(wanted.path(".caffemodel")), arrays, current_step(held))
    return partial(write_whole, content=pieces)


def _write(files: dict[Path, Write], force: bool) -> None:
    """Write all files, or none where one exists; the texts last, behind all that may be refused in the weights.

    Raises ExistsError, WriteError, SnapshotError.
    """
    if not force:
        for path in files:
            refuse_existing(path, "say --force to write over it")
    for path, write in reversed(files.items()):
        write(path)
