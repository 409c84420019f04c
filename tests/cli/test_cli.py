"""The command line, as a user drives it: the files of a run, the output on stdout, the exit codes."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.language import document, files

Solver = Callable[..., dict[str, Any]]


def netspec(*words: str | Path, folder: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, **env})


def written(folder: Path, values: dict[str, Any], name: str = "tiny.yaml") -> Path:
    path = folder / name
    path.write_text(document.dump(values))
    return path


def trained(folder: Path, *words: str | Path) -> Path:
    """The run folder of a training that must succeed."""
    out = folder / f"run{len(list(folder.glob('run*')))}"
    done = netspec("train", *words, "-o", out, folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return out


def weights(run: Path) -> bytes:
    return sorted((run / "snapshots").glob("*.safetensors"))[-1].read_bytes()


def test_a_run_leaves_one_folder(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver(display=5, test_interval=10, snapshot=8, snapshot_keep=2))
    run = trained(tmp_path, file)
    assert {p.name for p in run.iterdir()} >= {"config.yaml", "metrics.jsonl", "log.txt", "env.json", "snapshots"}
    assert sorted(p.name for p in (run / "snapshots").iterdir()) == [
        "iter_000016.safetensors",
        "iter_000020.safetensors",
    ]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [r["iteration"] for r in rows if r["event"] == "display"] == [0, 5, 10, 15]
    assert [r["iteration"] for r in rows if r["event"] == "tested"] == [0, 10, 20]
    assert all(r["samples"] == 11 for r in rows if r["event"] == "tested")
    assert rows[-1]["event"] == "finished"
    about = json.loads((run / "env.json").read_text())
    assert about["versions"]["netspec"] and about["threads"] >= 1 and about["data"]


def test_config_can_be_trained_again(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver())
    first = trained(tmp_path, file, "base_lr=0.05", "net.layers.conv.num_output=3")
    (tmp_path / "elsewhere").mkdir()
    again = trained(tmp_path / "elsewhere", first / "config.yaml")
    assert weights(first) == weights(again)
    assert files.read(first / "config.yaml").plain()["base_lr"] == 0.05


def test_resume_of_the_latest_and_of_a_file(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver(snapshot=5))
    whole = trained(tmp_path, file, "snapshot_keep=9")
    half = trained(tmp_path, file, "max_iter=10")
    done = netspec("train", file, "-o", half, "--resume")
    assert done.returncode == 0, done.stderr
    assert "resumed from" in done.stderr and "max_iter: 10 -> 20" in done.stderr
    assert weights(half) == weights(whole)
    from_file = tmp_path / "from_file"
    done = netspec("train", file, "-o", from_file, "--resume", whole / "snapshots" / "iter_000005.safetensors")
    assert done.returncode == 0, done.stderr
    assert weights(from_file) == weights(whole)


def test_resume_of_a_finished_run_says_so(solver: Solver, tmp_path: Path) -> None:
    run = trained(tmp_path, written(tmp_path, solver()))
    before = weights(run)
    done = netspec("train", run, "--resume")
    assert done.returncode == 0, done.stderr
    assert "nothing left to train" in done.stderr
    assert weights(run) == before
    done = netspec("train", run, "--resume", "max_iter=25")
    assert done.returncode == 0, done.stderr
    assert (run / "snapshots" / "iter_000025.safetensors").is_file()


def test_fine_tuning_reports_what_it_loaded(solver: Solver, tmp_path: Path) -> None:
    values = solver()
    run = trained(tmp_path, written(tmp_path, values))
    for layer in values["net"]["layers"]:
        layer["name"] = {"ip": "fresh"}.get(layer["name"], layer["name"])
        layer["bottom"] = ["fresh", "label"] if layer.get("bottom") == ["ip", "label"] else layer.get("bottom")
    file = written(tmp_path, values, "other.yaml")
    done = netspec("train", file, "-o", tmp_path / "tuned", "--weights", run / "snapshots" / "iter_000020.safetensors")
    assert done.returncode == 0, done.stderr
    assert "2 params loaded" in done.stderr
    assert "\n  left at their fillers: fresh.weight, fresh.bias\n" in done.stderr


def test_seed_and_threads(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver())
    one, same, other = (
        trained(tmp_path, file, *words) for words in (("--threads", "1"), ("--threads", "2"), ("--seed", "7"))
    )
    assert weights(one) == weights(same) != weights(other)


def test_an_old_run_is_not_written_over(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver())
    run = trained(tmp_path, file)
    done = netspec("train", file, "-o", run)
    assert done.returncode == 2
    assert "already holds" in done.stderr and "--resume" in done.stderr


def test_runs_are_numbered(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver(max_iter=1))
    for _ in range(2):
        assert netspec("train", file, folder=tmp_path).returncode == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["tiny-1", "tiny-2"]
    done = netspec("train", file, "--resume", "max_iter=2", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "runs/tiny-2" in done.stderr


def test_quiet_says_nothing(solver: Solver, tmp_path: Path) -> None:
    done = netspec("train", written(tmp_path, solver(display=1)), "-q", "-o", tmp_path / "run")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_test_scores_a_run(solver: Solver, tmp_path: Path) -> None:
    run = trained(tmp_path, written(tmp_path, solver()))
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = next(r for r in reversed(rows) if r["event"] == "tested")
    done = netspec("test", run, "--format", "json")
    assert done.returncode == 0, done.stderr
    scores = json.loads(done.stdout)
    assert scores.pop("samples") == 11
    assert [head["task"] for head in scores.pop("heads")] == ["classes"]
    assert scores == last["outputs"]
    assert "11 samples" in netspec("test", run).stdout


def test_time_shows_every_layer(tmp_path: Path) -> None:
    done = netspec("time", "two_layer_sigmoid", "-n", "2", "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [r["layer"] for r in rows] == ["data", "hidden", "hidden_sigmoid", "output", "output_sigmoid", "loss"]
    assert float(rows[1]["forward_ms"]) > 0 and float(rows[1]["backward_ms"]) > 0
    assert "samples/s" in netspec("time", "two_layer_sigmoid", "-n", "2").stdout


def test_inspect_in_every_form() -> None:
    table = netspec("inspect", "lenet").stdout
    assert (
        "(28+2*0-5)/1+1 = 24" in table and "(5*5*1+1)*20 = 520" in table and "431,080" in table and "2 FLOPs" in table
    )
    as_json = json.loads(netspec("inspect", "lenet", "--format", "json").stdout)
    assert (as_json["params"], as_json["macs"], as_json["flops"]) == (431080, 2293000, 4586000)
    rows = list(csv.DictReader(io.StringIO(netspec("inspect", "lenet", "--format", "csv").stdout)))
    assert [r["layer"] for r in rows][:2] == ["data", "conv1"] and rows[1]["params"] == "520"
    assert netspec("inspect", "lenet", "--format", "md").stdout.count("|---") == 14


def test_inspect_at_another_batch_and_phase() -> None:
    one = json.loads(netspec("inspect", "lenet", "--format", "json", "--batch", "1", "--phase", "TEST").stdout)
    assert one["batch"] == 1 and one["rows"][1]["shape"] == [1, 20, 24, 24]
    assert "accuracy" in [row["name"] for row in one["rows"]]
    changed = json.loads(netspec("inspect", "lenet", "layers.conv1.num_output=32", "--format", "json").stdout)
    assert changed["rows"][1]["params"] == (5 * 5 * 1 + 1) * 32


def test_zoo_lists_shows_and_copies(tmp_path: Path) -> None:
    listed = {e["name"]: e for e in json.loads(netspec("zoo", "list", "--format", "json").stdout)}
    assert {"lenet", "mlp", "logistic_regression", "linear_svm", "cifar10_quick", "two_layer_sigmoid"} <= set(listed)
    assert netspec("zoo", "show", "lenet").stdout.startswith("#")
    assert netspec("zoo", "copy", "lenet", tmp_path).returncode == 0
    assert netspec("check", tmp_path / "solvers" / "lenet.yaml", tmp_path / "models" / "lenet.yaml").returncode == 0
    assert netspec("zoo", "copy", "lenet", tmp_path).returncode == 9
    assert netspec("zoo", "show", "lenett").returncode == 2


def test_check_compares_with_expect(tmp_path: Path) -> None:
    assert netspec("check", "lenet").returncode == 0
    done = netspec("check", "lenet", "layers.ip1.num_output=501")
    assert done.returncode == 6
    assert "expect" in done.stderr


def test_errors_for_machines(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("layers:\n  - {name: a, type: Inputt}\n")
    done = netspec("check", "bad.yaml", "--format", "json", folder=tmp_path)
    assert done.returncode == 3
    (error,) = json.loads(done.stdout)["errors"]
    assert (error["line"], error["column"], error["help"]) == (2, 21, "did you mean 'Input'?")
    github = netspec("check", "bad.yaml", "--format", "github", folder=tmp_path).stdout
    assert github.startswith("::error file=bad.yaml,line=2,col=21,title=NS205::")


LIGHT = [
    ["--help"],
    ["train", "--help"],
    ["zoo", "list"],
    ["check", "lenet"],
    ["inspect", "lenet"],
    ["inspect", "lenet", "--stage", "plan"],
    ["schema", "net"],
    ["schema", "solver"],
]


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_light_commands_load_no_numbers(words: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["netspec", *{words!r}]
from netspec.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
sys.exit(str([m for m in ("numpy", "numba", "llvmlite") if m in sys.modules]).replace("[]", "") or 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_module_and_version() -> None:
    import netspec as package

    assert netspec("--version").stdout == f"netspec {package.__version__}\n"
    assert netspec().returncode == 2
    assert netspec("trian").returncode == 2


def test_the_table_of_lenet(golden: Callable[[str, str], None]) -> None:
    golden("lenet_inspect.txt", netspec("inspect", "lenet").stdout)
    golden(
        "lenet_inspect_test.md", netspec("inspect", "lenet", "--phase", "TEST", "--batch", "1", "--format", "md").stdout
    )


def test_config_means_the_same_elsewhere(solver: Solver, tmp_path: Path, arrays: Path) -> None:
    """Relative paths become absolute, weights to start from too; a dollar sign in a name stays one."""
    home, away = tmp_path / "home", tmp_path / "away"
    home.mkdir()
    away.mkdir()
    values = solver(weights="start.safetensors", data=None)
    outputs = [f"{name}$1.npy" for name in ("x", "y")]
    for name in ("x", "y"):
        (home / f"{name}$1.npy").write_bytes((arrays / f"train_{name}.npy").read_bytes())
    source = {"type": "Arrays", "outputs": [name.replace("$", "$$") for name in outputs]}
    values["data"] = {"train": {"source": source, "batch_size": 4}}
    begin = trained(tmp_path, written(tmp_path, solver(max_iter=3)))
    (home / "start.safetensors").write_bytes(weights(begin))
    run = trained(home, written(home, values))
    again = trained(away, run / "config.yaml")
    assert weights(again) == weights(run) != weights(trained(home, "tiny.yaml", "weights=null"))
    rows = [json.loads(line) for line in (again / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["event"] == "finished"


def test_a_training_that_fails_before_it_begins_leaves_no_folder(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver())
    (tmp_path / "cut.safetensors").write_bytes(b"cut")
    assert netspec("train", file, "--resume", "cut.safetensors", folder=tmp_path).returncode == 7
    assert not list((tmp_path / "runs").iterdir())


def test_why_a_run_ended_stands_in_its_log(solver: Solver, tmp_path: Path) -> None:
    done = netspec("train", written(tmp_path, solver(base_lr=1e30)), "-o", tmp_path / "run")
    assert done.returncode == 5
    assert "error[NS504]" in (tmp_path / "run" / "log.txt").read_text()


def test_a_closed_pipe_stops_no_training(solver: Solver, tmp_path: Path) -> None:
    file = written(tmp_path, solver(display=1))
    words = (
        f"'{sys.executable}' -m netspec train '{file}' -o '{tmp_path / 'run'}' 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "snapshots" / "iter_000020.safetensors").is_file()


def test_a_narrow_terminal_gets_fewer_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    from netspec.engine.bind import compile_net
    from netspec.net.load import load_net
    from netspec.views import tables as views
    from netspec.views.inspection import inspection

    one = inspection(*compile_net(load_net("lenet"), "float32"))
    for width in (50, 60, 80, 100, 140):
        console = Console(width=width, file=io.StringIO(), color_system=None)
        console.print(views.inspect_table(one, width))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        assert all(name in text for name in ("conv1", "64x20x24x24", "400,500"))
        table = text.partition("\nparams  ")[0].splitlines()
        assert len([line for line in table if not line.startswith("    ")]) == 3 + len(one.rows)
