"""Python: classes of pycaffe's tests (x10 three times, an exception, a parameter, the phase), and PythonLayers."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core import plugins
from netspec.core.errors import NetspecError
from netspec.layers.base_python import LayerCodeError
from tests.helpers.checks import blob, check_layer, forward, make_layer, run_layer
from tests.helpers.code import forgotten
from tests.helpers.sessions import session, trained, weights

CAFFE = '''\
import numpy as np

class SimpleLayer:
    """A layer that multiplies by ten."""

    def setup(self, bottom, top):
        pass

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)

    def forward(self, bottom, top):
        top[0].data[...] = 10 * bottom[0].data

    def backward(self, top, propagate_down, bottom):
        bottom[0].diff[...] = 10 * top[0].diff

class ExceptionLayer(SimpleLayer):
    """A layer that raises in forward, or where it is told to."""

    def forward(self, bottom, top):
        raise RuntimeError("no luck" + chr(10) + "more")

class BackwardError(SimpleLayer):
    def backward(self, top, propagate_down, bottom):
        return bottom[5]

class SetupError(SimpleLayer):
    def setup(self, bottom, top):
        raise ValueError(f"I take {self.param_str}")

class ParameterLayer:
    def setup(self, bottom, top):
        self.blobs.add_blob(1)
        self.blobs[0].data[0] = 0.5

    def reshape(self, bottom, top):
        top[0].reshape(1)

    def forward(self, bottom, top):
        top[0].data[...] = self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[0] = 1

class PhaseLayer(SimpleLayer):
    def reshape(self, bottom, top):
        top[0].reshape()

    def forward(self, bottom, top):
        top[0].data[()] = self.phase

class EuclideanLossLayer(SimpleLayer):
    """The loss of Caffe's examples, with its own memory between forward and backward."""

    def setup(self, bottom, top):
        if len(bottom) != 2:
            raise Exception("Need two inputs to compute distance.")

    def reshape(self, bottom, top):
        if bottom[0].count != bottom[1].count:
            raise Exception("Inputs must have the same dimension.")
        self.diff = np.zeros_like(bottom[0].data, dtype=np.float32)
        top[0].reshape(1)

    def forward(self, bottom, top):
        self.diff[...] = bottom[0].data - bottom[1].data
        top[0].data[...] = np.sum(self.diff**2) / bottom[0].num / 2.

    def backward(self, top, propagate_down, bottom):
        for i in range(2):
            if not propagate_down[i]:
                continue
            sign = 1 if i == 0 else -1
            bottom[i].diff[...] = sign * self.diff / bottom[i].num

class CountLayer(SimpleLayer):
    def setup(self, bottom, top):
        self.forwards = 0

    def forward(self, bottom, top):
        self.forwards += 1
        top[0].data[...] = self.forwards

class Plain:
    """No layer."""
'''

OWN = '''\
from pydantic import Field

from netspec.core import rng
from netspec.fillers.constant import Constant
from netspec.layers.base import Param
from netspec.layers.base_python import PythonLayer


class Bend(PythonLayer):
    """y = factor * w[c] * x^2. Bottom: x (N, C, ...). Top: y. Param: weight (C,)."""

    factor: float = Field(1.0, gt=0, description="A factor.")
    forget: bool = False

    def top_shapes(self, bottoms):
        return bottoms

    def params(self):
        return (Param("weight", Constant(value=2.0)),)

    def param_shapes(self, bottoms):
        return ((bottoms[0][1],),)

    def macs(self, bottoms, tops):
        return 7

    def _weight(self, run):
        return run.param[0].reshape(-1, *(1,) * (run.bottom[0].ndim - 2))

    def compute(self, run):
        if not self.forget:
            run.top[0][...] = self.factor * self._weight(run) * run.bottom[0] ** 2

    def gradients(self, run):
        x, dy = run.bottom[0], run.top_diff[0]
        if run.bottom_diff[0] is not None:
            run.bottom_diff[0][...] = 2 * self.factor * self._weight(run) * x * dy
        if run.param_diff[0] is not None:
            axes = (0, *range(2, x.ndim))
            run.param_diff[0][...] += (self.factor * x**2 * dy).sum(axis=axes)


class Noise(PythonLayer):
    def top_shapes(self, bottoms):
        return bottoms

    def compute(self, run):
        run.top[0][...] = run.bottom[0] + rng.generator(run.seed, *run.clock.tolist()).standard_normal(run.top[0].shape)

    def gradients(self, run):
        run.bottom_diff[0][...] = run.top_diff[0]


class Interrupted(Noise):
    def compute(self, run):
        if run.clock[0] == 2:
            raise KeyboardInterrupt
        super().compute(run)


class NoShape(PythonLayer):
    pass
'''


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "caffe_style.py").write_text(CAFFE)
    (tmp_path / "own.py").write_text(OWN)
    with forgotten():
        netspec.load_code(tmp_path / "caffe_style.py")
        netspec.load_code(tmp_path / "own.py")
        yield tmp_path


def python(layer: str, name: str = "py", module: str = "caffe_style", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "Python", "module": module, "layer": layer, **fields}


def net_of(*layers: dict[str, Any], shape: Any = (4, 3, 2), **options: Any) -> netspec.Net:
    data = {"name": "data", "type": "Input", "shape": list(shape)}
    return netspec.Net({"layers": [data, *layers]}, dtype="float64", **options)


def tens(**options: Any) -> netspec.Net:
    return net_of(*[python("SimpleLayer", name) for name in ("one", "two", "three")], force_backward=True, **options)


def test_ten_three_times() -> None:
    net = tens()
    x = blob(4, 3, 2)
    np.testing.assert_allclose(net.forward(data=x)["three"], 1000 * x, rtol=1e-12)
    diffs = net.backward(three=np.full((4, 3, 2), 7.0))
    np.testing.assert_allclose(diffs["data"], np.full((4, 3, 2), 7000.0), rtol=1e-12)


def test_another_batch_size_has_its_own_plan() -> None:
    assert tens(batch=9).forward(data=blob(9, 3, 2))["three"].shape == (9, 3, 2)


def test_an_exception_is_the_error_of_the_layer() -> None:
    net = net_of(python("ExceptionLayer"))
    with pytest.raises(LayerCodeError) as caught:
        net.forward(data=blob(4, 3, 2))
    assert caught.value.message == "layer 'py' (Python): ExceptionLayer.forward raised RuntimeError: no luck"
    assert (caught.value.help or "").startswith('caffe_style.py, line 22: raise RuntimeError("no luck"')
    assert caught.value.at is not None and caught.value.at.length == len("ExceptionLayer")


def test_an_exception_in_backward() -> None:
    net = net_of(python("BackwardError"), force_backward=True)
    net.forward(data=blob(4, 3, 2))
    with pytest.raises(LayerCodeError, match=r"BackwardError.backward raised IndexError: list index out of range"):
        net.backward(py=np.ones((4, 3, 2)))
    assert net.forward(data=blob(4, 3, 2))["py"].shape == (4, 3, 2), "the net is whole"


def test_a_parameter_blob() -> None:
    net = net_of(python("ParameterLayer", bottom=[], loss_weight=1), phase="TRAIN")
    assert net.params["py"][0].data[0] == 0.5
    net.params["py"][0].data[0] = 3.0
    assert net.forward()["py"] == 3.0, "setup does not write over a param that was changed"
    net.backward()
    assert net.params["py"][0].diff[0] == 1


@pytest.mark.parametrize(("phase", "number"), [("TRAIN", 0), ("TEST", 1)])
def test_the_phase(phase: Any, number: int) -> None:
    (top,) = net_of(python("PhaseLayer"), phase=phase).forward(data=blob(4, 3, 2)).values()
    assert top.shape == () and top == number


def test_a_loss_of_caffes_examples() -> None:
    inputs = {"name": "other", "type": "Input", "shape": [4, 3, 2]}
    loss = python("EuclideanLossLayer", bottom=["data", "other"], loss_weight=1)
    net = net_of(inputs, loss, force_backward=True, phase="TRAIN")
    a, b = blob(4, 3, 2), blob(4, 3, 2, seed=2)
    np.testing.assert_allclose(net.forward(data=a, other=b)["py"], ((a - b) ** 2).sum() / 8, rtol=1e-6)
    diffs = net.backward()
    for name, sign in (("data", 1), ("other", -1)):
        np.testing.assert_allclose(diffs[name], sign * (a - b) / 4, rtol=1e-5, atol=1e-7)


def test_setup_and_reshape_may_refuse() -> None:
    with pytest.raises(LayerCodeError, match=r"EuclideanLossLayer.setup raised Exception: Need two inputs"):
        net_of(python("EuclideanLossLayer"))
    with pytest.raises(LayerCodeError, match=r"SetupError.setup raised ValueError: I take 12"):
        net_of(python("SetupError", param_str="12"))


@pytest.mark.parametrize("written", [{"factor": 1.5}, '{"factor": 1.5}'])
def test_a_layer_with_fields(written: Any) -> None:
    layer = make_layer("Python", module="own", layer="Bend", param_str=written)
    x, w = blob(2, 3, 4, 5), blob(3)
    result = check_layer(layer, [x], params=[w])
    np.testing.assert_allclose(result.tops[0], 1.5 * np.float32(w)[:, None, None] * np.float32(x) ** 2, rtol=1e-6)
    direct = make_layer("Bend", factor=1.5)
    np.testing.assert_array_equal(forward(direct, x, params=[w])[0], forward(layer, x, params=[w])[0])
    assert layer.macs(((2, 3),), ()) == 7


def test_what_is_not_written_is_nan() -> None:
    (top,) = forward(make_layer("Bend", forget=True), blob(2, 3))
    assert np.isnan(top).all()


def test_random_numbers_by_key() -> None:
    layer, x = make_layer("Noise"), blob(5, 3)
    one, again, other = (run_layer(layer, x, iteration=i).tops[0] for i in (1, 1, 2))
    assert one.tobytes() == again.tobytes() and (one != other).all()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"module": "nowhere"}, "no code file and no plug-in is called 'nowhere'"),
        ({"layer": "SimpleLayers"}, "the module 'caffe_style' has no class 'SimpleLayers'"),
        ({"layer": "Plain"}, "'Plain' derives from no PythonLayer, and lacks a method of pycaffe's"),
        ({"layer": "SimpleLayer", "param_str": {"a": 1}}, "`param_str` must be a text: 'SimpleLayer' is a class in"),
        ({"module": "own", "layer": "Bend", "param_str": "{"}, "`param_str` is no JSON"),
        ({"module": "own", "layer": "Bend", "param_str": "[1]"}, "`param_str` must be a mapping"),
        (
            {"module": "own", "layer": "Bend", "param_str": {"factor": -1.0}},
            "`factor` of Bend: must be greater than 0, not -1.0",
        ),
        ({"module": "own", "layer": "Bend", "param_str": {"factr": 1.0}}, "`factr` of Bend: Extra inputs"),
        ({"module": "own", "layer": "Bend", "param_str": {"name": "x"}}, "`name` stands in `param_str`"),
        ({"module": "own", "layer": "Bend", "bottom": ["data", "data"]}, "Bend takes 1 bottom, not 2"),
        ({"module": "own", "layer": "NoShape"}, "NoShape.top_shapes raised NotImplementedError"),
    ],
)
def test_mistakes(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(NetspecError) as caught:
        net_of({**python("SimpleLayer"), **fields})
    assert text in caught.value.message


def solver(layer: dict[str, Any]) -> dict[str, Any]:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 4, "weight_filler": "xavier"},
        {"name": "bn", "type": "BatchNorm"},
        layer,
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["py", "label"]},
    ]
    source = {"type": "Arrays", "values": [[[0.5, -1.0, 2.0], [1.0, 3.0, -0.5], [0.1, 0.2, 0.7]], [0, 3, 2]]}
    data = {"train": {"source": source, "batch_size": 2}}
    return {"net": {"layers": layers}, "data": data, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 9}


def test_it_trains_and_learns() -> None:
    one = trained(solver(python("Bend", module="own", param_str={"factor": 0.5})), 5)
    learned = weights(one)["py.weight"]
    assert one.iteration == 5 and learned.shape == (4,) and (learned != 2).all()


@pytest.mark.parametrize(
    ("layer", "error"),
    [(python("Interrupted", module="own"), KeyboardInterrupt), (python("BackwardError"), LayerCodeError)],
)
def test_what_interrupts_an_iteration_leaves_all_as_before_it(
    layer: dict[str, Any], error: type[BaseException]
) -> None:
    one = session(solver(layer))
    steps = 2 if error is KeyboardInterrupt else 0
    for _ in range(steps):
        one.step()
    before = weights(one)
    for _ in range(2):
        with pytest.raises(error):
            one.step()
    after = weights(one)
    one.close()
    assert one.iteration == steps
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)


def test_commands(files: Path, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    (files / "net.yaml").write_text(
        "layers:\n  - {name: data, type: Input, shape: [2, 3]}\n"
        "  - {name: bend, type: Python, module: own, layer: Bend, param_str: {factor: 2.0}}\n"
        "  - {name: bad, type: Python, module: caffe_style, layer: ExceptionLayer}\n"
    )
    code, out, err = cli("inspect", "net.yaml", "--code", "own.py", "--code", "caffe_style.py")
    assert code == 0 and "Python" in out and not err
    code, out, err = cli(
        "gradcheck", "net.yaml", "layers.bad.layer=SimpleLayer", "--code", "own.py", "--code", "caffe_style.py"
    )
    assert code == 0 and "bend" in out and "bad" in out, out + err
    code, out, err = cli("time", "net.yaml", "--code", "own.py", "--code", "caffe_style.py", "--iterations", "1")
    assert code == 3 and "net.yaml:4:59" in err and "Traceback" not in err
    with forgotten():
        from netspec.core import code_files

        code_files.LOADED.clear()
        code, out, err = cli("check", "net.yaml")
        assert code == 3 and "no code file and no plug-in is called 'own'" in err and "--code own.py" in err


def test_a_module_of_a_plug_in(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a package offers is imported: no net makes netspec import a module that it names."""
    (files / "offered_tens.py").write_text(CAFFE)
    (files / "offered_broken.py").write_text("raise ValueError('no')")
    monkeypatch.syspath_prepend(files)
    entries = {word: EntryPoint(word, f"offered_{word}", "netspec.modules") for word in ("tens", "broken")}
    entries["number"] = EntryPoint("number", "math:pi", "netspec.modules")
    found = {word: plugins.Offer(word, "package", entry) for word, entry in entries.items()}
    monkeypatch.setattr(plugins, "offers", lambda group, kind: found if group == "netspec.modules" else {})
    (top,) = net_of(python("SimpleLayer", module="tens")).forward(data=np.ones((4, 3, 2))).values()
    assert (top == 10).all()
    for word, text in (("broken", "cannot be imported: ValueError: no"), ("number", "is no module")):
        with pytest.raises(plugins.PluginError, match=text):
            net_of(python("SimpleLayer", module=word))


def test_a_module_on_the_path_is_found_once_the_program_imports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lying_about.py").write_text(CAFFE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(NetspecError, match="no code file and no plug-in is called 'lying_about'"):
        net_of(python("SimpleLayer", module="lying_about"))
    module = ModuleType("lying_about")
    exec(CAFFE, module.__dict__)
    monkeypatch.setitem(sys.modules, "lying_about", module)  # as an import does
    (top,) = net_of(python("SimpleLayer", module="lying_about")).forward(data=np.ones((4, 3, 2))).values()
    assert (top == 10).all()


def test_two_programs_of_a_net_share_no_object() -> None:
    one = net_of(python("CountLayer"))
    other = copy.deepcopy(one)
    counts = [net.forward(data=blob(4, 3, 2))["py"].max() for net in (one, other, one, one, other)]
    assert counts == [1, 1, 2, 3, 2]
