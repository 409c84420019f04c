"""`netspec show`, from words to a picture; and its twin in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import netspec
from netspec.core.errors import UsageError
from tests.helpers.looked_at import trained
from tests.helpers.stderr import quiet

pytest.importorskip("matplotlib")
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> Path:
    return trained(tmp_path_factory.mktemp("show") / "tiny", arrays)


def wide(file: Path) -> int:
    """The width of a picture in pixels."""
    with Image.open(file) as picture:
        return picture.width


def test_it_says_what_it_drew_and_where(cli: Cli, folder: Path) -> None:
    code, out, err = cli("show", folder, "embedding", "--blob", "ip", "--on", "train", "--samples", 9)
    assert code == 0 and quiet(err), err
    assert out.startswith(f"{folder / 'show' / 'embedding-ip.png'}: 'ip' of 9 samples: ")
    assert wide(folder / "show" / "embedding-ip.png") > 500


def test_a_net_with_weights(cli: Cli, folder: Path, tmp_path: Path) -> None:
    code, out, err = cli("show", folder / "config.yaml", "filters", "--weights", folder, "-o", tmp_path / "f.png")
    assert code == 0 and "conv (Convolution): weights 2x1x3x3" in out and "4 params loaded" in err
    assert (tmp_path / "f.png").stat().st_size > 1000


def test_mistakes_are_one_sentence(cli: Cli, folder: Path, tmp_path: Path) -> None:
    for words, said in (
        ((folder, "regions"), "NS880"),
        ((folder, "saliency", "--class", "7"), "NS881"),
        ((tmp_path / "none", "filters"), "there is no run or snapshot"),
        ((folder, "filters", "--blob", "ip"), "--blob does not go with filters"),
    ):
        code, out, err = cli("show", *words)
        assert code == 2 and not out and said in err and "Traceback" not in err


def test_the_twin_in_python(folder: Path, tmp_path: Path) -> None:
    run = netspec.Run(folder)
    path = run.show("saliency", tmp_path / "s.png", input=["0", "2"], class_="1")
    assert path == tmp_path / "s.png" and wide(path) > 500
    assert run.show("filters") == folder / "show" / "filters.png"
    with pytest.raises(UsageError, match="--each does not go with embedding"):
        run.show("embedding", each=True)
