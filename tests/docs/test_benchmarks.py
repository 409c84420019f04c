"""The benchmarks run: a passing and a failing check, each table, the peak. Figures are not judged. Needs torch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmarks import accuracy_winograd, check, race, tables
from benchmarks.alone import __main__ as alone
from benchmarks.nets import deployed, flops, random_batch, training, undropped
from benchmarks.peak import peak
from netspec.codegen import driver


@pytest.fixture(autouse=True)
def _all_threads() -> Iterator[None]:
    yield
    driver.limit_threads(None)


def raced(path: Path, *words: str) -> list[dict[str, object]]:
    race.main([*words, "--rounds=1", "--json", str(path / "race.json")])
    said = json.loads((path / "race.json").read_text())
    assert said["machine"]["threads"] == 2
    assert said["machine"]["peak_gflops"] > 0
    return said["rows"]


def test_both_sides_compute_the_same() -> None:
    shaped = training("cifar10_quick", 3)
    sides = check.check_training(shaped, random_batch(shaped)).sides
    assert set(sides) == {"netspec", "torch"}
    assert all(side.gradient < check.GRADIENT_BOUND for side in sides.values())


def test_a_net_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = raced(tmp_path, "lenet")
    assert row["net"] == "lenet"
    assert row["over_eager"] == pytest.approx(row["eager"] / row["netspec"])  # type: ignore[operator]
    assert "lenet" in capsys.readouterr().out


def test_a_net_that_fails_the_check_is_not_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "LOSS_BOUND", -1.0)
    (row,) = raced(tmp_path, "lenet")
    assert row["missed"] == "the check"
    assert "netspec" not in row


def test_a_net_that_breaks_does_not_end_the_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = training

    def broken(net: str, batch: int) -> object:
        if net == "lenet":
            raise RuntimeError("it broke")
        return whole(net, batch)

    monkeypatch.setattr(race.training, "training", broken)
    first, second = raced(tmp_path, "lenet", "mlp")
    assert (first["missed"], first["refused"]) == ("failed", "RuntimeError: it broke")
    assert second["net"] == "mlp" and "netspec" in second


@pytest.mark.parametrize(("words", "count"), [(["lenet", "--inference"], 2), (["--layers", "lenet", "--fastest"], 8)])
def test_other_tables(tmp_path: Path, words: list[str], count: int) -> None:
    rows = raced(tmp_path, *words)
    assert len(rows) >= count
    assert all("netspec" in row or "netspec_forward" in row for row in rows)


@pytest.mark.parametrize("name", ["layer norm 32x128x256", "softmax loss with weights"])
def test_a_layer_alone_beside_torch_or_numpy(name: str) -> None:
    row = alone.measure(name, alone.CASES[name], turns=1)
    assert row["ratio"] > 0 and row["backward"] > 0
    assert ("numpy" in row) is (alone.CASES[name].torch is None)


@pytest.mark.long
@pytest.mark.parametrize(("words", "count"), [(["lenet", "--memory"], 1), (["lenet", "--scaling"], 6)])
def test_slow_tables(tmp_path: Path, words: list[str], count: int) -> None:
    rows = raced(tmp_path, *words)
    assert len(rows) == count
    assert all(row["netspec"] > 0 for row in rows)  # type: ignore[operator]


def test_work_is_counted() -> None:
    shaped = training("mlp", 2)
    first, second, third = flops(shaped).values()
    assert first == (2 * 2 * 784 * 500, 2 * 2 * 784 * 500)  # nobody wants the gradient of the data
    assert second == (2 * 2 * 500 * 300, 2 * 2 * 2 * 500 * 300)
    assert third == (2 * 2 * 300 * 10, 2 * 2 * 2 * 300 * 10)


def test_nets_as_they_are_raced() -> None:
    assert {node.layer.type for node in deployed("lenet", 1).graph.nodes}.isdisjoint({"Accuracy", "SoftmaxWithLoss"})
    dropouts = [node.layer for node in undropped(training("alexnet", 1)).graph.nodes if node.layer.type == "Dropout"]
    assert [layer.dropout_ratio for layer in dropouts] == [0, 0]  # type: ignore[attr-defined]


def test_a_table_is_written_between_its_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "README.md"
    page.write_text("before\n<!-- race: begin -->\nold\n<!-- race: end -->\nafter\n")
    monkeypatch.setattr(tables, "README", page)
    columns = (tables.Column("net", "net"), tables.Column("ms", "ms", ".1f"))
    tables.write("race", "A machine.", columns, [{"net": "lenet", "ms": 1.25}, {"net": "mlp"}])
    table = "| net | ms |\n|---|---:|\n| lenet | 1.2 |\n| mlp |  |"
    assert page.read_text() == f"before\n<!-- race: begin -->\nA machine.\n\n{table}\n<!-- race: end -->\nafter\n"
    with pytest.raises(SystemExit, match="no place"):
        tables.write("memory", "A machine.", columns, [])


def test_errors_of_convolutions() -> None:
    row = accuracy_winograd.row(accuracy_winograd.Case(2, 16, 8, 16, 3, pad=1))
    assert all(row[f"{way} {part}"] < 1e-5 for way in accuracy_winograd.WAYS for part in accuracy_winograd.PARTS)
    assert row["auto"] in accuracy_winograd.ENGINES


def test_peak() -> None:
    assert peak(1, tries=1) > 0
