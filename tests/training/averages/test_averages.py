"""Averages of weights: their shares, the kernel, nets that train with them, snapshots, PyTorch's AveragedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.codegen import driver
from netspec.core.calls import Call
from netspec.core.counts import Count, Pace
from netspec.kernels import average
from netspec.training import snapshot
from netspec.training.averages.base import AVERAGES, Average
from netspec.training.averages.ema import Ema
from netspec.training.averages.swa import Swa
from netspec.training.averaging import NoAverageError
from netspec.training.job import load_solver
from netspec.training.run import load_tester
from netspec.training.session import Session
from tests.helpers.checks import Array, blob
from tests.helpers.sessions import session, weights

Make = Callable[..., dict[str, Any]]
PACE = Pace(100, 8)  # epochs end at 13, 25, 38, 50

EMA = {"type": "ema", "decay": 0.75}
SWA = {"type": "swa", "start": 2, "every": 2}


def test_shares() -> None:
    assert [Ema(decay=0.75, start=Count(2)).share(done, PACE) for done in range(5)] == [1, 1, 1, 0.25, 0.25]
    assert [Swa(start=Count(2), every=Count(2)).share(done, PACE) for done in range(1, 8)] == [
        1,
        1,
        0,
        1 / 2,
        0,
        1 / 3,
        0,
    ]
    # a start between two times: those at 4 and 6 come after that at 3
    assert [Swa(start=Count(3), every=Count(2)).share(done, PACE) for done in range(3, 7)] == [1, 1 / 2, 0, 1 / 3]
    epochs = Swa(start=Count(1, True), every=Count(1, True))
    taken = {done: share for done in range(14, 51) if (share := epochs.share(done, PACE))}
    assert epochs.share(13, PACE) == 1 and taken == {25: 1 / 2, 38: 1 / 3, 50: 1 / 4}


@pytest.mark.parametrize("cls", AVERAGES.members())
def test_every_average_says_what_it_is(cls: type[Average]) -> None:
    assert cls.__doc__ and all(field.description for field in cls.model_fields.values())


def test_fields() -> None:
    for cls, fields in (
        (Ema, {"decay": 1.0}),
        (Ema, {"every": Count(1)}),
        (Swa, {"start": Count(1)}),
        (Swa, {"start": 1, "every": 0}),
    ):
        with pytest.raises(ValidationError):
            cls(**fields)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_kernel(dtype: str) -> None:
    w, own = blob(5, 3).astype(dtype), blob(5, 3, seed=2).astype(dtype)
    for gate, share, expected in ((1, 0.25, own + 0.25 * (w - own)), (1, 1.0, w), (1, 0.0, own), (0, 0.5, own)):
        found = own.copy()
        driver.run([Call(average.follow, w, found, np.array([gate, 1], dtype), np.array([share]))], dtype)
        np.testing.assert_allclose(found, expected, rtol=1e-6 if share not in {0, 1} else 0)


def averages(one: Session) -> dict[str, Array]:
    found = zip(one.train.weights.names, one.train.weights.averages, strict=True)
    return {name: array.copy() for name, array in found if array is not None}


def _norm(values: dict[str, Any]) -> dict[str, Any]:
    values["net"]["layers"][2] = {"name": "norm", "type": "BatchNorm", "moving_average_fraction": 0.5}
    return values


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("of", [EMA, SWA], ids=["ema", "swa"])
def test_a_net_trains_as_without_and_its_average_follows(solver: Make, of: dict[str, Any], size: int) -> None:
    """Params that layers store, like BatchNorm's statistics, are averaged like weights."""
    more = {"dtype": "float64", "iter_size": size}
    plain, one = (session(_norm(solver(**more, **also))) for also in ({}, {"average": of}))
    expected, seen = weights(one), []
    assert all(np.array_equal(array, expected[name]) for name, array in averages(one).items())
    for done in range(1, 7):
        assert plain.step() == one.step()
        now = weights(one)
        seen.append(now)
        for name, array in now.items():
            np.testing.assert_array_equal(array, weights(plain)[name])
            if of is EMA:
                expected[name] = 0.75 * expected[name] + 0.25 * array
            else:
                taken = [each[name] for number, each in enumerate(seen, 1) if number >= 2 and number % 2 == 0]
                expected[name] = sum(taken) / len(taken) if taken else array
        assert averages(one).keys() == expected.keys() >= {"norm.mean", "norm.variance", "ip.bias"}
        for name, array in averages(one).items():
            np.testing.assert_allclose(array, expected[name], rtol=1e-12, err_msg=f"{name} after {done}")
    plain.close()
    one.close()


def test_nothing_moves_while_the_gate_is_shut(solver: Make) -> None:
    one = session(_norm(solver(average=EMA)))
    one.step()
    one.train.weights.data[one.train.weights.index("ip.bias")][1] = np.nan
    before = averages(one)
    with pytest.raises(Exception, match="not finite"):
        one.step()
    assert all(np.array_equal(array, before[name]) for name, array in averages(one).items())
    one.close()


def test_torch(solver: Make) -> None:
    """AveragedModel, updated after every iteration: its first update copies, as ours before `start` is over."""
    torch: Any = pytest.importorskip("torch")
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    model = torch.nn.Linear(1, 1, bias=False).double()
    kinds = {"ema": get_ema_multi_avg_fn(0.9), "swa": None}
    theirs = {name: AveragedModel(model, multi_avg_fn=each) for name, each in kinds.items()}
    ours: dict[str, Average] = {"ema": Ema(decay=0.9, start=Count(1)), "swa": Swa(start=Count(1), every=Count(1))}
    own = dict.fromkeys(ours, 0.0)
    for done, value in enumerate(blob(20), 1):
        model.weight.data.fill_(float(value))
        for name, one in theirs.items():
            one.update_parameters(model)
            own[name] += ours[name].share(done, PACE) * (float(value) - own[name])
            assert own[name] == pytest.approx(one.module.weight.item(), rel=1e-12)


# --- snapshots and tests


def saved(one: Session, folder: Path) -> Path:
    path = folder / f"iter_{one.iteration:06d}.safetensors"
    one.snapshot(path)
    return path


@pytest.mark.parametrize("of", [EMA, SWA], ids=["ema", "swa"])
def test_a_resume_goes_on_with_the_average(solver: Make, tmp_path: Path, of: dict[str, Any]) -> None:
    values = _norm(solver(average=of))
    straight, first, second = session(values), session(values), session(values)
    for _ in range(7):
        straight.step()
    for _ in range(3):
        first.step()
    second.restore(saved(first, tmp_path))
    assert not [warning for warning in second.warnings() if warning.code == "NS544"]
    for _ in range(4):
        second.step()
    assert saved(straight, tmp_path).read_bytes() == _copy(second, tmp_path).read_bytes()
    for one in (straight, first, second):
        one.close()


def _copy(one: Session, folder: Path) -> Path:
    (folder / "copy").mkdir()
    return saved(one, folder / "copy")


def _warning(one: Session) -> str:
    (found,) = (warning for warning in one.warnings() if warning.code == "NS544")
    return str(found)


def test_a_snapshot_with_other_averages_is_a_clear_sentence(solver: Make, tmp_path: Path) -> None:
    kept, plain = session(solver(average=EMA)), session(solver())
    for one in (kept, plain):
        one.step()
    with_ema, without = saved(kept, tmp_path), _copy(plain, tmp_path)
    into = {
        name: session(solver(**({"average": of} if of else {})))
        for name, of in (("no", None), ("ema", EMA), ("swa", SWA))
    }
    into["no"].restore(with_ema)
    assert "an average of weights (ema), which this training does not keep: it is dropped" in _warning(into["no"])
    into["ema"].restore(without)
    text = "the snapshot has no average of weights: the average ema begins with the weights of iteration 1"
    assert text in _warning(into["ema"])
    into["swa"].restore(with_ema)
    assert "has the average ema: the average swa begins with the weights of iteration 1" in _warning(into["swa"])
    for name in ("ema", "swa"):
        now = weights(into[name])
        assert all(np.array_equal(array, now[key]) for key, array in averages(into[name]).items())
    for one in (kept, plain, *into.values()):
        one.close()


def test_averages_are_tested_in_place_of_the_weights(solver: Make, tmp_path: Path) -> None:
    values = _norm(solver(average=EMA, base_lr=0.5))
    one = session(values)
    for _ in range(5):
        one.step()
    path, job = saved(one, tmp_path), load_solver(values, phases=("TEST",))
    tester, loaded = load_tester(job, path, average="ema")
    assert str(loaded).startswith(f"average of weights (ema) from {path}: ")
    tested = dict(zip(tester.weights.names, tester.weights.data, strict=True))
    for name, array in averages(one).items():
        np.testing.assert_array_equal(tested[name], array)
    plain, _ = load_tester(job, path)
    assert not np.array_equal(plain.weights.data[0], tester.weights.data[0])
    assert tester.run()[0]["loss"] != plain.run()[0]["loss"]
    with pytest.raises(NoAverageError, match="no average of weights of the kind swa") as caught:
        load_tester(job, path, average="swa")
    assert caught.value.help == "it has ema"
    looking = session({**values, "test_average": True})
    looking.restore(path)
    assert looking.testers["test"].run()[0] == tester.run()[0]
    one.close()
    looking.close()


def test_a_shared_param_is_tested_at_its_average_under_every_layer(solver: Make, tmp_path: Path) -> None:
    values = solver(average=EMA, base_lr=0.5)
    shared = {"type": "InnerProduct", "num_output": 30, "weight_filler": "xavier", "param": {"name": "w"}}
    layers = values["net"]["layers"]
    layers[1:4] = [{"name": "one", **shared}, {"name": "two", **shared}, {**layers[3], "name": "ip"}]
    one = session(values)
    for _ in range(3):
        one.step()
    path = saved(one, tmp_path)
    assert {str(key) for _, key in snapshot.read(path).averages} >= {"one.weight", "two.weight"}
    tester, _ = load_tester(load_solver(values, phases=("TEST",)), path, average="ema")
    np.testing.assert_array_equal(tester.weights.data[0], one.train.weights.averages[0])
    one.close()


def test_frozen_params_have_no_average(solver: Make) -> None:
    one = session(solver(average=EMA, params=[{"match": "conv", "lr_mult": 0}]))
    assert averages(one).keys() == {"ip.weight", "ip.bias"}
    one.close()
