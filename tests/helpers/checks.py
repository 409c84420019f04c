"""A checker for every layer: shapes, derivatives, float32, threads, what is written and what is read.

`check_layer(make_layer("InnerProduct", num_output=3), [blob(2, 5)])` is a layer's test; the truth of its forward pass
(a formula in NumPy, a published number) stands beside it, from `forward` or `run_layer`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from netspec.codegen import driver
from netspec.codegen.kernel import JitKernel
from netspec.core.calls import Call, Routine, Run
from netspec.core.shape import Shape
from netspec.layers.base import LAYERS, Layer

Array = NDArray[Any]
Runner = Callable[[Iterable[Call], str], None]

GUARD = 64
"""Values before and after every array that no kernel may write (reading them is allowed: they are NaN)."""
BESIDE = (3, 6)
"""Channels before and behind a blob that lies inside a wider one."""
SENTINEL = -7
"""What workspaces of whole numbers start as (uint8: 249)."""
SMALL_GRAIN = 3
"""Values in a part when threads are checked: small test arrays are then cut too."""


# --- making layers and blobs


def make_layer(type: str, **fields: Any) -> Layer:
    """A layer as the schema makes it: lists become tuples, the name is the type's unless given."""
    return LAYERS.get(type).model_validate(
        {"name": type.lower(), **{key: _tuples(value) for key, value in fields.items()}}
    )


def _tuples(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_tuples(item) for item in value)
    return {key: _tuples(item) for key, item in value.items()} if isinstance(value, dict) else value


def blob(*shape: int, seed: int = 1, away_from: Sequence[float] = (), gap: float = 0.1, scale: float = 1.0) -> Array:
    """Normal numbers of a shape, none nearer than `gap` to a kink."""
    x = np.random.default_rng(seed).standard_normal(shape) * scale
    for kink in away_from:
        x = np.where(np.abs(x - kink) < gap, kink + np.where(x < kink, -1.0, 1.0) * (gap + np.abs(x - kink)), x)
    return x


def distinct(*shape: int, seed: int = 1, step: float = 0.1) -> Array:
    """Numbers around 0 in random order, every two at least `step` apart: no ties for maxima."""
    count = int(np.prod(shape))
    return (np.random.default_rng(seed).permutation(count).reshape(shape) - count / 2 + 0.25) * step


def labels(*shape: int, classes: int, seed: int = 1) -> Array:
    """Random classes as real numbers, which is how a net holds labels."""
    return np.random.default_rng(seed).integers(0, classes, shape).astype(np.float64)


@st.composite
def blobs_away_from(draw: Any, *kinks: float, gap: float = 0.1, least: int = 1, most: int = 4) -> Array:
    """Hypothesis: blobs of any number of axes, no two axes equally long, no value nearer than `gap` to a kink."""
    shape = draw(st.lists(st.integers(1, 6), min_size=least, max_size=most, unique=True))
    return blob(*shape, seed=draw(st.integers(0, 2**16)), away_from=kinks, gap=gap)


# --- running a layer by hand


@dataclass(frozen=True)
class Result:
    """What a layer wrote."""

    tops: list[Array]
    bottom_diffs: list[Array | None]
    param_diffs: list[Array | None]
    params: list[Array]
    bottoms: list[Array]
    top_diffs: list[Array]
    workspace: dict[str, Array]
    states: dict[str, Array] = field(default_factory=dict)


class _Guarded:
    """Arrays with forbidden ground on both sides."""

    def __init__(self) -> None:
        self.buffers: list[tuple[str, Array, Array]] = []
        self.beside: list[tuple[str, Array]] = []

    def array(self, what: str, shape: Shape, dtype: str, inside: bool = False) -> Array:
        """With `inside` it is part of an array with a longer last axis."""
        left, right = BESIDE if inside else (0, 0)
        whole = (*shape[:-1], left + shape[-1] + right) if inside else shape
        size = int(np.prod(whole, dtype=np.int64))
        buffer = np.full(size + 2 * GUARD, _start(dtype), dtype)
        self.buffers.append((what, buffer, buffer.copy()))
        result = buffer[GUARD : GUARD + size].reshape(whole)
        if not inside:
            return result
        for side in (slice(0, left), slice(left + shape[-1], None)):
            self.beside.append((what, result[..., side]))
        return result[..., left : left + shape[-1]]

    def copy(self, what: str, value: Array, dtype: str, inside: bool = False) -> Array:
        result = self.array(what, value.shape, dtype, inside)
        result[...] = value
        return result

    def check(self, doing: str) -> None:
        for what, buffer, before in self.buffers:
            for side in (slice(0, GUARD), slice(-GUARD, None)):
                assert buffer[side].tobytes() == before[side].tobytes(), f"{doing} writes outside {what}"
        for what, array in self.beside:
            assert np.isnan(array).all(), f"{doing} writes beside {what}"


def run_reversed(calls: Iterable[Call], dtype: str) -> None:
    """Like `driver.run`, on one thread, the last part of each call first: parts may not depend on each other."""
    for call in calls:
        kernel = call.kernel
        if isinstance(kernel, Routine):
            kernel.function(*call.args)
            continue
        assert isinstance(kernel, JitKernel)
        parts = call.parts or kernel.parts(call.args)
        words, alive = kernel.describe(call.args, parts, dtype)
        descriptor = np.array(words, np.int64)
        function = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(kernel.address(dtype))
        for part in reversed(range(parts)):
            function(descriptor.ctypes.data, part)
        del alive


def random_params(layer: Layer, bottoms: Sequence[Array], seed: int = 5) -> list[Array]:
    """Normal numbers for learned params, positive ones for stored params (statistics)."""
    rng = np.random.default_rng(seed)
    shapes = layer.param_shapes(tuple(b.shape for b in bottoms))
    return [
        rng.standard_normal(shape) if param.learned else rng.uniform(0.5, 1.5, shape)
        for param, shape in zip(layer.params(), shapes, strict=True)
    ]


def run_layer(
    layer: Layer,
    *bottoms: Array,
    phase: str = "TRAIN",
    params: Sequence[Array] | None = None,
    top_diffs: Sequence[Array] | None = None,
    wanted: Iterable[int] | None = None,
    frozen: Iterable[int] = (),
    param_diffs: Sequence[Array] | None = None,
    dtype: str = "float64",
    iteration: int = 0,
    seed: int = 11,
    runner: Runner = driver.run,
    hide_undeclared: bool = False,
    layout: str | None = None,
    relu: bool = False,
    store: bool = False,
    inside: bool = False,
    within: bool = False,
    bottom_starts: Sequence[Array] | None = None,
    states: Mapping[str, Array] | None = None,
) -> Result:
    """Run forward, and backward when `top_diffs` are given, on arrays made from the layer's declarations.

    Everything starts as NaN, param diffs as `param_diffs` (default 0). `wanted` says which bottoms get a diff (default:
    all that can), `frozen` which params get none. `hide_undeclared` lets backward see NaN in place of the data it does
    not declare to read. Blobs of four axes lie as `layout` says (default: what the layer likes best); what goes in and
    comes out is N, C, H, W all the same. `relu` asks the layer to rectify its top, `store` to overwrite its params'
    diffs; to `bottom_starts` it adds its bottoms' diffs. With `inside` the first top and its diff lie inside wider
    blobs, with `within` the first bottom and its diff. `states` are what a batch before left: 0 where not given.
    """
    guard = _Guarded()
    shapes = tuple(np.shape(b) for b in bottoms)
    values = random_params(layer, bottoms) if params is None else list(params)
    aliased = layer.aliases(phase)  # type: ignore[arg-type]
    top_shapes = layer.top_shapes(shapes)
    layout = layer.abilities.layouts[0] if layout is None else layout
    turned = layout == "NHWC"
    bottom = tuple(
        guard.copy(f"bottom {i}", _lay(np.asarray(b), turned), dtype, within and i == 0) for i, b in enumerate(bottoms)
    )
    assert len(top_shapes) == len(layer.top_names()), (
        f"top_shapes gives {len(top_shapes)} shapes for {len(layer.top_names())} tops"
    )
    top = [
        guard.array(f"top {i}", _laid(shape, turned), dtype, inside and i == 0) for i, shape in enumerate(top_shapes)
    ]
    if aliased:
        top = [bottom[0].reshape(_laid(shape, turned)) for shape in top_shapes]
    param = tuple(guard.copy(f"param {i}", np.asarray(p), dtype) for i, p in enumerate(values))
    assert tuple(p.shape for p in param) == layer.param_shapes(shapes), "params do not have their declared shapes"
    declared = layer.workspaces(shapes, backward=phase == "TRAIN")
    space = {
        name: guard.array(f"workspace '{name}'", w.shape, dtype if w.kind == "real" else w.kind)
        for name, w in declared.items()
    }
    clock = np.array([iteration, 0], np.int64)
    more: dict[str, Any] = {
        "layout": layout,
        "bottom_shapes": shapes,
        "top_shapes": top_shapes,
        "along": {"ReLU": None} if relu else {},
        "objects": {},
    }
    begun = {name: np.zeros(shape) for name, shape in layer.states(shapes).items()} | dict(states or {})
    state = more["state"] = {name: guard.copy(f"state '{name}'", value, dtype) for name, value in begun.items()}
    more |= {"bottom_add": (bottom_starts is not None,) * len(bottom), "param_add": (not store,) * len(param)}
    run = Run(
        phase, bottom, tuple(top), (None,) * len(bottom), (), param, (None,) * len(param), clock, seed, space, **more
    )
    if not aliased:
        runner(layer.forward(run), dtype)
    guard.check("forward")
    for i, (given, now) in enumerate(zip(bottoms, bottom, strict=True)):
        assert np.array_equal(now, _lay(np.asarray(given), turned).astype(dtype), equal_nan=True), (
            f"forward changes bottom {i}"
        )
    for i, (p, given) in enumerate(zip(layer.params(), values, strict=True)):
        assert not p.learned or np.array_equal(param[i], np.asarray(given).astype(dtype)), (
            f"forward changes param '{p.name}'"
        )
    if top_diffs is None:
        return Result(
            _unlay(top, turned),
            [None] * len(bottom),
            [None] * len(param),
            list(param),
            _unlay(bottom, turned),
            [],
            space,
            state,
        )

    for name, w in declared.items():
        if not (w.kept or w.score):
            space[name][...] = _start(space[name].dtype)
    able = set(range(len(bottom))) - layer.without_diff(len(bottom))
    chosen = able if wanted is None else set(wanted)
    top_diff = [
        guard.copy(f"top diff {i}", _lay(np.asarray(d), turned), dtype, inside and i == 0)
        for i, d in enumerate(top_diffs)
    ]
    bottom_diff = [
        guard.array(f"bottom diff {i}", _laid(s, turned), dtype, within and i == 0) if i in chosen else None
        for i, s in enumerate(shapes)
    ]
    for diff, began in zip(bottom_diff, bottom_starts or (), strict=False):
        if diff is not None:
            diff[...] = _lay(np.asarray(began), turned)
    if aliased and 0 in chosen:
        bottom_diff[0] = sum(
            d.reshape(_laid(shapes[0], turned)) for d in top_diff
        )  # the program adds what the tops' readers write
    starts = [np.full(p.shape, np.nan if store else 0.0) for p in param] if param_diffs is None else list(param_diffs)
    learned = [p.learned and i not in set(frozen) for i, p in enumerate(layer.params())]
    param_diff = [
        guard.copy(f"param diff {i}", d, dtype) if yes else None
        for i, (d, yes) in enumerate(zip(starts, learned, strict=True))
    ]
    reads = layer.abilities.reads | ({"top"} if relu else set())
    hidden = {what for what in ("bottom", "top") if hide_undeclared and what not in reads}
    seen_bottom = (
        tuple(guard.array(f"bottom {i}", b.shape, dtype) for i, b in enumerate(bottom))
        if "bottom" in hidden
        else bottom
    )
    seen_top = (
        tuple(guard.array(f"top {i}", t.shape, dtype) for i, t in enumerate(top)) if "top" in hidden else tuple(top)
    )
    masked = aliased or relu  # then the top's diff may change
    before = [a.copy() for a in (*seen_bottom, *seen_top, *param)] + ([] if masked else [d.copy() for d in top_diff])
    run = Run(
        phase,
        seen_bottom,
        seen_top,
        tuple(bottom_diff),
        tuple(top_diff),
        param,
        tuple(param_diff),
        clock,
        seed,
        space,
        **more,
    )
    if not aliased:
        runner(layer.backward(run), dtype)
    guard.check("backward")
    after = [*seen_bottom, *seen_top, *param] + ([] if masked else top_diff)
    for a, b in zip(before, after, strict=True):
        assert a.tobytes() == b.tobytes(), "backward changes a bottom, top, param or top diff"
    results = (_unlay(top, turned), _unlay(bottom_diff, turned), list(param_diff), list(param), _unlay(bottom, turned))
    return Result(*results, _unlay(top_diff, turned), space, state)


def _laid(shape: Shape, turned: bool) -> Shape:
    """The shape of a blob as it lies in memory."""
    return (shape[0], shape[2], shape[3], shape[1]) if turned and len(shape) == 4 else shape


def _lay(value: Array, turned: bool) -> Array:
    """N, C, H, W as it lies in memory."""
    return value.transpose(0, 2, 3, 1) if turned and value.ndim == 4 else value


def _unlay(values: Iterable[Any], turned: bool) -> list[Any]:
    """Blobs as they lie in memory, as N, C, H, W."""
    return [v.transpose(0, 3, 1, 2) if turned and v is not None and v.ndim == 4 else v for v in values]


def _start(dtype: Any) -> Any:
    """What arrays of a kind start as: NaN, or a number that nothing computes."""
    return np.nan if np.dtype(dtype).kind == "f" else np.array(SENTINEL).astype(dtype)


def forward(
    layer: Layer, *bottoms: Array, phase: str = "TRAIN", params: Sequence[Array] | None = None, **options: Any
) -> list[Array]:
    """The tops of a layer, in float64 unless `dtype` says otherwise."""
    return run_layer(layer, *bottoms, phase=phase, params=params, **options).tops


# --- the checker


def check_layer(
    layer: Layer,
    bottoms: Sequence[Array],
    *,
    phase: str = "TRAIN",
    params: Sequence[Array] | None = None,
    wanted: Iterable[int] | None = None,
    backward: bool = True,
    rtol: float = 1e-6,
    step: float = 1e-5,
    float32: bool = True,
    rtol32: float = 1e-4,
    seed: int = 3,
) -> Result:
    """Check all that holds for every layer; returns the float64 run.

    Bottoms and params: float64; params random if None.

    Stay away from kinks and ties by construction (`blob(..., away_from=[0])`, `distinct`): values move by up to 3 *
    `step`. `backward=False` checks the forward pass only, as for layers without a gradient.
    """
    rng = np.random.default_rng(seed)
    bottoms = [np.asarray(b, np.float64).astype(np.float32).astype(np.float64) for b in bottoms]
    values = [
        np.asarray(p).astype(np.float32).astype(np.float64)
        for p in (random_params(layer, bottoms) if params is None else params)
    ]
    able = set(range(len(bottoms))) - layer.without_diff(len(bottoms))
    chosen = sorted(able if wanted is None else set(wanted))
    shapes = layer.top_shapes(tuple(b.shape for b in bottoms))
    backward = backward and layer.differentiable
    v = [rng.uniform(0.5, 1.5, shape).astype(np.float32).astype(np.float64) for shape in shapes]
    if layer.is_loss:
        v[1:] = [np.zeros(shape) for shape in shapes[1:]]
    start = [rng.standard_normal(p.shape) for p in values]
    options: dict[str, Any] = {"phase": phase, "params": values}
    if backward:
        options |= {"top_diffs": v, "wanted": chosen}

    def run(**changes: Any) -> Result:
        return run_layer(layer, *bottoms, **(options | changes))

    result = run()
    _check_written(result, layer)
    _check_declared(result, layer, phase)
    for layout in layer.abilities.layouts[1:]:
        _check_close(run(layout=layout), result, 1e-12, f"the layouts {layer.abilities.layouts[0]} and {layout} differ")
    _check_parts(run, result, start)
    if float32:
        _check_close(run(dtype="float32"), result, rtol32, "float32 differs from float64")
    if backward:
        _check_derivatives(layer, bottoms, values, chosen, v, result, phase, rng, rtol, step)
        _check_accumulation(run(param_diffs=start), result, start)
        _check_unwanted(run, result, chosen)
        for layout in layer.abilities.layouts:
            _check_rewrites(run, result, layer, layout, rng)
        if not layer.aliases(phase):  # type: ignore[arg-type]
            _check_close(
                run(hide_undeclared=True), result, 1e-12, f"backward reads more than {sorted(layer.abilities.reads)}"
            )
    return result


def _check_written(result: Result, layer: Layer) -> None:
    for what, arrays in (
        ("top", result.tops),
        ("bottom diff", result.bottom_diffs),
        ("param diff", result.param_diffs),
    ):
        for i, a in enumerate(arrays):
            if a is not None:
                missing = np.argwhere(np.isnan(a))
                assert not len(missing), (
                    f"{layer.type}: {what} {i} {a.shape} is NaN or not written at {tuple(map(int, missing[0]))}"
                )


def _check_declared(result: Result, layer: Layer, phase: str) -> None:
    """The layer as a function that moves arrays, and its metric over a single batch, give its tops."""
    move = layer.moves(phase)  # type: ignore[arg-type]
    if move is not None:
        for moved, top in zip(move(tuple(result.bottoms)), result.tops, strict=True):
            np.testing.assert_array_equal(moved, top, err_msg="the layer does not only move values as it says")
    metric = layer.metric(tuple(b.shape for b in result.bottoms))
    if metric is not None:
        finished = metric.finish(metric.statistics(result.workspace[metric.space]))
        for value, top in zip(finished, result.tops, strict=False):
            np.testing.assert_allclose(value, top, rtol=1e-12, err_msg="the metric of a batch is not its score")


def _check_parts(run: Callable[..., Result], whole: Result, start: list[Array]) -> None:
    """Small parts give the same as large ones, and the same bits on any number of threads and in any order."""
    with mock.patch("netspec.codegen.kernel.GRAIN", SMALL_GRAIN):
        try:
            driver.limit_threads(1)
            one = run(param_diffs=start)
            driver.limit_threads(2)
            two = run(param_diffs=start)
        finally:
            driver.limit_threads(None)
        back = run(param_diffs=start, runner=run_reversed)
        _check_close(run(), whole, 1e-12, "the result depends on the number of parts")
    for other, why in ((two, "threads: 1 and 2 differ"), (back, "the parts of a call depend on each other")):
        for (what, a), (_, b) in zip(_outputs(one), _outputs(other), strict=True):
            assert a.tobytes() == b.tobytes(), f"{what}: {why}"


def _outputs(result: Result) -> list[tuple[str, Array]]:
    groups = (
        ("top", result.tops),
        ("bottom diff", result.bottom_diffs),
        ("param diff", result.param_diffs),
        ("param", result.params),
        ("state", result.states.values()),
    )
    return [(f"{what} {i}", a) for what, arrays in groups for i, a in enumerate(arrays) if a is not None]


def _check_close(result: Result, wanted: Result, rtol: float, why: str) -> None:
    expected = dict(_outputs(wanted))
    for what, a in _outputs(result):
        b = expected[what]
        scale = float(np.max(np.abs(b), initial=0.0))
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(scale, 1e-12), err_msg=f"{what}: {why}")


def _check_derivatives(
    layer: Layer,
    bottoms: list[Array],
    params: list[Array],
    chosen: list[int],
    v: list[Array],
    result: Result,
    phase: str,
    rng: np.random.Generator,
    rtol: float,
    step: float,
) -> None:
    """The slope of sum(top * v) along a random direction, by central differences."""

    def objective(changed_bottoms: list[Array], changed_params: list[Array]) -> float:
        tops = run_layer(layer, *changed_bottoms, phase=phase, params=changed_params).tops
        return float(sum((t * d).sum() for t, d in zip(tops, v, strict=True)))

    def compare(what: str, values: list[Array], i: int, diff: Array, at: Callable[[list[Array]], float]) -> None:
        u = rng.uniform(0.5, 1.5, diff.shape) * rng.choice([-1.0, 1.0], diff.shape)
        moved = [
            [value + sign * step * u if j == i else value for j, value in enumerate(values)] for sign in (1.0, -1.0)
        ]
        high, low = at(moved[0]), at(moved[1])
        numeric, analytic = (high - low) / (2 * step), float((diff * u).sum())
        scale = max(abs(numeric), abs(analytic), float(np.sqrt(((diff * u) ** 2).sum())))
        noise = 1e-15 * max(abs(high), abs(low)) * 10 / step
        message = (
            f"{layer.type}: the gradient of {what} is {analytic:.10g} along a random direction, "
            f"finite differences say {numeric:.10g}"
        )
        assert abs(numeric - analytic) <= rtol * scale + noise + 1e-10, message

    for i in chosen:
        diff = result.bottom_diffs[i]
        assert diff is not None
        compare(f"bottom {i}", bottoms, i, diff, lambda changed: objective(changed, params))
    for i, param_diff in enumerate(result.param_diffs):
        if param_diff is not None:
            compare(
                f"param '{layer.params()[i].name}'", params, i, param_diff, lambda changed: objective(bottoms, changed)
            )


def _check_accumulation(result: Result, fresh: Result, start: list[Array]) -> None:
    for i, (a, b) in enumerate(zip(result.param_diffs, fresh.param_diffs, strict=True)):
        if a is not None and b is not None:
            scale = float(np.abs(b).max() + np.abs(start[i]).max())
            np.testing.assert_allclose(
                a, start[i] + b, rtol=1e-12, atol=1e-12 * scale, err_msg=f"param diff {i} is not added to"
            )


def _check_rewrites(
    run: Callable[..., Result], result: Result, layer: Layer, layout: str, rng: np.random.Generator
) -> None:
    """Check what rewrites may ask for: to overwrite params' diffs, to add to bottoms' diffs, to rectify the top."""
    if layer.abilities.stores:
        _check_close(run(store=True, layout=layout), result, 1e-12, "changes when params' diffs are overwritten")
    inner = layout == "NHWC" and layer.reads_pitched(tuple(b.shape for b in result.bottoms))
    for within in (False, True)[: (1 + inner) * layer.abilities.adds]:
        starts = [rng.standard_normal(b.shape) for b in result.bottoms]
        added = run(bottom_starts=starts, layout=layout, within=within)
        for i, (a, b) in enumerate(zip(added.bottom_diffs, result.bottom_diffs, strict=True)):
            if a is not None and b is not None:
                np.testing.assert_allclose(
                    a, starts[i] + b, rtol=1e-12, atol=1e-12 * np.abs(b).max(), err_msg=f"bottom diff {i}: not added"
                )
    if "ReLU" in layer.abilities.along:
        mask = result.tops[0] > 0
        rectified = run(relu=True, layout=layout, hide_undeclared=True)
        np.testing.assert_allclose(
            rectified.tops[0], np.where(mask, result.tops[0], 0), rtol=1e-12, err_msg="the top is not rectified"
        )
        masked = run(top_diffs=[result.top_diffs[0] * mask], layout=layout)
        _check_close(
            rectified,
            replace(masked, tops=rectified.tops),
            1e-12,
            "the top's diff is not masked where the top is not positive",
        )
    if inner:
        _check_close(run(within=True, layout=layout), result, 1e-12, "changes when the bottom lies in a wider blob")
    if layout == "NHWC" and layer.pitched(tuple(b.shape for b in result.bottoms)):
        _check_close(run(inside=True, layout=layout), result, 1e-12, "changes when the top lies inside a wider blob")
        if "ReLU" in layer.abilities.along:
            apart = run(inside=True, relu=True, layout=layout)
            _check_close(apart, rectified, 1e-12, "changes when the top that it rectifies lies inside a wider blob")


def _check_unwanted(run: Callable[..., Result], result: Result, chosen: list[int]) -> None:
    """Each wanted diff comes out the same when it is the only one wanted."""
    learned = [i for i, d in enumerate(result.param_diffs) if d is not None]
    for only in ([], *([i] for i in chosen)):
        _check_close(
            run(wanted=only, frozen=learned), result, 1e-12, f"changes when only the diffs of bottoms {only} are wanted"
        )
    for param in learned:
        others = [i for i in learned if i != param]
        _check_close(
            run(wanted=[], frozen=others), result, 1e-12, f"changes when only the diff of param {param} is wanted"
        )
