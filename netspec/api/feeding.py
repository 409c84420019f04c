"""Feeding: what fills the inputs of a net that brings its data, where a caller does not: their next batch, as in Caffe.

A net of its own reads the data of each layer from their beginning; the nets of a Solver read those of the training.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, Protocol

from netspec.api.arguments import BadArgumentError
from netspec.api.rows import Rows
from netspec.core.errors import DataError
from netspec.data.cursor import Cursor
from netspec.data.feed import open_feed
from netspec.data.spec import FeedSpec
from netspec.engine.program import Program
from netspec.net.graph import Node
from netspec.training.session import Session
from netspec.training.tester import Tester


class Feeding(Protocol):
    """Fills a program's inputs."""

    def fill(self, program: Program, given: Collection[str]) -> None:
        """Copy the next batch of data into the inputs, but for those of layers of which a top is `given`."""
        ...

    def read_from(self, rows: Rows) -> bool:
        """Read arrays from now on, where there are no other data; whether it does."""
        ...


class LayerFeeding:
    """The data of the layers of a net, each opened when it is first wanted.

    A layer that says the `shape` of its samples, and whose data are not there, is filled by the caller.
    """

    def __init__(self, seed: int, dtype: Literal["float32", "float64"]) -> None:
        self._seed, self._dtype = seed, dtype
        self._cursors: dict[str, Cursor | None] = {}

    def fill(self, program: Program, given: Collection[str]) -> None:
        """Read the next batch of every layer that brings data. Raises DataError."""
        graph = program.graph
        arrays = dict(zip(graph.inputs, program.inputs, strict=True))
        for node in graph.nodes:
            feed = node.layer.brings if node.layer.fed else None
            if isinstance(feed, FeedSpec) and not any(graph.blobs[top].name in given for top in node.tops):
                into = tuple(arrays[top] for top in node.tops)
                cursor = self._cursor(program, node, feed, len(into[0]))
                if cursor is not None:
                    cursor.take(into)

    def read_from(self, rows: Rows) -> bool:
        """The net itself reads them."""
        return False

    def _cursor(self, program: Program, node: Node, feed: FeedSpec, size: int) -> Cursor | None:
        name, place = node.layer.name, node.layer.place()
        if name not in self._cursors:
            base = place.source.folder if place else None
            try:
                opened = open_feed(feed, program.graph.phase, self._seed, base, dtype=self._dtype)
                self._cursors[name] = Cursor(opened, size)
            except DataError:
                if getattr(node.layer, "shape", None) is None:
                    raise
                self._cursors[name] = None
        return self._cursors[name]


class TrainingFeeding:
    """The data of a training: the coming iteration begins with the batch after the one that is read here."""

    def __init__(self, session: Session) -> None:
        self._session, self._reads = session, session.feed is not None

    def fill(self, program: Program, given: Collection[str]) -> None:
        """Read the next training batch, unless the caller gives one. Raises DataError."""
        if self._reads and not given:
            self._session.take_batch()

    def read_from(self, rows: Rows) -> bool:
        """The iterations read them, from the first row on. Raises BadArgumentError where they read other data too."""
        if self._session.feed is not None:
            raise BadArgumentError("this training reads data of other layers too", help="fill `blobs` before each step")
        self._session.read_from(rows)
        self._reads = True
        return True


class TesterFeeding:
    """The data of a test: the next test in Caffe's way goes on behind the batches that are read here."""

    def __init__(self, tester: Tester, name: str) -> None:
        self._tester, self._name = tester, name

    def fill(self, program: Program, given: Collection[str]) -> None:
        """Read the next test batch, unless the caller gives one. Raises DataError."""
        cursor, spec = self._tester.cursors.get(self._name), self._tester.job.spec.data.named(self._name)
        if cursor is not None and spec is not None and not given:
            cursor.take(spec.among(program.inputs))
        elif isinstance(cursor, Rows) and not given:
            cursor.take()

    def read_from(self, rows: Rows) -> bool:
        """The tests read them. Raises BadArgumentError where they read other data too."""
        if self._tester.feeds.get(self._name) is not None:
            raise BadArgumentError("this test reads data of other layers too")
        self._tester.cursors[self._name] = rows
        return True
