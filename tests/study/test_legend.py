"""Labels of runs: short names, what differs, how a run ended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from netspec.study.legend import LONGEST, labels, names_of
from netspec.training.runs import RunRecord
from tests.helpers.curves import COURSE, NET, record


def of(*settings: dict[str, Any]) -> list[str]:
    """Labels of runs a, b, ... with some settings, without the names."""
    found = labels([record(f"runs/{name}", *COURSE, **each) for name, each in zip("ab", settings, strict=False)])
    return [label[1:] for label in found]


def test_a_label_has_what_differs() -> None:
    assert of({}) == [""]
    assert of({}, {}) == ["", ""]
    assert of({"base_lr": 0.1}, {"base_lr": 0.01, "momentum": 0.9}) == [
        ": base_lr 0.1, momentum -",
        ": base_lr 0.01, momentum 0.9",
    ]


def test_a_choice_is_said_by_its_type() -> None:
    step, inv = {"type": "step", "gamma": 0.1, "stepsize": 5}, {"type": "inv", "gamma": 0.2, "power": 1}
    assert of({"lr_policy": step}, {"lr_policy": inv}) == [": lr_policy step", ": lr_policy inv"]
    assert of({"lr_policy": step}, {"lr_policy": step | {"gamma": 0.2}}) == [
        ": lr_policy.gamma 0.1",
        ": lr_policy.gamma 0.2",
    ]


def test_nets_are_said_by_a_few_fields_or_by_name() -> None:
    wide = {"name": "tiny", "layers": [NET["layers"][0] | {"num_output": 5}]}
    assert of({}, {"net": wide}) == [": ip.num_output 3", ": ip.num_output 5"]
    other = {"layers": [{"name": f"conv{i}", "type": "Convolution"} for i in range(5)]}
    assert of({}, {"net": other}) == [": net tiny", ": net tiny"]


def test_many_settings_are_counted_and_long_ones_cut() -> None:
    many = {f"key{i}": i for i in range(1, 7)}
    assert of({}, many)[1] == ": key1 1, key2 2, key3 3, key4 4, 2 more"
    assert of({}, {"weights": "/a/very/long/path/to/some/name.yaml"})[1] == ": weights /a/very/long…e/name.yaml"
    (label,) = labels([record("n" * 200, *COURSE)])
    assert len(label) == LONGEST and "…" in label


def test_names_are_as_long_as_they_have_to_be() -> None:
    paths = [Path("a/cv/fold-0"), Path("a/cv/fold-1"), Path("b/cv/fold-0")]
    assert names_of(paths[:2]) == ["fold-0", "fold-1"]
    assert names_of(paths) == ["a/cv/fold-0", "a/cv/fold-1", "b/cv/fold-0"]
    assert names_of([Path("x"), Path("x")]) == ["x", "x"]
    assert names_of([Path("x\n\x1b[1m")]) == ["x\\n\\x1b[1m"]


def test_how_a_run_ended() -> None:
    done = record("r", *COURSE)
    end: Any = done.events[-1]
    stopped: RunRecord = replace(done, events=[*done.events[:-1], replace(end, stopped="SIGINT")])
    killed: RunRecord = replace(done, events=done.events[:-1])
    assert [labels([one])[0] for one in (done, stopped, killed)] == ["r", "r (stopped)", "r (failed)"]


def test_a_run_whose_folder_a_process_trains_in_is_running(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    with FileLock(tmp_path / "r" / ".lock"):
        assert labels([record(str(tmp_path / "r"), *COURSE)]) == ("r (running)",)
