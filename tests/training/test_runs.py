"""Run folders read back: events survive the way through rows; torn, broken and missing files."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.language import files
from netspec.training import runs
from netspec.training.events import DebugInfo, Display, Event, Finished, ParamInfo, Snapshotted, TopInfo, from_row, row
from netspec.training.events import Tested as Scored
from netspec.training.job import load_solver
from netspec.training.run import run
from netspec.training.runs import BrokenRunError, NoRunError

SNAPSHOTS = Path("run") / "snapshots"
NUMBERS = st.floats() | st.integers(-(2**40), 2**40).map(float)
OUTPUTS = st.dictionaries(st.text(max_size=8), NUMBERS, max_size=3)
COUNTS = st.integers(0, 2**40)
TEXTS, MAYBE = st.text(max_size=8), st.none() | st.floats(0, 1e30)
TOPS = st.builds(TopInfo, TEXTS, TEXTS, TEXTS, NUMBERS, MAYBE, MAYBE)
PARAMS = st.lists(st.builds(ParamInfo, TEXTS, TEXTS, NUMBERS, MAYBE, MAYBE, MAYBE), max_size=2).map(tuple)
EVENTS = {
    Display: st.builds(Display, COUNTS, NUMBERS, OUTPUTS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    Scored: st.builds(Scored, COUNTS, OUTPUTS, COUNTS, NUMBERS),
    DebugInfo: st.builds(DebugInfo, COUNTS, st.lists(TOPS, max_size=2).map(tuple), PARAMS, *[NUMBERS] * 4),
    Snapshotted: st.builds(Snapshotted, COUNTS, COUNTS.map(lambda n: SNAPSHOTS / f"iter_{n:06d}.safetensors")),
    Finished: st.builds(Finished, COUNTS, st.none() | st.text(), NUMBERS, NUMBERS),
}


def comparable(event: Event) -> Any:
    """The values of an event; every number that JSON lacks is replaced by one and the same word."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        return "none" if isinstance(value, float) and not math.isfinite(value) else value

    return type(event), plain(dataclasses.asdict(event))


def test_every_event_has_a_strategy() -> None:
    assert set(EVENTS) == set(get_args(Event))


@given(st.one_of(list(EVENTS.values())))
def test_an_event_and_its_row_are_inverse(event: Event) -> None:
    text = json.dumps(row(event), allow_nan=False)
    again = from_row(json.loads(text), SNAPSHOTS)
    assert comparable(again) == comparable(event)
    assert json.dumps(row(again)) == text
    assert str(again)  # whatever its numbers are


def test_a_number_that_json_does_not_know_is_read_as_nan() -> None:
    event = from_row(row(Finished(3, None, math.inf, 0.5)), SNAPSHOTS)
    assert isinstance(event, Finished) and math.isnan(event.seconds) and event.waited == 0.5
    assert event.stopped is None


def test_what_differs_from_run_to_run_stands_under_one_key() -> None:
    values = row(Display(3, 0.5, {"loss": 0.5}, 0.1, 2.0, 640.0, 12.5, epoch=0.5, elapsed=7.25))
    assert values["clock"] == {"elapsed": 7.25, "speed": 640.0, "left": 12.5}
    assert list(values) == ["event", "epoch", "iteration", "loss", "outputs", "rate", "gradient", "clock"]
    assert row(Finished(3, None, 1.5, 0.5))["clock"] == {"elapsed": 0.0, "seconds": 1.5, "waited": 0.5}


def test_rows_without_a_clock_are_read() -> None:
    """As they were before version 0.2."""
    old = {"event": "tested", "iteration": 2, "outputs": {"loss": 0.5}, "samples": 11, "seconds": 0.25}
    assert from_row(old, SNAPSHOTS) == Scored(2, {"loss": 0.5}, 11, 0.25)


def test_seconds_are_summed_over_resumes(solver: Callable[..., dict[str, Any]], folder: Path) -> None:
    path = folder / "metrics.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for values in rows:
        values["clock"]["elapsed"] += 1000 * values["iteration"]
    path.write_text("".join(json.dumps(values) + "\n" for values in rows))
    job = load_solver(solver(max_iter=4, display=2, snapshot=2))
    events = [e for e in run(job, folder, resume=folder / "snapshots/iter_000002.safetensors") if isinstance(e, Event)]
    assert events == runs.read(folder).events[2:]
    assert all(2000 < event.elapsed < 3000 for event in events)
    assert [event.elapsed for event in events] == sorted(event.elapsed for event in events)


def test_a_snapshot_lies_where_the_folder_is_now() -> None:
    assert row(Snapshotted(1, Path("/old/iter_000001.safetensors")))["path"] == "iter_000001.safetensors"
    event = from_row({"event": "snapshotted", "iteration": 1, "path": "../../x.safetensors"}, SNAPSHOTS)
    assert event == Snapshotted(1, SNAPSHOTS / "x.safetensors")


@pytest.fixture
def folder(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> Path:
    """The folder of a run that ended."""
    list(run(load_solver(solver(max_iter=4, display=2, snapshot=2)), tmp_path / "run"))
    return tmp_path / "run"


def test_what_is_read(folder: Path) -> None:
    found = runs.read(folder)
    assert found.path == folder
    assert found.config == files.read(folder / "config.yaml").plain()
    assert load_solver(found.config).spec.max_iter == 4
    assert found.environment == json.loads((folder / "env.json").read_text())
    assert [type(event) for event in found.events] == [Display, Snapshotted, Display, Snapshotted, Scored, Finished]
    assert [path.name for path in found.snapshots] == ["iter_000002.safetensors", "iter_000004.safetensors"]
    assert found.latest == found.snapshots[-1] == found.events[-3].path  # type: ignore[union-attr]


def test_a_torn_last_row_is_left_out(folder: Path) -> None:
    path = folder / "metrics.jsonl"
    whole, before = path.read_text(), runs.read(folder).events
    start = whole.rindex("\n", 0, -1) + 1
    for end in range(start, len(whole) - 1):
        path.write_text(whole[:end])
        assert runs.read(folder).events == before[:-1]
    path.write_text(whole[:-1])  # torn before its end of line: the row is whole
    assert runs.read(folder).events == before


@pytest.mark.parametrize("file", ["metrics.jsonl", "env.json"])
@pytest.mark.parametrize("text", ["[" * 100_000, f'{{"iteration": {"9" * 5000}}}'], ids=["deep", "long"])
def test_what_no_reader_of_json_takes_is_refused(folder: Path, file: str, text: str) -> None:
    (folder / file).write_text(text + "\n{}\n")
    with pytest.raises(BrokenRunError, match="this is no JSON: "):
        runs.read(folder)


@pytest.mark.parametrize(
    ("text", "said", "column"),
    [
        ('{"event": "display", "iter', "this is no JSON", 22),
        ("", "this is no JSON", 1),
        ("[1, 2]", "this is no JSON object", 1),
        ('{"iteration": 3}', "there is no event None", 1),
        ('{"event": ["x"]}', "there is no event", 1),
        ('{"event": "exploded", "iteration": 3}', "there is no event 'exploded'", 1),
        ('{"event": "snapshotted", "iteration": 3}', "`path` of the event 'snapshotted': field required", 1),
        ('{"event": "finished", "iteration": 3, "clock": 5}', "`clock` of the event 'finished' is no JSON object", 1),
        ('{"event": "finished", "iteration": "x"}', "`iteration` of the event 'finished'", 1),
        ('{"event": "finished", "iteration": -1}', "`iteration` of the event 'finished'", 1),
        (f'{{"event": "finished", "iteration": {10**30}}}', "`iteration` of the event 'finished'", 1),
        ('{"event": "snapshotted", "iteration": 3, "path": "x", "epoch": NaN}', "`epoch` of the event", 1),
    ],
)
def test_a_broken_row_is_shown_with_its_place(folder: Path, text: str, said: str, column: int) -> None:
    path = folder / "metrics.jsonl"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[:2], text, *rows[2:], ""]))
    with pytest.raises(BrokenRunError) as caught:
        runs.read(folder)
    assert caught.value.message.startswith(said)
    assert str(caught.value.at) == f"{path}:3:{column}"
    assert f"3 | {text}" in str(caught.value) or not text


def test_a_broken_environment_is_shown_with_its_place(folder: Path) -> None:
    (folder / "env.json").write_text('{\n  "command": [,]\n}\n')
    with pytest.raises(BrokenRunError, match="this is no JSON") as caught:
        runs.read(folder)
    assert str(caught.value.at) == f"{folder / 'env.json'}:2:15"


def test_a_run_that_was_killed_while_it_was_opened(folder: Path) -> None:
    for name in ("env.json", "metrics.jsonl", "log.txt"):
        (folder / name).unlink()
    found = runs.read(folder)
    assert (found.environment, found.events) == ({}, []) and found.latest is not None


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(NoRunError, match=r"has no config\.yaml"):
        runs.read(tmp_path)
    with pytest.raises(NoRunError, match="is not a folder") as caught:
        runs.read(tmp_path / "gone")
    assert "`netspec runs` lists the runs" in str(caught.value.help)


def test_a_run_is_suggested(folder: Path) -> None:
    for path, wanted in ((folder.with_name(f"{folder.name}-9"), "did you mean"), (folder.parent, "name a run in it")):
        with pytest.raises(NoRunError) as caught:
            runs.read(path)
        assert wanted in str(caught.value.help) and folder.name in str(caught.value.help)
