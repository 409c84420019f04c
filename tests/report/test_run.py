"""`netspec report`: one file of whatever run, whose texts are texts, and that needs nothing beside it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec import Run
from netspec.core.code_files import MissingCodeError
from netspec.core.errors import DivergedError
from netspec.core.outputs import ExistsError, WriteError
from netspec.pictures.curves import Drawings
from netspec.report.run import report, write_report
from netspec.training.folders import NoRunError
from netspec.training.runs import RunFolder
from tests.helpers.browser import browser, needed
from tests.report.runs import HOSTILE, Read, dense, photos, trained

Cli = Callable[..., tuple[int, str, str]]
random = np.random.default_rng(4)
CURVES = Drawings(('<?xml version="1.0"?><svg class="stub"></svg>',), (), ("note",))


@pytest.fixture
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without the picture that takes most of their time."""
    monkeypatch.setattr("netspec.report.curves.drawings", lambda records, wish: CURVES)


_BOX = "(box => [box.left, box.top, box.right, box.bottom])(document.querySelector('{}').getBoundingClientRect())"

quick = pytest.mark.usefixtures("without_curves")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run all of whose names are HTML."""
    folder = tmp_path_factory.mktemp("hostile")
    return trained(folder / 'it\'s "a" <run>', photos(folder / "data"))


def test_names_are_shown_as_they_are(hostile: Path) -> None:
    page = report(hostile)
    read = Read(page)
    assert not read.tags & {"script", "b", "i", "link", "iframe", "object"}
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)
    images = [attributes["src"] or "" for tag, attributes in read.elements if tag == "img"]
    assert len(images) == 11 and all(src.startswith("data:image/png;base64,") for src in images)
    for name in ('it\'s "a" <run>', "<i>net", "ip</style><b>", HOSTILE[0], HOSTILE[1], r"pear & plum\u202e"):
        assert name in read.text, name
    assert "\u202e" not in page and page.count("</style>") == 2


@needed
def test_in_a_browser(hostile: Path, tmp_path: Path) -> None:
    file = write_report(hostile, tmp_path / "r.html")
    with browser() as chromium:
        for dark in (False, True):
            with chromium.page(file, dark=dark, width=900) as page:
                assert page.console == [] and page.requests == []
                for words in ("best", HOSTILE[0], HOSTILE[1], "by class", "Worst samples", "memory"):
                    assert words in page.text
                picture = np.asarray(Image.open(io.BytesIO(page.picture())).convert("L"))
                assert (np.median(picture) < 60) == dark and picture.std() > 10
                assert page.run("document.documentElement.scrollWidth <= innerWidth")
        with chromium.page(file, width=1280, height=800) as page:  # the matrix beside the curves, on the first screen
            matrix, curve = (page.run(_BOX.format(each)) for each in (".matrix", ".panels svg"))
            assert curve[2] < matrix[0] and matrix[2] <= 1280 and matrix[3] < 800 and curve[3] < 800
            assert page.run("document.querySelectorAll('.matrix').length") == 1
        with chromium.page(file, width=400) as page:
            assert page.run("document.documentElement.scrollWidth <= innerWidth")
            matrix, curve = (page.run(_BOX.format(each)) for each in (".matrix", ".panels svg"))
            assert matrix[1] > curve[3]
            assert page.printed().startswith(b"%PDF")


@quick
def test_numbers_have_a_cloud_each(tmp_path: Path) -> None:
    x = random.normal(size=(23, 3))
    t = x @ random.normal(size=(3, 2)).astype(np.float32) + 1
    folder = trained(tmp_path / "run", dense(tmp_path, "EuclideanLoss", x, t.astype(np.float32), 2), base_lr=0.1)
    read = Read(report(folder))
    assert [tag for tag, _ in read.elements].count("circle") == 2 * 23
    assert "RMSE" in read.text and "predictions (upwards) over targets (to the right) of 23 samples" in read.text


@quick
def test_labels(tmp_path: Path) -> None:
    t = random.integers(0, 2, (23, 4)).astype(np.float32)
    values = dense(tmp_path, "SigmoidCrossEntropyLoss", random.normal(size=(23, 3)), t, 4)
    read = Read(report(trained(tmp_path / "run", values)))
    assert "23 samples, 4 labels" in read.text and "by label" in read.text and "Worst samples" in read.text


@quick
def test_without_test_data(tmp_path: Path) -> None:
    values = dense(tmp_path, "EuclideanLoss", random.normal(size=(23, 3)), np.ones((23, 2), np.float32), 2)
    del values["data"]["test"]
    folder = trained(tmp_path / "run", values)
    text = Read(report(folder)).text
    assert "There is no test: the solver has no test data." in text and "The training came to its end." in text
    assert not (folder / "test").exists()


@quick
def test_data_that_are_gone(tmp_path: Path) -> None:
    values = dense(tmp_path, "EuclideanLoss", random.normal(size=(23, 3)), np.ones((23, 2), np.float32), 2)
    folder = trained(tmp_path / "run", values)
    (tmp_path / "x.npy").unlink()
    text = Read(report(folder)).text
    assert "There is no test: " in text and "x.npy" in text and "The training came to its end." in text


@quick
def test_a_diverged_run(tmp_path: Path) -> None:
    values = dense(tmp_path, "EuclideanLoss", random.normal(size=(23, 3)), np.ones((23, 2), np.float32), 2)
    with pytest.raises(DivergedError):
        trained(tmp_path / "run", values, base_lr=1e20)
    text = Read(report(tmp_path / "run")).text
    assert "The training did not come to its end" in text and "error[NS504]" in text


@quick
def test_a_run_that_goes_on(tmp_path: Path) -> None:
    values = dense(tmp_path, "EuclideanLoss", random.normal(size=(23, 3)), np.ones((23, 2), np.float32), 2)
    folder = trained(tmp_path / "run", values, snapshot=10)
    held = RunFolder(folder, resumed=True)
    try:
        assert "The training is running: it is at iteration 20" in Read(report(folder)).text
    finally:
        held.close()


@quick
def test_overrides_are_marked(hostile: Path) -> None:
    file = hostile / "env.json"
    environment = json.loads(file.read_text())
    words = ["netspec", "train", "a=b/s.yaml", "base_lr=.5", "net.layers.'loss'.type=SoftmaxWithLoss", "vars.gone=3"]
    file.write_text(json.dumps(environment | {"command": [*words, "-o", "it's"]}))
    page = report(hostile)
    assert "<mark>base_lr: 0.5</mark>" in page and page.count("<mark>") == 2
    assert "<mark>    type: SoftmaxWithLoss</mark>" in page and "<td>vars.gone</td><td>3</td>" in page
    assert """-o 'it'"'"'s'""" in Read(page).text
    file.write_text(json.dumps({"command": 3, "classes": [1], "versions": None, "code": "x", "data": 5}))
    assert "Nothing was overridden" in Read(report(hostile)).text
    file.write_text(json.dumps(environment))


@quick
def test_code_that_is_not_given(hostile: Path) -> None:
    file = hostile / "env.json"
    environment = json.loads(file.read_text())
    file.write_text(json.dumps(environment | {"code": [{"name": "own.py", "sha256": "0"}]}))
    with pytest.raises(MissingCodeError, match=r"code of 'own\.py'"):
        report(hostile)
    file.write_text(json.dumps(environment))


def test_where_it_is_written(hostile: Path, tmp_path: Path, cli: Cli) -> None:
    code, out, _ = cli("report", hostile)
    assert code == 0 and out == f"{hostile / 'report.html'}\n"
    assert Run(hostile).report() == hostile / "report.html"
    assert Run(hostile).report(tmp_path / "r.html").read_text() == report(hostile)
    (tmp_path / "mine.html").write_text("<p>mine")
    with pytest.raises(ExistsError):
        write_report(hostile, tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "<p>mine"
    with pytest.raises(WriteError, match="there is no folder"):
        write_report(hostile, tmp_path / "none/r.html")
    with pytest.raises(NoRunError, match="is not a folder"):
        write_report(tmp_path / "none")


@quick
def test_a_cross_validation_names_its_folds(tmp_path: Path) -> None:
    for fold in (0, 1):
        (tmp_path / f"fold-{fold}").mkdir()
        (tmp_path / f"fold-{fold}/config.yaml").write_text("net: x\n")
    with pytest.raises(NoRunError) as caught:
        report(tmp_path)
    assert caught.value.help == f"name one of its 2 folds, like {tmp_path / 'fold-0'}"
