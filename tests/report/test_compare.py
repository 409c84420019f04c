"""`netspec runs compare --html`: which run is best, and what differs in settings, nets and curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from netspec.core.outputs import ExistsError
from netspec.pictures.curves import Drawings
from netspec.report.compare import comparison, write_comparison
from netspec.study.curves import Wish, curves
from netspec.training.events import Event, Finished
from netspec.training.runs import RunRecord
from netspec.training.summary import Found, summarized
from tests.helpers.browser import browser, needed
from tests.helpers.curves import COURSE, scored
from tests.helpers.runs import written
from tests.report.runs import Read

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")
Cli = Callable[..., tuple[int, str, str]]

NET = """\
net:
  name: <b>tiny
  layers:
    - {{name: data, type: Input, top: [data, label], shape: [[4, 6], [4]]}}
    - {{name: '<script>ip', type: InnerProduct, bottom: data, num_output: {}}}
    - {{name: loss, type: SoftmaxWithLoss, bottom: ['<script>ip', label]}}
"""
SOLVER = "base_lr: {}\nlr_policy: fixed\nmax_iter: 9\n"
END = Finished(9, None, 4.5, 0.0, elapsed=4.5)
BETTER: tuple[Event, ...] = (*COURSE[:-1], scored(6, loss=0.2, accuracy=0.95))


def found(folder: Path, *runs: tuple[int, float, tuple[Event, ...]]) -> list[Found]:
    """Runs called <i>0, <i>1, ... of so many outputs, a rate and what was recorded."""
    for number, (outputs, rate, events) in enumerate(runs):
        written(folder / f"<i>{number}", NET.format(outputs) + SOLVER.format(rate), [*events, END])
    return [summarized(folder / f"<i>{number}") for number in range(len(runs))]


def test_the_best_run_and_what_differs(tmp_path: Path) -> None:
    page = comparison(found(tmp_path, (3, 0.1, COURSE), (5, 0.2, BETTER), (3, 0.2, COURSE)))
    text = Read(page).text
    assert "<i>1 is best: test/accuracy 0.9500 at iteration 6." in text
    assert "Each net is compared with that of <i>0 and <i>2." in text and "num_output: 3 -> 5" in text
    assert "<td>base_lr</td><td>0.1</td><td>0.2</td><td>0.2</td>" in page and "<script>ip" in text
    assert page.count("<script") == page.count("<i>") == 0 and page.count("</style>") == 1
    assert page.count("<svg") == 6 + 3 and "accuracy" in text


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves that take no time; those of runs without any are an error all the same."""

    def drawings(records: Sequence[RunRecord], wish: Wish) -> Drawings:
        return Drawings(("<svg></svg>",), (), curves(records, wish).notes)

    monkeypatch.setattr("netspec.report.curves.drawings", drawings)


@pytest.mark.usefixtures("undrawn")
def test_runs_alike_and_runs_that_cannot_be_ranked(tmp_path: Path) -> None:
    same = found(tmp_path / "same", (3, 0.1, COURSE), (3, 0.1, COURSE))
    text = Read(comparison(same)).text
    assert "<i>0 and <i>1 are best: test/accuracy 0.9000." in text
    assert "All runs have the same net." in text and "No setting of the solver differs" in text
    other = summarized(same[0][1].path, "test/loss")
    assert "judged by different scores" in Read(comparison([other, same[1]])).text
    unknown = Read(comparison([summarized(one.path, "test/nothing") for _, one in same])).text
    assert "No run has been tested by its score." in unknown and "There are no curves" not in unknown
    empty = found(tmp_path / "empty", (3, 0.1, ()))
    text = Read(comparison(empty)).text
    assert "No run has been tested by its score." in text and "There are no curves" in text


@pytest.mark.usefixtures("undrawn")
def test_a_net_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    runs = found(tmp_path, (3, 0.1, COURSE), (5, 0.1, COURSE))
    config = runs[1][1].path / "config.yaml"
    config.write_text(config.read_text().replace("InnerProduct", "Gone"))
    assert "The nets cannot be compared" in Read(comparison(runs)).text


@pytest.mark.usefixtures("undrawn")
def test_many_runs_have_a_row_each(tmp_path: Path) -> None:
    page = comparison(found(tmp_path, *((3, rate / 10, COURSE) for rate in range(1, 9))))
    assert '<th scope="col">base_lr</th>' in page and "<td>&lt;i&gt;7</td><td>0.8</td>" in page
    assert "8 trainings" in Read(page).text


@pytest.mark.usefixtures("undrawn")
def test_the_command(here: Path, cli: Cli) -> None:
    found(here / "runs", (3, 0.1, COURSE), (5, 0.2, BETTER))
    assert cli("runs", "compare", "<i>0", "<i>1", "--html", "c.html") == (0, "c.html\n", "")
    assert "<i>1 is best" in Read(Path("c.html").read_text(encoding="utf-8")).text
    assert cli("runs", "compare", "<i>0", "<i>1", "--html", "c.html", "--metric", "test/loss")[0] == 0
    assert "<i>1 is best: test/loss 0.2000" in Read(Path("c.html").read_text(encoding="utf-8")).text
    assert cli("runs", "compare", "<i>0", "--html", "d.html", "--format", "json")[0] == 2
    assert not Path("d.html").exists()
    Path("mine.html").write_text("a page of somebody else's")
    with pytest.raises(ExistsError):
        write_comparison(Path("mine.html"), [summarized(Path("runs/<i>0"))])


@needed
def test_a_browser_shows_the_page(tmp_path: Path) -> None:
    file = tmp_path / "c.html"
    write_comparison(file, found(tmp_path, (3, 0.1, COURSE), (5, 0.2, BETTER)))
    with browser() as chromium:
        for dark in (False, True):
            with chromium.page(file, dark=dark, width=900) as page:
                assert "is best" in page.text and not page.console
                assert [one for one in page.requests if not one.startswith("file:")] == []
                assert page.run("document.querySelectorAll('svg text').length") > 20
                color = page.run("getComputedStyle(document.querySelector('svg text')).fill")
                assert (sum(map(int, color[4:-1].split(", "))) > 600) == dark
