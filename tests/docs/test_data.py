"""The page "Your own data": its YAML opens small data, its tables name real fields, its commands and Python run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netspec
from netspec.data.feed import Feed, open_feed
from netspec.data.sources.base import SOURCES
from netspec.data.transforms.base import TRANSFORMS
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.training.job import PHASES, load_solver
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.S | re.M)
FEEDS = [block for block in BLOCKS if block.startswith("data:")]
SOURCE_LINES = [line for block in BLOCKS if block.startswith("source:") for line in block.splitlines()]
LAYERS = [block for block in BLOCKS if block.startswith("layers:")]
COMMANDS = [
    line.split(" #")[0].strip()
    for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)
    for line in (block.splitlines() if not language else ())
]
NAMES = {"cat", "dog"}


def _images(folder: Path, each: int, side: int) -> None:
    """JPEGs of two classes, one darker than the other, from `side` pixels on."""
    dice = np.random.default_rng(side)
    for bright, name in enumerate(sorted(NAMES)):
        (folder / name).mkdir(parents=True)
        for number in range(each):
            pixels = dice.integers(100 * bright, 100 * bright + 150, (side, side, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.jpg")


def _tables(folder: Path) -> None:
    rows = [f"{n},{('red', 'blue')[n % 2]},{'ab'[n // 2 % 2]},{n % 7},{n * 31 % 97}.5,{('hut', 'villa')[n // 3 % 2]}\n"
            for n in range(100)]  # fmt: skip
    for name in ("houses.csv", "houses_test.csv"):
        (folder / name).write_text("id,color,roof_form,rooms,price,kind\n" + "".join(rows))
    (folder / "song.txt").write_text("la la lo, la li lo la.\n" * 200)
    (folder / "iris.csv").write_bytes((ROOT / "netspec/bundled/iris/iris.csv").read_bytes())
    (folder / "new_flowers.csv").write_bytes((folder / "iris.csv").read_bytes())


def _lists(folder: Path) -> None:
    for name in ("1.jpg", "face.jpg", "photo.jpg", "new.jpg"):
        (folder / name).write_bytes((folder / "photos/cat/1.jpg").read_bytes())
    Image.fromarray(np.eye(28, dtype=np.uint8)).save(folder / "1_labels.png")
    comments = [line.split("# ")[1].split(": ")[0] for line in SOURCE_LINES if "ImageList" in line]
    for name, line in zip(("train", "faces", "list", "roads", "all"), comments, strict=True):
        (folder / f"{name}.txt").write_text(f"{line}\n" * 3)


def _stores(folder: Path) -> None:
    h5py, lmdb = pytest.importorskip("h5py"), pytest.importorskip("lmdb")
    from netspec.formats.datum import written

    with h5py.File(folder / "train.h5", "w") as file:
        file["data"], file["label"] = np.zeros((3, 5), np.float32), np.arange(3)
    (folder / "train_files.txt").write_text("train.h5\n")
    for name in ("train_lmdb", "test_lmdb"):
        with lmdb.open(str(folder / name), map_size=1 << 22) as database, database.begin(write=True) as turn:
            for number in range(4):
                turn.put(b"%04d" % number, written(np.zeros((1, 28, 28), np.uint8), number))
    (folder / "mnist").mkdir()
    for name, shape in (("images-idx3", (4, 28, 28)), ("labels-idx1", (4,))):
        head = bytes([0, 0, 8, len(shape), *(byte for size in shape for byte in size.to_bytes(4, "big"))])
        for part in ("train", "t10k"):
            (folder / "mnist" / f"{part}-{name}-ubyte").write_bytes(head + bytes(int(np.prod(shape))))
    (folder / "cifar").mkdir()
    for part in ("train", "test"):
        (folder / "cifar" / f"{part}.bin").write_bytes(bytes(2 * 3074))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data_page")
    for name, each, side in (("photos", 30, 28), ("more", 12, 28), ("more_photos", 2, 40)):
        _images(folder / name, each, side)
    for part in ("train", "test"):
        _images(folder / "scenes" / part, 12, 70)
    _tables(folder)
    _lists(folder)
    _stores(folder)
    np.save(folder / "images.npy", np.zeros((4, 3, 28, 28), np.uint8))
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def _opened(folder: Path, text: str) -> dict[str, Feed]:
    """The feeds of a solver whose `data` are written so, by their names."""
    settings = "net: lenet\nbase_lr: 0.01\nlr_policy: fixed\nmax_iter: 1\n"
    (folder / "page_solver.yaml").write_text(settings + text)
    data = load_solver("page_solver.yaml").spec.data
    feeds = {}
    for name in ("train", *data.scored):
        spec = data.named(name)
        assert spec is not None
        feeds[name] = open_feed(spec, "TRAIN" if name == "train" else "TEST", 1, folder, train=data.train)
    return feeds


@pytest.mark.parametrize("number", range(len(FEEDS)))
def test_data_open_and_are_read(number: int, folder: Path) -> None:
    for feed in _opened(folder, FEEDS[number]).values():
        assert len(feed) >= 2
        for array, shape in zip(feed.batch(0, 2), feed.shapes, strict=True):
            assert array.shape == (2, *shape) and np.isfinite(array).all()


@pytest.mark.parametrize("line", SOURCE_LINES, ids=lambda line: line.split(",")[0].removeprefix("source: {type: "))
def test_a_source_opens(line: str, folder: Path) -> None:
    feeds = _opened(folder, f"data:\n  train:\n    batch_size: 1\n    {line}\n")
    assert feeds["train"].batch(0, 1)[0].shape == (1, *feeds["train"].shapes[0])


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_layers_are_sound(number: int, folder: Path) -> None:
    net = "name: N\n" + LAYERS[number]
    net += "  - {name: ip, type: InnerProduct, bottom: data, num_output: 10}\n"
    net += "  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}\n"
    (folder / "net.yaml").write_text(net)
    for phase in PHASES:
        shaped = load_net("net.yaml", state=State(phase))
        assert shaped.top_shapes(shaped.graph.nodes[-1])[0] == ()


def test_the_page_names_every_source_and_transform() -> None:
    for room in (SOURCES, TRANSFORMS):
        assert {word for word in room.words() if f"`{word}`" not in PAGE} == set()


def test_the_tables_name_fields_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", PAGE, re.M)
    assert {word for word, _ in rows} == set(TRANSFORMS.words())
    for word, fields in rows:
        named, known = set(re.findall(r"`(\w+)`", fields)), set(TRANSFORMS.get(word).model_fields)
        assert named and named <= known, f"{word} has no {named - known}"


def test_sentences_about_tables_name_every_field_of_csv() -> None:
    part = PAGE[PAGE.index("### Tables") : PAGE.index("### HDF5")]
    fields = set(SOURCES.get("Csv").model_fields) - {"file", "type"}
    assert {field for field in fields if not re.search(rf"\b{field}\b", part)} == set()


def test_links_lead_to_headings() -> None:
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")}
    assert set(re.findall(r"\]\(#(.*?)\)", PAGE)) <= headings


def test_the_options_of_the_page_exist(cli: Callable[..., tuple[int, str, str]]) -> None:
    for line in re.findall(r"netspec [^`\n#]*--[^`\n#]*", PAGE):
        words = line.split()
        command = words[1:3] if words[1] == "data" else words[1:2]
        _, shown, _ = cli(*command, "--help")
        assert {option for option in re.findall(r"--[a-z-]+", line) if option not in shown} == set(), line
    _, shown, _ = cli("predict", "--help")
    table = PAGE[PAGE.index("| option | what |") : PAGE.index("**The deploy view.**")]
    asked = set(re.findall(r"`(--[a-z]+)", table)) | {"--start", "--temperature", "--seed"}
    assert {option for option in asked if option not in shown} == set()


def test_commands_that_look_at_data(folder: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    first = COMMANDS.index("netspec init photos/")
    for line in (COMMANDS[first], *(each for each in COMMANDS if each.startswith("netspec data"))):
        code, _, err = cli(*line.split()[1:])
        assert code == 0, err
    for name in ("seen.png", "test.h5", "mean.binaryproto", "photos_net.yaml", "photos_solver.yaml"):
        (folder / name).unlink()


def _shortened(folder: Path) -> Iterator[str]:
    """The commands of the page in their order, with what a reader has done between them."""
    iris = ["netspec init iris.csv", "netspec train iris_solver.yaml max_epoch=2"]
    yield from iris
    for line in COMMANDS:
        if line.startswith("netspec train"):
            solver = folder / "photos_solver.yaml"
            solver.write_text(re.sub("max_epoch: .*", "max_epoch: 1", solver.read_text()))
        yield line
    yield from re.findall(r"`(netspec (?:baseline|crossval) (?:photos|runs)[^`]*)`", PAGE)


@pytest.mark.long
def test_every_command_runs(folder: Path) -> None:
    tools = folder / "tools"
    tools.mkdir()
    (tools / "netspec").write_text(f'#!/bin/sh\nexec {sys.executable} -m netspec "$@"\n')
    (tools / "netspec").chmod(0o755)
    env = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    for line in _shortened(folder):
        done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    scope: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```$", PAGE, re.S | re.M)[0], scope)
    assert isinstance(scope["predictor"], netspec.Predictor)
    assert {name for name, _ in scope["answers"].top(3)[0]} == NAMES and not scope["answers"].errors
