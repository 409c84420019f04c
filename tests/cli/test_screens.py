"""What the commands show in a terminal of 80 columns and in one of 160, word for word.

Goldens are `tests/golden/screens/NAME_WIDTH.txt`; `NETSPEC_UPDATE_GOLDEN=1` writes them anew: read them then.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from netspec.cli import train
from netspec.cli.signals import Finishing
from netspec.training.events import (
    DebugInfo,
    Display,
    Event,
    Finished,
    Note,
    Opened,
    ParamInfo,
    Progress,
    Snapshotted,
    Started,
    TopInfo,
    row,
)
from netspec.training.events import Tested as Scored
from netspec.training.job import Job, load_solver
from tests.helpers.stderr import quiet

Cli = Callable[..., tuple[int, str, str]]
Golden = Callable[[str, str], None]

WIDTHS = (80, 160)

SCREENS = {
    "help": ("--help",),
    "help_train": ("train", "--help"),
    "help_inspect": ("inspect", "--help"),
    "help_zoo": ("zoo", "--help"),
    "zoo_list": ("zoo", "list"),
    "inspect_lenet": ("inspect", "lenet"),
    "inspect_resnet20": ("inspect", "resnet20"),
    "inspect_verbose": ("inspect", "mlp", "-v"),
    "inspect_depth": ("inspect", "resnet50", "--depth", "1"),
    "help_draw": ("draw", "--help"),
    "help_diff": ("diff", "--help"),
    "diff_lenet": ("diff", "lenet", "layers.conv1.num_output=32", "layers.conv2.stride=2"),
    "diff_solvers": ("diff", "resnet20", "resnet20_cosine"),
    "help_report": ("report", "--help"),
    "explain": ("explain", "NS302"),
    "layers_elu": ("layers", "ELU"),
    "help_layers": ("layers", "--help"),
    "trace": ("trace", "two_layer_sigmoid", "weight_decay=0.1", "momentum=0.9"),
    "help_gradcheck": ("gradcheck", "--help"),
    "help_show": ("show", "--help"),
    "help_schedule": ("schedule", "--help"),
    "schedule": ("schedule", "lenet", "lr_policy={type: one_cycle, length: 6000}", "warmup.length=5 epochs"),
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen(name: str, width: int, cli: Cli, golden: Golden, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = cli(*SCREENS[name])
    assert code == 0 and quiet(err), err
    golden(f"screens/{name}_{width}.txt", "".join(line.rstrip() + "\n" for line in out.splitlines()))
    assert max(map(cell_len, out.splitlines())) <= width


MISTAKES = """\
name: Wide
layers:
  - {name: data, type: Input, top: [data, label], shape: [[64, 1, 28, 28], [64]]}
  - {name: 畳み込み, type: Convolution, num_output: 16, kernel_size: 5, engine: AUTO, bottom: datum, strides: 2}
  - {name: ip,	type: InnerProduct,	num_output: 10,	bottom: 畳み込み, weight_filler: {type: gauss}, bias_term: yes}
"""


@pytest.mark.parametrize("width", (40, *WIDTHS))
def test_carets_of_errors(width: int, cli: Cli, golden: Golden, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    (here / "wide.yaml").write_text(MISTAKES, encoding="utf-8")
    code, out, err = cli("check", "wide.yaml")
    assert (code, out) == (3, "")
    golden(f"screens/error_{width}.txt", err)
    assert max(cell_len(line) for line in err.splitlines() if " | " in line) <= width


class Recorded:
    """A training that was: its notes and events, and how far it was at each of them."""

    def __init__(self, job: Job, folder: Path, steps: list[tuple[Note | Event, Progress]]) -> None:
        self.job, self.folder, self.progress = job, folder, steps[0][1]
        self._steps = iter(steps)

    def __iter__(self) -> Iterator[Note | Event]:
        return self

    def __next__(self) -> Note | Event:
        event, self.progress = next(self._steps)
        return event


def steps(folder: Path) -> list[tuple[Note | Event, Progress]]:
    begin = Progress(0, 200, float("nan"), 0.01, 64, epoch=0.0)
    data = {"train": "Fashion-MNIST train, bundled subset: 10,000 samples of 1x28x28"}
    events: list[tuple[Note | Event, Progress]] = [
        (Opened(folder, "tiny", 1, 2_293_000), begin),
        (Started(0, data, 1, 1, 4_813_000, folder), begin),
        (Scored(0, {"accuracy": 0.0985, "loss": 2.3905}, 1, 0.1), begin),
    ]
    tops = (
        TopInfo("data", "Input", "data", 0.2871),
        TopInfo("data", "Input", "label", 4.5),
        TopInfo("畳み込み1", "Convolution", "畳み込み1", 0.4312, 1.234e-05),
        TopInfo("relu1", "ReLU", "畳み込み1", 0.2013, 1.1e-05, 0.0625),
        TopInfo("inception_4a/3x3_reduce", "InnerProduct", "inception_4a/3x3_reduce", 1.7, 0.0023),
        TopInfo("bn", "BatchNorm", "bn", 0.8, 0.0023),
    )
    params = (
        ParamInfo("畳み込み1", "weight", 0.0321, 0.00214, 0.0512, 1.23e-3),
        ParamInfo("畳み込み1", "bias", 0.0, 0.0123, 0.0415),
        ParamInfo("inception_4a/3x3_reduce", "weight", 0.0123, 0.000124, 0.1512, 9.9e-4),
        ParamInfo("bn", "mean", 0.41),
    )
    debugged = DebugInfo(100, tops, params, 1234.5678, 12.3, 3.21, 0.1627, epoch=0.64)
    for done, loss, right in ((1, 2.441, 0.125), (101, 0.6771, 0.7521), (200, 0.4911, 0.8312)):
        now = Progress(done, 200, loss, 0.0099, 64, loss, min(done, 100), {"correct": right}, done * 64 / 10_000)
        line = Display(done - 1, loss + 0.1, {"loss": loss, "correct": 0.5}, 0.0099, 1.5, 7291.6, (200 - done) / 100)
        events += [(line, now), *([(debugged, now)] if done == 101 else [])]
    tests = [(100, 0.8445, 0.4221), (200, 0.8415, 0.4312)]
    events += [(Scored(i, {"accuracy": a, "loss": b}, 2000, 0.1), now) for i, a, b in tests]
    events += [(Snapshotted(200, folder / "snapshots" / "iter_000200.safetensors"), now)]
    return [*events, (Finished(200, None, 17.2, 0.0), now)]


@pytest.mark.parametrize("width", (40, *WIDTHS))
def test_the_lines_of_a_training(
    width: int, golden: Golden, here: Path, solver: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are printed where no line can be kept up to date."""
    folder = Path("runs/tiny-1")
    folder.mkdir(parents=True)
    said = steps(folder)
    (folder / "config.yaml").write_text("max_iter: 200\n")
    rows = [json.dumps(row(event)) for event, _ in said if isinstance(event, Event)]
    (folder / "metrics.jsonl").write_text("".join(f"{each}\n" for each in rows))
    console = Console(width=width, file=io.StringIO(), color_system=None, highlight=False, soft_wrap=True)
    training: Any = Recorded(load_solver(solver(test_interval=100)), folder, said)
    train.render(training, console, Finishing(print))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    golden(f"screens/train_{width}.txt", text)
    begin, end = text.index("debug_info at"), text.index("iter 199")
    assert all(cell_len(line) <= width for line in text[begin:end].splitlines())
