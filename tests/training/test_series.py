"""The history of a run: its events as series."""

from __future__ import annotations

from pathlib import Path

from netspec.training import events
from netspec.training.runs import RunRecord, read
from netspec.training.series import history
from tests.helpers.runs import TESTS, written


def test_every_quantity_of_the_events_has_a_series_in_their_order() -> None:
    shown = [
        events.Display(i, 2.0 - i, {"loss": 2.5, "top": 7.0}, 0.1, 3.0, 40.0, 1.0, epoch=i / 2, elapsed=i)
        for i in (0, 1)
    ]
    tops, params = (
        (events.TopInfo("relu", "ReLU", "y", 0.5, 0.1, 0.25),),
        (events.ParamInfo("ip", "weight", 1.0, 0.1, 0.2, 1e-3),),
    )
    debug = events.DebugInfo(1, tops, params, 1.0, 1.0, 1.0, 1.0, epoch=0.5, elapsed=1.0)
    test = events.Tested(1, {"accuracy": 0.75}, 10, 0.1, epoch=0.5, elapsed=1.5)
    end = events.Finished(2, None, 2.0, 0.5, epoch=1.0, elapsed=2.0)
    found = history(RunRecord(Path("r"), {}, {}, [*shown, debug, test, end], []), last=9)
    assert {name: one.values for name, one in found.series.items()} == {
        "loss": (2.0, 1.0), "rate": (0.1, 0.1), "gradient": (3.0, 3.0), "speed": (40.0, 40.0),
        "train/loss": (2.5, 2.5), "train/top": (7.0, 7.0), "data/relu/y": (0.5,), "diff/relu/y": (0.1,),
        "dead/relu": (0.25,), "update/ip.weight": (1e-3,), "test/accuracy": (0.75,),
    }  # fmt: skip
    loss = found.series["loss"]
    assert (loss.iterations, loss.epochs, loss.seconds, len(loss)) == ((0, 1), (0.0, 0.5), (0.0, 1.0), 2)
    assert (found.iteration, found.last, found.seconds, found.waited) == (2, 9, 2.0, 0.5)
    assert set(found.under("test")) == {"accuracy"} and not found.under("tes")


def test_how_a_training_failed_is_the_last_text_of_its_log(tmp_path: Path) -> None:
    folder = written(tmp_path / "run", "max_iter: 30", TESTS)
    assert history(read(folder)).error is None
    log = folder / "log.txt"
    log.write_text(
        "2026-11-28 10:00:00 iter 0 loss 2\n2026-11-28 10:00:01 error[NS504]: blob 'x'\n  = help: lower it\n"
    )
    assert history(read(folder)).error == "error[NS504]: blob 'x'\n  = help: lower it"
    log.write_text(log.read_text() + "2026-11-28 10:00:09 resumed from iter_000010.safetensors\n")
    assert history(read(folder)).error is None
