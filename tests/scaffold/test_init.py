"""`netspec init`: what is found, which net is chosen, and that what is written trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.core.errors import NetspecError
from netspec.core.outputs import ExistsError
from netspec.scaffold.columns import NoTargetError, columns
from netspec.scaffold.draft import Template, WrongTemplateError, draft
from netspec.scaffold.look import look
from netspec.scaffold.write import write
from netspec.training.feeds import open_phases
from netspec.training.job import load_solver
from netspec.training.run import run


def begun(path, template=Template.auto, name="mine", target=None, weights=None):
    """The job of a solver that was written for a path; its data are opened too."""
    write(draft(look(path, target), name, template, weights), name, Path())
    job = load_solver(f"{name}_solver.yaml")
    return job, open_phases(job, 1)


def trained(solver, *overrides):
    """The folder of a run of one epoch."""
    folder = Path(f"run_of_{solver}")
    list(run(load_solver(solver, ["max_epoch=1", "display=0", *overrides]), folder))
    return folder


def test_small_grey_images_get_a_small_net(images) -> None:
    job, feeds = begun(images("mine", classes=("ant", "bee", "cow"), each=10))
    assert feeds["train"].shapes == ((1, 28, 24), ())
    assert feeds["train"].data.classes(1) == ("ant", "bee", "cow")
    assert list(feeds) == ["train", "validation", "test"] and sum(map(len, feeds.values())) == 30
    assert job.train.graph.nodes[-1].layer.type == "SoftmaxWithLoss"
    assert not any(node.layer.type == "Eltwise" for node in job.train.graph.nodes)


def test_photographs_of_different_sizes_get_a_residual_net(images) -> None:
    job, feeds = begun(images("mine", each=10, sizes=((150, 170), (131, 120)), colour=True))
    assert feeds["train"].shapes == ((3, 128, 128), ())
    assert any(node.layer.type == "Eltwise" for node in job.train.graph.nodes)
    crop = job.spec.data.train.transform[0]
    assert type(crop).__name__ == "RandomResizedCrop"


def test_folders_called_train_and_test_are_those_feeds(images) -> None:
    images("mine/train")
    images("mine/val", each=3)
    _, feeds = begun("mine")
    assert {name: len(feed) for name, feed in feeds.items()} == {"train": 12, "validation": 6}


@pytest.mark.parametrize("template", [Template.lenet, Template.residual, Template.autoencoder])
def test_every_template_for_images_trains(images, template) -> None:
    images("mine", each=8)
    write(draft(look("mine"), "mine", template), "mine", Path())
    assert (trained("mine_solver.yaml") / "snapshots").is_dir()


def table(tmp_path, monkeypatch, text, name="flowers.csv"):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    return name


def rows(n=40):
    random = np.random.default_rng(1)
    for i in range(n):
        a, b = random.normal(size=2)
        yield i, a, b, ("red", "green")[i % 2], ("low", "mid", "high")[i % 3], 3 * a - b


def test_a_table_with_words_as_target_is_classified(tmp_path, monkeypatch) -> None:
    text = "id,a,b,colour,kind\n" + "".join(f"{i},{a:.4f},{b:.4f},{c},{k}\n" for i, a, b, c, k, _ in rows())
    job, feeds = begun(table(tmp_path, monkeypatch, text))
    assert feeds["train"].shapes == ((4,), ())  # a, b, and colour as two
    assert feeds["train"].data.classes(1) == ("high", "low", "mid")
    assert job.train.blobs[job.train.graph.inputs[0]][1:] == (4,)


def test_a_table_with_real_numbers_as_target_is_regression(tmp_path, monkeypatch) -> None:
    text = "a;b;value\n" + "".join(f"{a:.4f};{b:.4f};{v:.4f}\n" for _, a, b, _, _, v in rows())
    job, feeds = begun(table(tmp_path, monkeypatch, text))
    assert feeds["train"].shapes == ((2,), (1,))
    assert job.train.graph.nodes[-1].layer.type == "EuclideanLoss"
    assert feeds["train"].undo(1) is not None  # predictions are in the table's own units


def test_a_comma_before_a_fraction_is_seen(tmp_path, monkeypatch) -> None:
    text = "a;b;price\n" + "".join(f"{a:.4f};{b:.4f};{v:.4f}\n" for _, a, b, _, _, v in rows()).replace(".", ",")
    _, feeds = begun(table(tmp_path, monkeypatch, text))
    assert feeds["train"].shapes == ((2,), (1,)) and feeds["train"].undo(1) is not None


def test_a_table_of_another_encoding_is_read(tmp_path, monkeypatch) -> None:
    name = table(tmp_path, monkeypatch, "")
    text = "größe,art\n" + "".join(f"{a:.4f},{'grün' if k == 'low' else k}\n" for _, a, _, _, k, _ in rows())
    Path(name).write_bytes(text.encode("cp1252"))
    _, feeds = begun(name)
    assert "grün" in feeds["train"].data.classes(1)


def test_rows_without_a_target_are_left_out(tmp_path, monkeypatch) -> None:
    text = "a,value\n" + "".join(f"{a:.4f},{'' if i % 5 == 0 else v}\n" for i, a, _, _, _, v in rows())
    found = look(table(tmp_path, monkeypatch, text))
    assert found.classes == () and found.rows == sum(i % 5 != 0 for i, *_ in rows())


def test_a_class_of_few_samples_can_be_trained_on(tmp_path, monkeypatch) -> None:
    text = "a,kind\n" + "".join(f"{a:.4f},{'rare' if i == 1 else k}\n" for i, a, _, _, k, _ in rows())
    job, _ = begun(table(tmp_path, monkeypatch, text))
    assert job.spec.data.all.stratify is False


def test_dates_are_no_categories_and_one_value_is_no_target(tmp_path, monkeypatch) -> None:
    text = "day,a,kind\n" + "".join(f"2020-01-{i % 9 + 1:02d},{a:.4f},{k}\n" for i, a, _, _, k, _ in rows())
    assert columns(table(tmp_path, monkeypatch, text), "Csv", None).left == ("day",)
    with pytest.raises(NoTargetError, match="the column 'kind' holds nothing but 'one'"):
        look(table(tmp_path, monkeypatch, "a,kind\n1,one\n2,one\n3,one\n"))
    with pytest.raises(NoTargetError, match="is no table"):
        look(str(tmp_path), "kind")


def test_words_that_hardly_repeat_are_no_classes(tmp_path, monkeypatch) -> None:
    text = "a,b,name\n" + "".join(f"{a:.4f},{b:.4f},name {i}\n" for i, a, b, *_ in rows())
    with pytest.raises(NoTargetError, match=r"different words in .* rows, too many for classes"):
        look(table(tmp_path, monkeypatch, text))


def test_a_broken_image_is_left_out(images) -> None:
    path = images("shots", sizes=((28, 24), (40, 50)))
    Path(path, "cat", "torn.png").write_bytes(Path(path, "cat", "0.png").read_bytes()[:60])
    found = look(path)
    assert found.broken == 1 and str(found).endswith("in 2 classes; 1 file that cannot be read left out")
    _, feeds = begun(path)
    assert len(feeds["train"]) + len(feeds["validation"]) + len(feeds["test"]) == 12


def test_missing_numbers_are_filled(tmp_path, monkeypatch) -> None:
    text = "a,b,kind\n" + "".join(f"{'' if i % 5 == 0 else a:.4},{b:.4f},{k}\n" for i, a, b, _, k, _ in rows())
    _, feeds = begun(table(tmp_path, monkeypatch, text))
    assert np.isfinite(feeds["train"].batch(0, 8)[0]).all()


def test_the_target_can_be_said_and_has_usual_names(tmp_path, monkeypatch) -> None:
    text = "a,label,b\n" + "".join(f"{a:.4f},{k},{b:.4f}\n" for _, a, b, _, k, _ in rows())
    name = table(tmp_path, monkeypatch, text)
    assert columns(name, "Csv", None).target == "label"
    assert columns(name, "Csv", "b").target == "b" and columns(name, "Csv", "b").categories == ("label",)


def test_a_text_gets_a_recurrent_net(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "song.txt").write_text("one two three four five six seven eight nine ten\n" * 100)
    job, feeds = begun("song.txt")
    assert any(node.layer.type == "LSTM" for node in job.train.graph.nodes) and len(feeds["train"])


def test_a_trained_net_goes_on_with_other_classes(images) -> None:
    images("old", classes=("ant", "bee", "cow"), each=8)
    write(draft(look("old"), "old"), "old", Path())
    old = trained("old_solver.yaml")
    images("new", classes=("x", "y"), each=8)
    job, _ = begun("new", name="new", weights=old)
    new = [node.layer for node in job.train.graph.nodes if node.layer.name == "ip2_new"]
    assert [layer.num_output for layer in new] == [2]
    assert (trained("new_solver.yaml") / "snapshots").is_dir()


def test_nothing_is_overwritten(images) -> None:
    images("mine")
    Path("mine_solver.yaml").write_text("mine")
    with pytest.raises(ExistsError):
        begun("mine")
    assert not Path("mine_net.yaml").exists() and Path("mine_solver.yaml").read_text() == "mine"


def test_names_with_odd_letters_are_written_so_that_they_are_read(images) -> None:
    images("it's #1: 100$, {x}", classes=("a b", "c: d"), each=10)
    _, feeds = begun("it's #1: 100$, {x}")
    assert feeds["train"].data.classes(1) == ("a b", "c: d")


def test_a_template_for_other_data_is_refused(images) -> None:
    images("mine")
    with pytest.raises(WrongTemplateError, match="does not fit"):
        draft(look("mine"), "mine", Template.mlp)
    with pytest.raises(WrongTemplateError, match="--weights"):
        draft(look("mine"), "mine", Template.finetune)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("nothing.csv", ""),
        ("header.csv", "a,b,c\n"),
        ("numbers.csv", "1,2,3\n4,5,6\n7,8,9\n"),
        ("alone.csv", "label\na\nb\nc\n"),
        ("short.txt", "too short"),
        ("picture.bmp", "BM"),
    ],
)
def test_what_is_no_data_is_one_clear_error(tmp_path, monkeypatch, name, content) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content)
    with pytest.raises(NetspecError, match=name):
        look(name)
