"""Event files of TensorBoard: every point once, also after a resume; a missing library is a sentence."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.core.optional import NoLibraryError
from netspec.training import runs
from netspec.training.events import Display
from netspec.training.job import load_solver
from netspec.training.run import run

pytest.importorskip("tensorboardX")

Make = Callable[..., dict[str, Any]]


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720, bit by bit, masked as in a TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def records(folder: Path) -> Iterator[Any]:
    """The records of all event files in a folder, each with sound checksums."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted((folder / "tensorboard").iterdir()):
        text = path.read_bytes()
        while text:
            (size,) = struct.unpack("<Q", text[:8])
            assert struct.unpack("<I", text[8:12]) == (crc32c(text[:8]),)
            assert struct.unpack("<I", text[12 + size : 16 + size]) == (crc32c(text[12 : 12 + size]),)
            yield Event.FromString(text[12 : 12 + size])
            text = text[16 + size :]


def points(folder: Path) -> list[tuple[int, str, float]]:
    return [(one.step, value.tag, value.simple_value) for one in records(folder) for value in one.summary.value]


def test_every_figure_is_a_point(solver: Make, tmp_path: Path) -> None:
    events = list(run(load_solver(solver(max_iter=4, display=2, test_interval=2, tensorboard=True)), tmp_path))
    head, *others = records(tmp_path)
    assert head.file_version == "brain.Event:2" and len(others) == 5
    found = points(tmp_path)
    shown = [event for event in events if isinstance(event, Display)]
    assert [(step, value) for step, tag, value in found if tag == "loss"] == [
        (event.iteration, pytest.approx(event.loss, rel=1e-6)) for event in shown
    ]
    assert {tag for _, tag, _ in found} == {
        *("epoch", "loss", "rate", "gradient", "speed", "train/loss", "test/accuracy", "test/loss")
    }
    elapsed = [event.elapsed for event in runs.read(tmp_path).events if isinstance(event, Display)]
    walls = [one.wall_time for one in others if any(value.tag == "loss" for value in one.summary.value)]
    assert walls[1] - walls[0] == pytest.approx(elapsed[1] - elapsed[0], abs=1e-5)


def test_a_resume_leaves_no_point_twice(solver: Make, tmp_path: Path) -> None:
    values = solver(max_iter=8, display=1, test_interval=3, snapshot=2, tensorboard=True)
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    list(run(load_solver(values), whole))
    list(run(load_solver(values, ["max_iter=5"]), pieces))
    list(run(load_solver(values), pieces, resume=pieces / "snapshots" / "iter_000004.safetensors"))
    timeless = [[one for one in points(folder) if one[1] != "speed"] for folder in (whole, pieces)]
    assert timeless[0] == timeless[1]


def test_none_without_asking(solver: Make, tmp_path: Path) -> None:
    list(run(load_solver(solver(max_iter=1)), tmp_path))
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.parametrize(("broken", "said"), [(None, "is not installed"), (TypeError("old protobuf"), "old protobuf")])
def test_a_missing_library_is_a_sentence_and_leaves_nothing_behind(
    broken: Exception | None, said: str, solver: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finder:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == "tensorboardX":
                raise broken or ModuleNotFoundError("gone", name="tensorboardX")

    for name in [name for name in sys.modules if name.partition(".")[0] == "tensorboardX"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(NoLibraryError, match=said) as caught:
        list(run(load_solver(solver(max_iter=1, tensorboard=True)), tmp_path / "run"))
    assert "metrics.csv has the same figures" in str(caught.value.help)
    assert not (tmp_path / "run").exists()
