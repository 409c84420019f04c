"""Surveys and findings: every fault that is planted is found, and data without faults are praised."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from netspec.core.errors import DataError
from netspec.data.sources.base import SOURCES, ArrayDataset
from netspec.survey.findings import findings
from netspec.survey.sets import NoSetError, Sample, sets
from netspec.survey.sheet import _said as said
from netspec.survey.sheet import sheet
from netspec.survey.survey import survey


class Named(ArrayDataset):
    """Arrays whose labels have names."""

    def classes(self, output):
        return ("cat", "dog", "emu") if output == 1 else None


def rows(seed, n=12, width=3):
    return np.random.default_rng(seed).normal(size=(n, width))


def found(**arrays):
    """The kinds of findings in sets, each (x, labels), with their places."""
    data = {name: Named(name, (name, name), pair) for name, pair in arrays.items()}
    surveys = [survey(name, one) for name, one in data.items()]
    samples = {name: Sample(name, one) for name, one in data.items()}
    return {one.kind: one.places for one in findings(samples, surveys)}


LABELS = np.arange(12) % 3


def test_sound_data_have_no_findings() -> None:
    assert found(train=(rows(0), LABELS), test=(rows(1), LABELS)) == {}


def test_a_sample_of_two_sets_is_a_leak() -> None:
    test = rows(1)
    test[5] = rows(0)[7]
    labels = LABELS.copy()
    labels[5] = LABELS[7]
    assert found(train=(rows(0), LABELS), test=(test, labels)) == {
        "leak": ("train: sample 7 of train = test: sample 5 of test",)
    }


def test_equal_samples_with_other_labels_contradict_each_other() -> None:
    x = rows(0)
    x[4] = x[2]
    kinds = found(train=(x, LABELS))
    assert kinds["contradiction"] == kinds["equal"] == ("sample 2 of train = sample 4 of train",)


def test_classes_without_training_samples_are_named() -> None:
    assert found(train=(rows(0), LABELS % 2), test=(rows(1), LABELS)) == {"untrained_class": ("test: 'emu'",)}
    assert found(train=(rows(0), LABELS % 2), test=(rows(1), LABELS % 2)) == {"empty_class": ("'emu'",)}


def test_rare_classes_are_named() -> None:
    labels = np.repeat([0, 1, 2], [30, 28, 3])
    assert found(train=(rows(0, 61), labels)) == {"rare_class": ("'emu': 3",)}


def test_columns_that_never_change_and_values_that_are_missing() -> None:
    x = rows(0)
    x[:, 1] = 2.5
    x[3, 0] = np.nan
    assert found(train=(x, LABELS)) == {"constant": ("feature 1: always 2.5",), "missing": ("train: feature 0: 1",)}


def test_a_survey_counts_and_measures() -> None:
    x = np.random.default_rng(3).integers(0, 256, (11, 2, 5, 7)).astype(np.uint8)
    one = survey("train", Named("train", ("x", "y"), (x, np.arange(11) % 2)))
    assert one.shapes == {(2, 5, 7): 11} and one.classes == {0: 6, 1: 5} and one.samples == 11 and one.images
    for channel, column in enumerate(one.columns):
        values = x[:, channel].astype(np.float64)
        assert column.count == values.size and (column.least, column.most) == (values.min(), values.max())
        assert column.mean == pytest.approx(values.mean(), rel=1e-12)
        assert column.deviation == pytest.approx(values.std(), rel=1e-10)


class Torn(Named):
    """Data of which two samples cannot be read."""

    def read(self, index):
        if set(index) & {3, 8}:
            raise DataError(f"file {index[0]} is broken")
        return super().read(index)


def test_samples_that_cannot_be_read_are_named_and_the_others_looked_at() -> None:
    data = Torn("torn", ("x", "y"), (rows(0), LABELS))
    one = survey("all", data)
    assert one.broken == (("sample 3 of x", "file 3 is broken"), ("sample 8 of x", "file 8 is broken"))
    assert sum(one.shapes.values()) == 10
    (finding,) = findings({"all": Sample("all", data)}, [one])
    assert finding.kind == "broken" and finding.places == ("all: file 3 is broken", "all: file 8 is broken")


def drawn(folder, names, sizes=((8, 6),)):
    """A folder with an image of each name, which has another grey each."""
    for i, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(sizes[i % len(sizes)], 20 * i, np.uint8)).save(path)
    return str(folder)


def test_a_folder_is_looked_at_whatever_is_wrong_with_it(tmp_path) -> None:
    folder = drawn(tmp_path / "x", ["a/1.png", "a/2.png", "b/3.png"])
    (tmp_path / "x" / "a" / "4.png").write_text("no image")
    (tmp_path / "x" / "b" / "5.png").write_text("")
    (tmp_path / "x" / "empty").mkdir()
    (sample,) = sets(folder, []).values()
    one = survey("all", sample.data)
    assert one.samples == 5 and len(one.broken) == 2
    kinds = {finding.kind: finding.places for finding in findings({"all": sample}, [one])}
    assert kinds["empty_class"] == ("'empty'",) and len(kinds["broken"]) == 2


def test_folders_called_train_and_test_are_sets(tmp_path) -> None:
    folder = drawn(tmp_path / "x", ["train/a/1.png", "train/b/2.png", "Test/a/3.png", "Test/b/4.png"])
    found = sets(folder, [])
    assert {name: sample.data.classes(1) for name, sample in found.items()} == dict.fromkeys(
        ("train", "test"), ("a", "b")
    )
    assert list(sets(folder, [], ["test"])) == ["test"]


def test_a_folder_has_no_values_to_change(tmp_path) -> None:
    with pytest.raises(NoSetError, match="no values to change, such as 'a=1'"):
        sets(drawn(tmp_path / "x", ["a/1.png", "b/2.png"]), ["a=1"])


def test_images_beside_folders_are_all_looked_at(tmp_path) -> None:
    folder = drawn(tmp_path / "x", ["1.png", "2.png", "more/3.png"])
    (sample,) = sets(folder, []).values()
    assert len(sample.data) == 3 and sample.data.classes(1) is None


def test_a_sheet_of_a_folder_has_samples_of_all_classes_in_one_size(tmp_path) -> None:
    names = [f"{label}/{i}.png" for label in "abc" for i in range(4)]
    (sample,) = sets(drawn(tmp_path / "x", names, ((600, 400), (30, 90))), []).values()
    page = sheet(sample, 3, 3)
    width = (page.width - 4) // 3  # of one with the gap
    assert page.width <= 400 and page.height < 160
    assert [page.getpixel((4 + width * k + width // 2, 10))[0] for k in range(3)] == [0, 80, 160]


def test_labels_of_a_sheet_are_in_letters_that_the_font_has() -> None:
    assert said(np.array(0), ("Äpfel & Süßes",), 600) == "Apfel & Susses"
    assert said(np.array(1), ("a", "猫 2"), 600) == "? 2"


def test_features_of_a_table_go_by_their_names(tmp_path) -> None:
    lines = "".join(f"{i / 2},{'xy'[i % 2]},{'' if i == 3 else i},{'ab'[i % 2]}\n" for i in range(8))
    (tmp_path / "t.csv").write_text(f"size,kind,n,label\n{lines}")
    fields = {
        "type": "Csv",
        "file": str(tmp_path / "t.csv"),
        "label": "label",
        "categories": ("kind",),
        "missing": "keep",
    }
    data = SOURCES.parse(fields).open(None)
    one = survey("all", data)
    assert one.titles == ("size", "kind=x", "kind=y", "n")
    (finding,) = findings({"all": Sample("all", data)}, [one])
    assert finding.places == ("all: n: 1",)
