"""Tables of the race, made from files: merging, means, targets, CPUs side by side. Needs no torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import in_keras, modes, results, tables
from benchmarks.clock import Times, alternate, figures, milliseconds, missed
from benchmarks.nets import ENTRIES, training

FACTS = {
    "cpu": "A CPU (model 1)", "cores": 4, "threads": 2, "lanes": 16, "peak_gflops": 200.0, "load": 0.5,
    "system": "Linux", "versions": {"torch": "2.13.0"}, "date": "1 May 2026",
}  # fmt: skip


def row(net: str, eager: float, channels_last: float = 1.5, **more: Any) -> dict[str, Any]:
    return {"net": net, "batch": 8, "over_eager": eager, "over_channels_last": channels_last, **more}


def test_the_page_has_the_tables_of_the_files() -> None:
    page = tables.README.read_text()
    assert results.page(page, results.stored()) == page


def test_the_mean_is_geometric_and_over_the_counted_nets() -> None:
    found = results.mean([row("mlp", 2.0, 1.0), row("lenet", 8.0, 4.0), row("squeezenet", 100.0), {"net": "vgg16"}])
    assert (found["nets"], found["eager"], found["channels_last"]) == (2, pytest.approx(4.0), pytest.approx(2.0))
    assert not found["missed"]  # two nets say nothing about the mean of all
    assert results.mean([row("squeezenet", 3.0)]) == {}


@pytest.mark.parametrize(("ratio", "short"), [(2.49, True), (2.51, False)])
def test_the_mean_has_a_target(ratio: float, short: bool) -> None:
    assert len(results.counted()) == 10
    assert results.mean(row(net, ratio) for net in results.counted())["missed"] is short


def test_a_net_raced_again_replaces_its_row_alone() -> None:
    first = results.merged(None, FACTS, [row("lenet", 2.0), row("mlp", 1.23456789, quartiles=(1.23456789, 2.0))])
    assert [each["net"] for each in first["rows"]] == ["mlp", "lenet"]  # in the order of the nets
    assert first["rows"][0]["quartiles"] == [1.23457, 2.0]
    later = {**FACTS, "date": "2 May 2026", "versions": {"torch": "2.14.0"}, "load": 0.25}
    second = results.merged(json.loads(json.dumps(first)), later, [row("lenet", 3.0)])
    assert [(each["net"], each["over_eager"], each["date"]) for each in second["rows"]] == [
        ("mlp", 1.23457, "1 May 2026"),
        ("lenet", 3.0, "2 May 2026"),
    ]
    said = results.sentence(second)
    assert "torch 2.14.0, 2 May 2026. Of 1 May 2026: mlp." in said


def test_layers_alone_are_kept_by_their_case() -> None:
    first = results.merged(None, FACTS, [{"case": "gelu", "ratio": 2.0}, {"case": "arg max", "ratio": 1.0}])
    second = results.merged(first, {**FACTS, "date": "2 May 2026"}, [{"case": "gelu", "ratio": 3.0}])
    assert [(each["case"], each["ratio"]) for each in second["rows"]] == [("arg max", 1.0), ("gelu", 3.0)]
    assert "Of 1 May 2026: arg max." in results.sentence(second)


def test_rows_are_kept_by_kind_of_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "README.md"
    page.write_text("".join(f"<!-- {mode.name}: begin -->\nold\n<!-- {mode.name}: end -->\n" for mode in modes.WRITTEN))
    monkeypatch.setattr(tables, "README", page)
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    results.keep(modes.RACE, FACTS, [row("lenet", 2.0, note="Keras is not raced: none")])
    results.keep(modes.RACE, {**FACTS, "cpu": "B"}, [row("lenet", 3.0, 1.25), row("mlp", 4.0)])
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == [
        "a_cpu_model_1_2_threads.json",
        "b_2_threads.json",
    ]
    written = page.read_text()
    beside = written.split("<!-- race: begin -->\n")[1].split("\n\n")[0].splitlines()
    assert beside[0].startswith("| net | batch | A CPU (model 1): x torch | A CPU (model 1): x ch. last |")
    assert beside[2:] == ["| mlp | 8 |  |  |  | 4.00 | 1.50 |  |", "| lenet | 8 | 2.00 | 1.50 |  | 3.00 | 1.25 |  |"]
    assert "lenet: Keras is not raced: none." in written
    assert written.count("\nold\n") == len(modes.WRITTEN) - 1  # no file has the other modes


def test_one_cpu_stands_beside_none() -> None:
    record = results.merged(None, FACTS, [row("lenet", 2.0)])
    assert "A CPU (model 1):" not in results.section(modes.RACE, [record])


def test_what_is_missed() -> None:
    wanted = ENTRIES["lenet"].speeds
    assert wanted == {"eager": 2.6, "channels_last": 2.3, "keras": 1.3} and ENTRIES["lenet"].wanted == "2.6 / 2.3 / 1.3"
    assert missed({"over_eager": 2.6, "over_channels_last": 2.2, "over_keras": 1.2}, wanted) == "ch. last, Keras"
    assert not missed({"over_eager": 2.6, "over_channels_last": 2.3}, wanted)  # Keras was not raced
    assert ENTRIES["vgg16"].wanted == "3.5 / 2.9"


def test_ratios_are_beside_every_peer() -> None:
    times = {"netspec": Times((2.0, 1.0, 3.0)), "eager": Times((6.0,)), "keras": Times((3.0,))}
    found = figures(times, 4, 2_000_000, 100.0, lambda steps: sorted(steps)[len(steps) // 2])
    assert (found["over_eager"], found["over_keras"], found["over_best"]) == (3.0, 1.5, 1.5)
    assert found["over_best_fastest"] == 3.0
    assert (found["images"], found["gflops"], found["share"]) == (2000.0, 1.0, 0.01)


def test_a_rival_may_bring_its_own_clock() -> None:
    assert milliseconds(lambda: 1234.5) == 1234.5
    assert milliseconds(lambda: None) < 1000
    assert alternate({"far": lambda: 500.0}, seconds=0, rounds=1)["far"].steps[0] == 500.0


def test_a_net_is_described_to_keras() -> None:
    described = {layer["top"]: layer for layer in in_keras.describe(training("resnet20", 2))}
    makes = [layer["make"] for layer in described.values()]
    assert makes.count("Conv2D") == 19 and makes.count("ZeroPadding2D") == 2 and makes.count("pick") == 2
    assert makes[-3:] == ["GlobalAveragePooling2D", "Flatten", "Dense"]
    pools = [layer["settings"] for layer in in_keras.describe(training("cifar10_quick", 2)) if "Pool" in layer["make"]]
    assert [(pool["pool_size"], pool["padding"]) for pool in pools] == [([3, 3], "same")] * 3
    with pytest.raises(in_keras.NotRacedError, match="LRN"):
        in_keras.describe(training("alexnet", 1))


def test_weights_go_to_keras_and_back() -> None:
    shaped = training("lenet", 2)
    random = np.random.default_rng(0)
    weights = [random.normal(size=shape).astype(np.float32) for shape in shaped.params]
    there = in_keras.to_keras(shaped, weights)
    filters, product = (
        next(node for node in shaped.graph.nodes if node.layer.name == name) for name in ("conv2", "ip1")
    )
    w, v = weights[filters.params[0]], there[f"{filters.tops[0]}.0"]
    assert v.shape == (5, 5, 20, 50) and v[1, 2, 3, 4] == w[4, 3, 1, 2]
    w, v = weights[product.params[0]], there[f"{product.tops[0]}.0"]
    assert v.shape == (800, 500) and v[(1 * 4 + 2) * 50 + 3, 7] == w[7, (3 * 4 + 1) * 4 + 2]
    for back, weight in zip(in_keras.from_keras(shaped, there), weights, strict=True):
        np.testing.assert_array_equal(back, weight)


def test_a_python_without_keras_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(in_keras.NotRacedError, match="No such file"):
        in_keras.KerasStepper(str(tmp_path / "python"), 2)
