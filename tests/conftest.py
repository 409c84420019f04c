"""What all tests share: hypothesis profiles, a place to work in, and a solver small enough to train in a blink.

Kernels come from the user's own cache: it is named by a digest of the kernel sources, so it can never be stale, and no
test deletes it.
"""

from __future__ import annotations

import copy
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

os.environ.setdefault(
    "NETSPEC_VERIFY", "1"
)  # every pass verifies the stage it made, in the processes that tests start too

for _name in ("COLUMNS", "LINES"):  # readline, which pytest imports, sets them for child processes
    os.environ.pop(_name, None)
    os.unsetenv(_name)

for _signal in (getattr(signal, name, None) for name in ("SIGINT", "SIGHUP", "SIGQUIT")):
    if _signal is not None and signal.getsignal(_signal) == signal.SIG_IGN:  # what a shell starts in the background
        signal.signal(_signal, signal.default_int_handler if _signal == signal.SIGINT else signal.SIG_DFL)

settings.register_profile("netspec", deadline=None, max_examples=25, derandomize=True, database=None)
settings.register_profile("explore", deadline=None, max_examples=400, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "netspec"))


LONG_FILES = {
    "test_convolution_axes.py",
    "test_document.py",
    "test_expand.py",
    "test_goals.py",
    "test_hostile.py",
    "test_init.py",
    "test_pieces.py",
    "test_random.py",
    "test_repeat.py",
    "test_room.py",
    "test_schema.py",
    "test_signals.py",
    "test_write.py",
    "test_zoo.py",
}
"""Files that take ten seconds and more: they come first, so that no process is alone with one at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name not in LONG_FILES)


def pytest_collection_finish() -> None:
    """Keep what collecting made out of the garbage collector's sight: it is large, and stays to the end."""
    gc.collect()
    gc.freeze()


CLASSES, TRAIN_SAMPLES, TEST_SAMPLES = 3, 23, 11

NET: dict[str, Any] = {
    "name": "tiny",
    "layers": [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 1, 6, 5], [4]]},
        {"name": "conv", "type": "Convolution", "num_output": 2, "kernel_size": 3, "weight_filler": "xavier"},
        {"name": "relu", "type": "ReLU"},
        {"name": "ip", "type": "InnerProduct", "num_output": CLASSES, "weight_filler": "xavier"},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["ip", "label"], "include": {"phase": "TEST"}},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ],
}


def samples(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images 1x6x5 with a bright row that tells their class, and the classes."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, CLASSES, count)
    image = rng.standard_normal((count, 1, 6, 5)).astype(np.float32)
    image[np.arange(count), 0, 1 + label] += 1.5
    return image, label


@pytest.fixture(scope="session")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with train_x.npy, train_y.npy, test_x.npy and test_y.npy."""
    folder = tmp_path_factory.mktemp("arrays")
    for name, count, seed in (("train", TRAIN_SAMPLES, 7), ("test", TEST_SAMPLES, 8)):
        image, label = samples(count, seed)
        np.save(folder / f"{name}_x.npy", image)
        np.save(folder / f"{name}_y.npy", label)
    return folder


@pytest.fixture
def solver(arrays: Path) -> Callable[..., dict[str, Any]]:
    """`solver(base_lr=0.5, net=...)`: a solver on those arrays, as plain values; None leaves a key out."""

    def make(**changes: Any) -> dict[str, Any]:
        data = {
            phase: {
                "source": {
                    "type": "Arrays",
                    "outputs": [str(arrays / f"{phase}_x.npy"), str(arrays / f"{phase}_y.npy")],
                },
                "batch_size": 4,
            }
            for phase in ("train", "test")
        }
        values = {
            "net": copy.deepcopy(NET),
            "data": data,
            "base_lr": 0.1,
            "momentum": 0.9,
            "weight_decay": 0.001,
            "lr_policy": {"type": "inv", "gamma": 0.01, "power": 0.75},
            "max_iter": 20,
        }
        return {key: value for key, value in (values | changes).items() if value is not None}

    return make


@pytest.fixture(scope="session")
def golden() -> Callable[[str, str], None]:
    """`golden("name.txt", text)` compares with tests/golden/name.txt; NETSPEC_UPDATE_GOLDEN=1 writes the file anew."""

    def compare(name: str, text: str) -> None:
        path = Path(__file__).parent / "golden" / name
        if os.environ.get("NETSPEC_UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`cli("train", path, ...)`: the command line called as a function; its exit code, stdout and stderr."""

    def call(*words: Any) -> tuple[int, str, str]:
        from netspec.cli import app

        monkeypatch.setattr(sys, "argv", ["netspec", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory for the length of the test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
