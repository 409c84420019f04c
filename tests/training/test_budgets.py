"""Budgets of time and memory: the run ends with a snapshot and exit code 8, and goes on where the budget is raised."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from netspec.core.errors import NetspecError
from netspec.language.document import dump
from netspec.training import budgets, runs
from netspec.training.amounts import Bytes, Seconds
from netspec.training.events import Finished
from netspec.training.job import load_solver
from tests.helpers.runs import rows

Make = Callable[..., dict[str, Any]]
Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("8h", 28800),
        ("90m", 5400),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        (60, 60),
        (0.5, 0.5),
    ],
)
def test_times(written: Any, seconds: float) -> None:
    assert TypeAdapter(Seconds).validate_python(written) == seconds


@pytest.mark.parametrize(
    ("written", "size"), [("4 GiB", 2**32), ("4GiB", 2**32), ("500 MB", 500_000_000), ("1.5 KiB", 1536), (77, 77)]
)
def test_sizes(written: Any, size: int) -> None:
    assert TypeAdapter(Bytes).validate_python(written) == size


@pytest.mark.parametrize(
    "written", ["", "8", "h", "8 hours", "-1h", 0, -1, True, None, "0m", "4 Gi", "4", "0 GiB", "٣h", "٣ GiB"]
)
def test_what_is_neither_a_time_nor_a_size(written: Any) -> None:
    for kind in (Seconds, Bytes):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(written)


@pytest.mark.parametrize("field", ["max_time", "clip_gradients", "base_lr"])
def test_a_whole_number_that_no_float_holds(solver: Make, field: str) -> None:
    with pytest.raises(NetspecError, match="a number of more than 40 digits"):
        load_solver(solver(**{field: 10**400}))


def test_a_budget_is_used_up(solver: Make) -> None:
    spec = load_solver(solver(max_time="1m", max_rss=1)).spec
    seconds = [0.0]
    assert budgets.Budgets(spec, lambda: seconds[0]).used_up() == "max_rss"
    seconds[0] = 60.0
    assert budgets.Budgets(spec, lambda: seconds[0]).used_up() == "max_time"
    free = load_solver(solver(max_rss="9999 TiB")).spec
    assert budgets.Budgets(free, lambda: seconds[0]).used_up() is None


def test_the_memory_is_looked_at_now_and_then(solver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    class Process:
        def memory_info(self) -> Any:
            looks.append(1)
            return type("Memory", (), {"rss": 1})

    monkeypatch.setattr("psutil.Process", Process)
    one = budgets.Budgets(load_solver(solver(max_rss=2)).spec, lambda: 0.0)
    assert [one.used_up() for _ in range(1000)] == [None] * 1000
    assert len(looks) < 10


@pytest.mark.parametrize("field", ["max_time", "max_rss"])
def test_a_run_that_a_budget_stops(
    solver: Make, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    """The budget is used up at the 18th question; the run that goes on ends as one that was never stopped."""
    values = solver(max_iter=20, test_interval=8, display=1, **{field: "9999h" if field == "max_time" else "9999 TiB"})
    (tmp_path / "solver.yaml").write_text(dump(values), encoding="utf-8")
    assert cli("train", tmp_path / "solver.yaml", "-o", tmp_path / "whole")[0] == 0
    asked = []

    def used_up(self: budgets.Budgets) -> str | None:
        asked.append(1)
        return field if len(asked) >= 18 else None

    with monkeypatch.context() as patch:
        patch.setattr(budgets.Budgets, "used_up", used_up)
        code, _, said = cli("train", tmp_path / "solver.yaml", "-o", tmp_path / "run")
    assert code == 8, said
    assert f"stopped by {field}" in said and f"--resume {field}=..." in said
    record = runs.read(tmp_path / "run")
    end = record.events[-1]
    assert isinstance(end, Finished) and end.stopped == field and 0 < end.iteration < 20
    assert record.latest is not None and record.latest.name == f"iter_{end.iteration:06d}.safetensors"
    code, _, said = cli("train", tmp_path / "run", "--resume")
    assert code == 0, said
    last = Path("snapshots/iter_000020.safetensors")
    assert (tmp_path / "run" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_the_time_of_all_resumes_counts(solver: Make, tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "solver.yaml").write_text(dump(solver(max_iter=10**9, max_time=0.3)), encoding="utf-8")
    assert cli("train", tmp_path / "solver.yaml", "-o", tmp_path / "run")[0] == 8
    first = runs.read(tmp_path / "run").events[-1]
    assert first.iteration > 0 and first.elapsed >= 0.3
    kept = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    code, _, said = cli("train", tmp_path / "run", "--resume")
    assert (code, "NS559" in said, "has used up its `max_time`" in said) == (2, True, True), said
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == kept, "no row is dropped that is not made again"
    code, _, said = cli("train", tmp_path / "run", "--resume", "max_time=0.6s")
    assert code == 8, said
    more = runs.read(tmp_path / "run").events[-1]
    assert more.iteration > first.iteration and more.elapsed < 2 * 0.6
