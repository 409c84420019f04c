"""What is computed over training data: computed once, in the cache of the machine, in snapshots and in run folders."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import Run
from netspec.data import computed
from netspec.data.chosen import Chosen
from netspec.data.computed import Computed, in_folder, packed, unpacked
from netspec.data.feed import NoTrainingDataError, open_feed
from netspec.data.sources.base import ArrayDataset
from netspec.data.spec import FeedSpec
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.run import load_tester, run

SHAPE = (2, 3, 4)
MEAN: dict[str, Any] = {"type": "SubtractMean", "computed": "pixel"}


def data(folder: Path, samples: int = 8) -> Path:
    numbers = np.random.default_rng(samples)
    np.save(folder / "x.npy", numbers.normal(3, 2, (samples, *SHAPE)).astype(np.float32))
    np.save(folder / "y.npy", numbers.integers(0, 3, samples))
    return folder


def feed(**fields: Any) -> FeedSpec:
    source = {"type": "Arrays", "outputs": ("x.npy", "y.npy")}
    return FeedSpec.model_validate({"source": source, "batch_size": 3, "transform": (MEAN,), **fields})


def test_the_name_does_not_say_where_the_data_lie(tmp_path: Path) -> None:
    one, other = Computed(), Computed()
    (tmp_path / "there").mkdir()
    open_feed(feed(), "TRAIN", 1, data(tmp_path), computed=one)
    open_feed(feed(limit=5), "TRAIN", 1, data(tmp_path / "there", 6), computed=other)
    assert list(one.used) == list(other.used) and len(one.used) == 1
    (mean,), (other_mean,) = (list(each.used.values()) for each in (one, other))
    assert not np.array_equal(mean["mean"], other_mean["mean"])
    third = Computed()
    scaled = ({"type": "Scale", "factor": 2.0}, MEAN)
    open_feed(feed(transform=scaled), "TRAIN", 1, tmp_path, computed=third)
    assert list(third.used) != list(one.used)


def test_what_is_known_needs_no_training_data(tmp_path: Path) -> None:
    known = Computed()
    train = open_feed(feed(), "TRAIN", 1, data(tmp_path), computed=known)
    with pytest.raises(NoTrainingDataError):
        open_feed(feed(), "TEST", 1, tmp_path)
    alone = open_feed(feed(shuffle=False), "TEST", 1, tmp_path, computed=Computed(known.used))
    mean = np.load(tmp_path / "x.npy").astype(np.float64).mean(0)
    np.testing.assert_allclose(alone.batch(0, 2)[0], np.load(tmp_path / "x.npy")[:2] - mean, rtol=1e-5, atol=1e-6)
    assert train.shapes == alone.shapes


def test_the_cache_is_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(cache))
    monkeypatch.setattr(computed, "_WORTH", 0.0)
    calls: list[int] = []

    def compute() -> dict[str, Any]:
        calls.append(1)
        return {"mean": np.arange(3.0)}

    for content, times in (("a", 1), ("a", 1), ("b", 2), (None, 3), (None, 4)):
        found = Computed().of("X-0123456789abcdef", lambda content=content: content, compute)
        np.testing.assert_array_equal(found["mean"], [0, 1, 2])
        assert len(calls) == times
    files = sorted((cache / "computed").iterdir())
    assert [file.name for file in files] == ["X-0123456789abcdef-a.npz", "X-0123456789abcdef-b.npz"]
    files[0].write_bytes(files[0].read_bytes()[:-30])  # damaged: computed anew, and mended
    Computed().of("X-0123456789abcdef", lambda: "a", compute)
    assert len(calls) == 5 and unpacked(files[0]) is not None


@pytest.mark.parametrize("kind", ["Arrays", "ImageFolder"])
def test_a_mean_is_never_stale(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(computed, "_WORTH", 0.0)
    file = tmp_path / ("x.npy" if kind == "Arrays" else "images/b/1.bmp")

    def write(path: Path, seed: int) -> None:
        values = np.random.default_rng(seed).integers(0, 256, (3, 5, 7, 3), np.uint8)
        if kind == "Arrays":
            np.save(path, np.moveaxis(values, -1, 1))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values[0]).save(path)

    def batch(cache: str, dtype: Any, *steps: Any) -> np.ndarray:
        monkeypatch.setattr(computed, "cache_root", lambda: tmp_path / cache)  # kernels stay where they are
        where = {"outputs": (str(file),)} if kind == "Arrays" else {"folder": str(tmp_path / "images")}
        transform = (*steps, {"type": "Normalize", "computed": "pixel"})
        spec = FeedSpec(source={"type": kind, **where}, batch_size=1, transform=transform)  # type: ignore[arg-type]
        return open_feed(spec, "TEST", 1, dtype=dtype, train=spec).batch(0, 1)[0]

    for number, other in enumerate(("a/1.bmp", "a/2.bmp", "b/1.bmp") if kind == "ImageFolder" else ("",)):
        write(tmp_path / "images" / other if other else file, number)
    seen = set()
    for seed in (1, 2, 3):
        before = os.stat(file)
        while os.stat(file).st_ctime_ns == before.st_ctime_ns:  # as long as the system's clock takes
            write(file, seed)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))  # as an archive that is unpacked sets it
        for dtype in ("float32", "float64"):
            for steps in ((), ({"type": "Crop", "size": 3},), ({"type": "Resize", "size": (3, 4)},)):
                fresh = batch(f"fresh {len(seen)}", dtype, *steps)
                for _ in range(2):
                    assert batch("kept", dtype, *steps).tobytes() == fresh.tobytes()
                seen.add(fresh.tobytes())
    assert len(seen) == 18


def test_what_was_quick_is_not_cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "cache"))
    Computed().of("X-0123456789abcdef", lambda: "a", lambda: {"mean": np.zeros(3)})
    assert not (tmp_path / "cache").exists()


def test_other_content_has_another_digest(tmp_path: Path) -> None:
    def digest(folder: Path) -> str | None:
        return open_feed(feed(transform=()), "TRAIN", 1, folder).data.digest()

    first = digest(data(tmp_path))
    assert first is not None and digest(tmp_path) == first
    x = np.load(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", x[:, ::-1])
    assert digest(data(tmp_path, 9)) != first
    made = ArrayDataset("a", ("a",), (np.arange(6.0),))
    turned = ArrayDataset("a", ("a",), (np.arange(6.0)[::-1],))
    assert made.digest() != turned.digest()
    some, others = (Chosen(made, np.array(index), "some") for index in ([0, 1], [0, 2]))
    assert len({made.digest(), some.digest(), others.digest()}) == 3


def test_a_file_packs_to_equal_bytes(tmp_path: Path) -> None:
    arrays = {"b": np.arange(4.0), "a": np.eye(3)}
    (tmp_path / "X-0123456789abcdef.npz").write_bytes(packed(arrays))
    assert packed(arrays) == packed(dict(reversed(arrays.items())))
    (tmp_path / "photos.npz").write_bytes(packed(arrays))
    (tmp_path / "Y-0123456789abcdef.npz").write_bytes(b"damaged")
    found = in_folder(tmp_path)
    assert list(found) == ["X-0123456789abcdef"]
    np.testing.assert_array_equal(found["X-0123456789abcdef"]["a"], np.eye(3))


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    feeds = {}
    for name, samples in (("train", 8), ("test", 7)):
        (tmp_path / name).mkdir()
        data(tmp_path / name, samples)
        source = {"type": "Arrays", "outputs": [str(tmp_path / name / file) for file in ("x.npy", "y.npy")]}
        feeds[name] = {"source": source, "batch_size": 3, "transform": [MEAN]}
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[3, *SHAPE], [3]]},
        {"name": "ip", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    solver = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 3, "snapshot": 2}
    return {"net": {"name": "t", "layers": layers}, "data": feeds, **solver}


def test_a_run_and_its_snapshots_keep_it(tmp_path: Path, values: dict[str, Any]) -> None:
    folder = tmp_path / "r"
    with run(load_solver(values), folder) as training:
        list(training)
    mean = np.load(tmp_path / "train" / "x.npy").mean(0, dtype=np.float64)
    (kept,) = in_folder(folder / "data").values()
    np.testing.assert_allclose(kept["mean"], mean, rtol=1e-12)
    latest = snapshot.latest(folder / "snapshots")
    assert latest is not None
    (own,) = snapshot.read(latest).computed.values()
    np.testing.assert_array_equal(own["mean"], kept["mean"])
    shutil.rmtree(tmp_path / "train")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    last = next(row["outputs"] for row in reversed(rows) if row["event"] == "tested")
    assert Run(folder).test() == last
    alone = {**values, "data": {"test": values["data"]["test"]}}
    assert load_tester(load_solver(alone, phases=("TEST",)), latest)[0].run()[0] == last  # the snapshot alone

    (folder / "bare.safetensors").write_bytes(b"")
    state = snapshot.read(latest)
    snapshot.write(folder / "bare.safetensors", snapshot.Snapshot(None, state.weights))
    assert Run(folder).test(folder / "bare.safetensors") == last  # the run folder alone
    shutil.rmtree(folder / "data")
    with pytest.raises(Exception, match="mean of the training data is wanted"):
        Run(folder).test(folder / "bare.safetensors")


def test_a_resumed_training_goes_on_with_its_mean_bit_for_bit(tmp_path: Path, values: dict[str, Any]) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder, last in ((whole, 3), (parts, 2)):
        with run(load_solver({**values, "max_iter": last}), folder) as training:
            list(training)
    with run(load_solver(values), parts, resume=True) as training:
        list(training)
    name = snapshot.name(3)
    assert (whole / "snapshots" / name).read_bytes() == (parts / "snapshots" / name).read_bytes()


@pytest.mark.parametrize("place", range(0, 60, 3))
def test_damage_at_any_place_costs_another_computing_and_nothing_else(tmp_path, place):
    held = bytearray(packed({"mean": np.arange(3.0)}))
    end = held.rindex(b"PK\x01\x02")  # the archive's directory, which zipfile reads first
    held[end + place] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(held)
    found = unpacked(tmp_path / "a.npz")
    assert found is None or set(map(type, found.values())) <= {np.ndarray}


@pytest.mark.parametrize("normalize", [{"type": "PCA", "components": 2}, {"type": "Normalize", "computed": True}])
def test_training_data_are_opened_once_for_a_test_and_closed(tmp_path, monkeypatch, normalize):
    np.save(tmp_path / "x.npy", np.random.default_rng(1).normal(size=(9, 4)))
    source = {"type": "Arrays", "outputs": ("x.npy",)}
    train, test = (
        FeedSpec.model_validate({"source": source, "batch_size": 3, "transform": t}) for t in ((), (normalize,))
    )
    log = []
    kind, really = type(train.source), type(train.source).open
    monkeypatch.setattr(kind, "open", lambda self, base: log.append("open") or really(self, base))
    monkeypatch.setattr(ArrayDataset, "close", lambda self: log.append("close"))
    open_feed(test, "TEST", 1, tmp_path, train=train)
    assert log == ["open", "open", "close"]
