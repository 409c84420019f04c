"""Arguments of Python callers: NumPy's scalars are taken, what makes no sense is refused by name."""

from __future__ import annotations

from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from tests.helpers.specs import ip, net

SPEC = net(ip("ip", 5))
X = np.random.default_rng(3).standard_normal((4, 3, 6, 5))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"dtype": np.float64}, "float64"),
        ({"dtype": np.dtype("f4")}, "float32"),
        ({"batch": np.int64(7)}, "data 7x3x6x5"),
        ({"batch": np.array(7)}, "data 7x3x6x5"),
        ({"seed": np.uint8(7), "level": np.int16(-1), "threads": np.int32(1)}, "455 params"),
        ({"stages": np.array(["a", "b"]), "overrides": (np.str_("layers.ip.num_output=2"),)}, "182 params"),
        ({"force_backward": np.bool_(True), "phase": np.str_("TRAIN")}, "TRAIN"),
    ],
)
def test_numpys_values_are_taken(words: dict[str, Any], said: str) -> None:
    assert said in repr(netspec.Net(SPEC, **words))


@pytest.mark.parametrize("spec", [OrderedDict(SPEC), MappingProxyType(SPEC)])
def test_mappings_are_taken(spec: Any) -> None:
    assert netspec.Net(spec).inputs == ["data", "label"]


def test_paths_are_taken(tmp_path: Path) -> None:
    one = netspec.Net(Path("lenet"), batch=2)
    one.save(tmp_path / "one.safetensors")
    assert len(
        netspec.Net("lenet", weights=tmp_path / "one.safetensors").load(str(tmp_path / "one.safetensors")).loaded
    )


REFUSED = {
    "batch": [0, -1, 2.0, "4", True, np.bool_(True), 2j, [1], np.array([1, 2])],
    "seed": [-1, None, "x", 1.5, 2**63],
    "level": [None, "x", 0.5],
    "threads": [0, "2", 1.5, True],
    "stages": ["late", b"late", None, 3, {"late": 1}, [None], ["late", 3]],
    "overrides": ["base_lr=3", None, [b"x"]],
    "dtype": [None, "float16", np.float16, int, "x", 3, []],
    "phase": [None, "VAL", 2, ["TEST"], np.array(["TEST", "TRAIN"])],
    "force_backward": [None, "no", 1],
    "weights": [3, b"x", []],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_what_makes_no_sense_is_refused(name: str, value: Any) -> None:
    with pytest.raises(NetspecError) as caught:
        netspec.Net(SPEC, **{name: value})
    assert caught.value.code == "NS005"


@pytest.mark.parametrize("value", [None, 3, [1], b"lenet", SPEC["layers"], object()])
def test_what_is_no_spec_is_refused(value: Any) -> None:
    for ask in (netspec.Net, netspec.Solver):
        with pytest.raises(NetspecError, match="a path, a zoo name or a dict, not"):
            ask(value)


@pytest.mark.parametrize("value", [None, 3, b"x"])
def test_what_is_no_path_is_refused(value: Any, solver: Any) -> None:
    one = netspec.Net(SPEC)
    with netspec.Solver(solver()) as training:
        for ask in (netspec.Run, one.save, one.load, training.snapshot, training.restore):
            with pytest.raises(NetspecError, match="is named by a path, not"):
                ask(value)  # type: ignore[operator]
        for n in (-1, 2.5, "3", None, True):
            with pytest.raises(NetspecError, match="a number of iterations of"):
                training.step(n)  # type: ignore[arg-type]
        training.step(np.int64(2))  # type: ignore[arg-type]
        assert training.iter == 2


# --- arrays


@pytest.mark.parametrize("kind", [bool, np.int8, np.uint64, np.float16, np.float32, np.longdouble, ">f4"])
def test_real_numbers_of_every_kind_are_taken(kind: Any) -> None:
    x = (np.arange(360).reshape(4, 3, 6, 5) % 2).astype(kind)
    one = netspec.Net(SPEC)
    right = one.forward(data=x.astype(float), label=[0] * 4)["ip"]
    for given in (x, np.asfortranarray(x), x.tolist()):
        np.testing.assert_array_equal(one.forward(data=given)["ip"], right)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (X * 1j, "no array of real numbers, but of complex numbers"),
        (X.astype(str), "but of texts"),
        (X.astype(bytes), "but of texts"),
        (X.astype(object), "but of Python objects"),
        (X.astype("M8[s]"), r"but of datetime64\[s\]"),
        (None, "but of Python objects: None"),
        ({}, "but of Python objects"),
        ([[1, 2], [3]], "no array of numbers"),
        (np.full(X.shape, 1e300), "float32, and too small for the values"),
        (5, r"4x3x6x5, not \(\) of a single number"),
    ],
)
def test_what_is_no_array_of_real_numbers_is_refused(given: Any, said: str) -> None:
    one = netspec.Net(SPEC, force_backward=True)
    with pytest.raises(NetspecError, match=said):
        one.forward(data=given)
    one.forward(data=X, label=[0] * 4)
    with pytest.raises(NetspecError, match=said):
        one.backward(data=given)


@pytest.mark.parametrize(
    ("shape", "help"),
    [
        ((7, 3, 6, 5), "say batch=... for another batch"),
        ((3, 6, 5), "4 axes are wanted"),
        ((4, 3, 6, 5, 1), r"4 axes are wanted, as x.reshape\(4, 3, 6, 5\) has"),
        ((4, 6, 5, 3), r"N, C, H, W: say x.transpose\(0, 3, 1, 2\)"),
        ((4, 3, 5, 6), "a blob is N, C, H, W$"),
        ((7, 3, 5, 6), "a blob is N, C, H, W$"),
    ],
)
def test_the_help_fits_the_shape(shape: tuple[int, ...], help: str) -> None:
    with pytest.raises(NetspecError, match=help) as caught:
        netspec.Net(SPEC).forward(data=np.zeros(shape))
    assert ("batch=" in str(caught.value)) == (shape == (7, 3, 6, 5))


def test_what_is_not_a_number_is_taken_as_it_is() -> None:
    one = netspec.Net(SPEC)
    assert np.isnan(one.forward(data=X * np.nan, label=[0] * 4)["ip"]).all()
    one.forward(data=X * np.inf)


# --- specs


def test_a_spec_of_numpys_values(solver: Any) -> None:
    values = solver(base_lr=np.float64(0.25), max_iter=np.int32(3), momentum=np.float32(0.5), test_iter=np.array(1))
    values["net"]["layers"][0]["shape"] = [np.array([4, 1, 6, 5]), (np.int64(4),)]
    values["net"]["layers"][1]["bias_term"] = np.bool_(False)
    values["net"]["layers"][1]["num_output"] = np.uint8(2)
    outputs = values["data"]["train"]["source"]["outputs"]
    values["data"]["train"]["source"]["outputs"] = tuple(map(Path, outputs))
    with netspec.Solver(values) as one:
        one.solve()
        assert (one.iter, one.lr > 0, len(one.net.params["conv"])) == (3, True, 1)


@pytest.mark.parametrize("value", [2j, b"3", {3}, object(), np.complex64(1), np.array([None, 2j])[1], len, Fraction])
def test_what_is_no_plain_value_is_named_at_its_place(value: Any) -> None:
    values = net({**ip("ip", 5), "num_output": value}, {**ip("other", 5), "axis": value})
    with pytest.raises(NetspecError, match="is no plain value") as caught:
        netspec.Net(values)
    found = caught.value.errors()
    lines = [error.at.source.line(error.at.line).split(":")[0].strip() for error in found if error.at]
    assert lines == ["num_output", "axis"]
