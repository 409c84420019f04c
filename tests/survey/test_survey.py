"""Surveys and findings: every fault that is planted is found, and data without faults are praised."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.sources.base import ArrayDataset
from netspec.survey.findings import findings
from netspec.survey.sets import Sample
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
