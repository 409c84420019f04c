"""Real trainings of a small net, spoiled one by one, and what the doctor says of what they recorded."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import DivergedError, NetspecError
from netspec.data.transforms.base import Apply, Draw, Setting
from netspec.data.transforms.scale import Scale
from netspec.study.doctor import examine_run
from netspec.training.job import load_solver
from netspec.training.rules.base import Known
from netspec.training.rules.recorded import waiting_for_data
from netspec.training.rules.recorded.base import recorded
from netspec.training.rules.recorded.high_rate import HighRate
from netspec.training.rules.recorded.short_training import ShortTraining
from netspec.training.run import run
from netspec.training.runs import read

Values = dict[str, Any]
CLASSES, VALUES = 4, 8


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clouds about one point a class: `x` with its labels `y`, the labels in another order, and shifted by a class."""
    folder, random = tmp_path_factory.mktemp("clouds"), np.random.default_rng(5)
    points = random.normal(size=(CLASSES, VALUES))
    for feed, count in (("train", 240), ("test", 80)):
        y = np.arange(count) % CLASSES
        x = points[y] + 0.9 * random.normal(size=(count, VALUES))
        np.save(folder / f"{feed}_x.npy", x.astype(np.float32))
        for name, labels in (("y", y), ("shuffled", random.permutation(y)), ("shifted", (y + 1) % CLASSES)):
            np.save(folder / f"{feed}_{name}.npy", labels.astype(np.float32))
    return folder


def feed(data: Path, name: str, labels: str = "y", batch: int = 16, **fields: Any) -> Values:
    outputs = [str(data / f"{name}_{each}.npy") for each in ("x", labels)]
    return {"source": {"type": "Arrays", "outputs": outputs}, "batch_size": batch, **fields}


def solver(clouds: Path, bias: float = 0.0, **fields: Any) -> Values:
    """A net of two layers with a rate that suits it, and fields in the place of its own."""
    layers: list[Values] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[16, VALUES], [16]]},
        {
            "name": "ip1", "type": "InnerProduct", "num_output": 24, "weight_filler": "xavier",
            "bias_filler": {"type": "constant", "value": bias},
        },
        {"name": "relu1", "type": "ReLU"},
        {"name": "ip2", "type": "InnerProduct", "num_output": CLASSES, "weight_filler": "xavier"},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["ip2", "label"], "include": {"phase": "TEST"}},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip2", "label"]},
    ]  # fmt: skip
    feeds = {"data": {"train": feed(clouds, "train"), "test": feed(clouds, "test")}}
    loop = {"max_iter": 300, "display": 5, "test_interval": 30, "snapshot_after_train": False, "lr_policy": "fixed"}
    return {"base_lr": 0.02, "momentum": 0.9, **loop, **feeds, **fields, "net": {"layers": layers}}


def findings(solver: Values, folder: Path) -> dict[str, NetspecError]:
    """Train, and give the findings of the doctor by their codes."""
    try:
        with run(load_solver(solver), folder) as training:
            list(training)
    except DivergedError:
        pass
    return {found.code: found for found in examine_run(read(folder)).findings}


def test_single_losses_that_happen_to_fall_are_no_sign_of_a_short_training() -> None:
    """Those of a LeNet, a batch each, at every hundredth iteration."""
    jumping = (2.44, 0.47, 0.59, 0.67, 0.41, 0.61, 0.37, 0.53, 0.55, 0.41, 0.56, 0.21, 0.33, 0.14, 0.21, 0.17)
    steady = tuple(1.4 - 0.05 * i for i in range(20))
    for losses, expected in ((jumping, 0), (steady, 1)):
        example = recorded({"loss": losses}, every=100)
        job = load_solver(dict(example.solver))
        assert len(list(ShortTraining().judge(Known(job.nets, job, history=example.history)))) == expected


def test_an_easy_first_batch_is_no_sign_of_a_high_rate() -> None:
    """Where the loss of a guess is not known, later losses are compared with the first, which is one batch's."""
    level, rising = (2.6, *[4.1, 3.2, 5.0, 3.6] * 9), tuple(2.6 * 1.2**i for i in range(36))
    for losses, expected in ((level, 0), (rising, 1)):
        example = recorded({"loss": losses})
        job = load_solver(dict(example.solver))
        assert len(list(HighRate().judge(Known({}, job, history=example.history)))) == expected


def test_nothing_is_found_in_a_sound_training(data: Path, tmp_path: Path) -> None:
    assert findings(solver(data, lr_policy={"type": "step", "gamma": 0.1, "stepsize": 200}), tmp_path / "run") == {}


@pytest.mark.parametrize("type", ["Adam", "AdamW", "RMSProp", "Nesterov"])
def test_nothing_is_found_in_sound_trainings_of_other_types(type: str, data: Path, tmp_path: Path) -> None:
    own: Values = {"Nesterov": {"base_lr": 0.02, "momentum": 0.9}}.get(type, {"base_lr": 0.003})
    values = solver(data, weight_decay=0.0005) | {"type": type, **own}
    values = {key: value for key, value in values.items() if key != "momentum" or type == "Nesterov"}
    assert findings(values, tmp_path / "run") == {}


def test_a_rate_a_thousand_times_too_high(data: Path, tmp_path: Path) -> None:
    found = findings(solver(data, base_lr=20.0), tmp_path / "run")
    assert "rate of 20 is too high" in found["NS840"].message and "base_lr=2;" in str(found["NS840"].help)


def test_a_rate_a_thousand_times_too_low(data: Path, tmp_path: Path) -> None:
    found = findings(solver(data, base_lr=2e-5), tmp_path / "run")
    assert list(found) == ["NS841"]
    assert "too low" in found["NS841"].message and "base_lr=0.0002" in str(found["NS841"].help)


def test_a_rate_cut_by_clipping(data: Path, tmp_path: Path) -> None:
    found = findings(solver(data, clip_gradients=1e-4), tmp_path / "run")
    assert list(found) == ["NS841"] and "clip_gradients leaves" in str(found["NS841"].help)


def test_a_start_that_is_far_too_large_is_not_the_fault_of_the_rate(data: Path, tmp_path: Path) -> None:
    feeds = {name: feed(data, name, transform=[{"type": "Scale", "factor": 1000.0}]) for name in ("train", "test")}
    found = findings(solver(data, data=feeds), tmp_path / "run")
    assert list(found) == ["NS850"] and "inputs or weights are too large" in str(found["NS850"].help)


def test_samples_in_the_order_of_their_classes(data: Path, tmp_path: Path) -> None:
    y = np.load(data / "train_y.npy")
    order = np.argsort(y, kind="stable")
    for name in ("x", "y"):
        np.save(tmp_path / f"train_{name}.npy", np.load(data / f"train_{name}.npy")[order])
    feeds = {"train": feed(tmp_path, "train", shuffle=False), "test": feed(data, "test")}
    found = findings(solver(data, data=feeds, base_lr=0.5), tmp_path / "run")
    assert list(found) == ["NS840"] and "leave out shuffle: false" in str(found["NS840"].help)


def test_inputs_that_say_nothing_are_not_the_fault_of_the_rate(data: Path, tmp_path: Path) -> None:
    feeds = {name: feed(data, name, transform=[{"type": "Scale", "factor": 0.0}]) for name in ("train", "test")}
    found = findings(solver(data, data=feeds), tmp_path / "run")
    assert list(found) == ["NS842"] and "do inputs or units pass nothing on?" in str(found["NS842"].help)


def test_a_rate_multiplied_by_iter_size(data: Path, tmp_path: Path) -> None:
    found = findings(solver(data, base_lr=0.64 * 8, iter_size=32, max_iter=60, display=1), tmp_path / "run")
    assert list(found) == ["NS840"] and "was it multiplied? Try base_lr=0.16" in str(found["NS840"].help)
    assert findings(solver(data, iter_size=4, max_iter=100, display=1), tmp_path / "fine") == {}


def test_shuffled_labels(data: Path, tmp_path: Path) -> None:
    feeds = {"train": feed(data, "train", "shuffled"), "test": feed(data, "test")}
    found = findings(solver(data, data=feeds, max_iter=100), tmp_path / "run")
    assert list(found) == ["NS843"] and "do the labels of both sets belong" in str(found["NS843"].help)


def test_shifted_labels(data: Path, tmp_path: Path) -> None:
    feeds = {"train": feed(data, "train", "shifted"), "test": feed(data, "test")}
    found = findings(solver(data, data=feeds), tmp_path / "run")
    assert list(found) == ["NS843"] and "shifted" in str(found["NS843"].help)
    assert "test/accuracy 0" in found["NS843"].message


def test_a_decay_that_leaves_no_weights(data: Path, tmp_path: Path) -> None:
    found = findings(solver(data, weight_decay=1.0), tmp_path / "run")
    assert list(found) == ["NS842"] and "weight_decay 1 pulls all weights to 0" in str(found["NS842"].help)


def test_few_samples_learned_by_heart(data: Path, tmp_path: Path) -> None:
    feeds = {"train": feed(data, "train", limit=16), "test": feed(data, "test")}
    found = findings(solver(data, data=feeds, base_lr=0.1, max_iter=600), tmp_path / "run")
    assert list(found) == ["NS844"] and "overfitting" in found["NS844"].message


def test_dead_units(data: Path, tmp_path: Path) -> None:
    found = findings(solver(data, bias=-10.0, debug_info=50), tmp_path / "run")
    assert list(found) == ["NS848"] and "in 'relu1' 100 %" in found["NS848"].message


def test_a_batch_of_one(data: Path, tmp_path: Path) -> None:
    feeds = {"train": feed(data, "train", "y", 1), "test": feed(data, "test")}
    assert "NS847" in findings(solver(data, data=feeds, base_lr=0.1, momentum=0.0), tmp_path / "run")


def test_a_plateau(data: Path, tmp_path: Path) -> None:
    """Half of the labels are drawn anew: no net can do better than about ln 4 / 2 + ln 2."""
    random = np.random.default_rng(0)
    y = np.load(data / "train_y.npy")
    np.save(tmp_path / "train_x.npy", np.tile(np.load(data / "train_x.npy"), (20, 1)))
    many = np.tile(y, 20)
    np.save(tmp_path / "train_y.npy", np.where(random.random(len(many)) < 0.6, random.integers(0, 4, len(many)), many))
    feeds = {"train": feed(tmp_path, "train"), "test": feed(data, "test")}
    assert list(findings(solver(data, data=feeds, average_loss=20, base_lr=0.01), tmp_path / "run")) == ["NS846"]


def test_a_training_that_ended_too_early(data: Path, tmp_path: Path) -> None:
    found = findings(
        solver(data, base_lr=0.002, momentum=0.0, max_iter=120, average_loss=5, display=2), tmp_path / "run"
    )
    assert set(found) <= {"NS841", "NS845"} and found


def test_waiting_for_data(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every batch takes ten milliseconds more to prepare than it would."""
    bind = Scale.bind

    def slow(scale: Scale, setting: Setting) -> Apply:
        apply = bind(scale, setting)

        def waiting(x: Any, draw: Draw) -> Any:
            time.sleep(0.01)
            return apply(x, draw)

        return waiting

    monkeypatch.setattr(Scale, "bind", slow)
    monkeypatch.setattr(waiting_for_data, "LEAST", 0.1)
    feeds = {"train": feed(data, "train", transform=[{"type": "Scale", "factor": 1.0}])}
    found = findings(solver(data, data=feeds, max_iter=30, test_interval=None), tmp_path / "run")
    assert list(found) == ["NS849"] and "went by in waiting for data" in found["NS849"].message
