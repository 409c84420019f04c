"""TensorBoard: the figures of a training as points, in an event file of the run folder.

The points of earlier events are written anew when a training begins, so a resume leaves none twice. Each point is
written in whole as it comes, by the training itself: a thread of its own, which tensorboardX would start, could stop
the training when the disk is full. Source: the format of TFRecord files, tensorboardX record_writer.py.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from netspec.core.optional import NoLibraryError, library
from netspec.training.container import write_whole
from netspec.training.events import Event
from netspec.training.figures import STEP, figures
from netspec.training.lines import Growing
from netspec.training.spec import SolverSpec

FOLDER = "tensorboard"
"""The folder of event files in a run folder."""
_FILE = "events.out.tfevents.netspec"


def ask_for_library(spec: SolverSpec) -> None:
    """Raise NoLibraryError where a solver wants event files, and tensorboardX cannot be imported."""
    if spec.tensorboard:
        instead = "or leave it out: metrics.csv has the same figures"
        try:
            library("tensorboardX.summary", "tensorboard", "`tensorboard`", instead)
        except NoLibraryError as error:
            raise error.at_place(spec.place("tensorboard", key=True)) from None


class Points:
    """The event file of a run, and its points: each figure of an event is one, at the event's iteration.

    Raises WriteError.
    """

    def __init__(self, folder: Path, earlier: Iterable[Event], elapsed: float) -> None:
        from tensorboardX.proto.event_pb2 import Event as Record

        self._begun = time.time() - elapsed
        folder.mkdir(exist_ok=True)
        head = _framed(Record(wall_time=self._begun, file_version="brain.Event:2"))
        path = folder / _FILE
        write_whole(path, b"".join([head, *map(self._points, earlier)]))
        self.file = Growing(path)

    def record(self, event: Event) -> OSError | None:
        """Append the points of an event; the disk's refusal, if it refuses."""
        return self.file.append(self._points(event))

    def _points(self, event: Event) -> bytes:
        """The record of an event's figures; nothing for an event without."""
        from tensorboardX.proto.event_pb2 import Event as Record
        from tensorboardX.proto.summary_pb2 import Summary

        found = {name: value for name, value in figures(event).items() if name not in (STEP, "elapsed")}
        if not found:
            return b""
        values = [
            Summary.Value(tag=_tag(name), simple_value=value) for name, value in found.items() if value is not None
        ]
        wall = self._begun + event.elapsed
        return _framed(Record(wall_time=wall, step=event.iteration, summary=Summary(value=values)))


def _tag(name: str) -> str:
    """A name as a tag: UTF-8, whatever a file calls its blobs."""
    return name.encode("utf-8", "backslashreplace").decode()


def _framed(record: Any) -> bytes:
    """A record as TensorBoard reads it: its length and its bytes, each with a checksum."""
    from tensorboardX.record_writer import masked_crc32c

    crc: Callable[[bytes], int] = masked_crc32c
    data: bytes = record.SerializeToString()
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", crc(length)) + data + struct.pack("<I", crc(data))
