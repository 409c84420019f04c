"""Cross-validation: every fold trained once, its scores and their mean, and how it goes on after an end in between."""

import json
import math
import shutil
from statistics import mean, stdev

import numpy as np
import pytest

from netspec.core.errors import UsageError
from netspec.training.crossval import CrossValidation, FoldScore, begin, fold_runs, fold_scores, is_crossval, resumed
from netspec.training.feeds import open_named
from netspec.training.runs import read

NET = """name: tiny
layers:
  - {name: data, type: Input, shape: [4, 3], top: [data]}
  - {name: label, type: Input, shape: [4], top: [label]}
  - {name: fc, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
  - {name: loss, type: SoftmaxWithLoss, bottom: [fc, label]}
  - {name: accuracy, type: Accuracy, bottom: [fc, label], include: {phase: TEST}}
"""
SOLVER = """net: net.yaml
base_lr: 0.1
lr_policy: fixed
max_iter: 4
snapshot: 2
test_initialization: false
data:
  all: {source: {type: Arrays, outputs: [x.npy, y.npy]}, split: {train: 0.7, validation: 0.1, test: 0.2}}
  train: {batch_size: 4}
  validation: {batch_size: 4}
  test: {batch_size: 4}
"""
N = 35


@pytest.fixture
def folder(here):
    random = np.random.default_rng(2)
    labels = random.integers(0, 2, N)
    np.save("x.npy", np.eye(3)[labels] + 0.3 * random.normal(size=(N, 3)))
    np.save("y.npy", labels)
    (here / "net.yaml").write_text(NET)
    (here / "solver.yaml").write_text(SOLVER)
    return here


def test_folds_are_trained_and_go_on_where_they_ended(folder, cli):
    code, out, _ = cli("crossval", "solver.yaml", "--folds", "3", "--format", "json")
    whole = json.loads(out)
    assert code == 0
    runs = fold_runs(folder / "runs" / "solver-cv-1")
    assert [run.name for run in runs] == ["fold-0", "fold-1", "fold-2"]
    for name, score in whole["scores"].items():
        feed, _, blob = name.partition("/")
        every = [[e for e in read(run).events if getattr(e, "feed", None) == feed][-1].outputs[blob] for run in runs]
        assert score["folds"] == every
        assert [score["mean"], score["deviation"]] == pytest.approx([mean(every), stdev(every)])
    assert list(whole["scores"]) == ["validation/accuracy", "validation/loss", "test/accuracy", "test/loss"]

    # a solver that changes, a fold that is missing, one that ended half-way: the answer is the same
    (folder / "solver.yaml").write_text(SOLVER.replace("0.1", "0.2"))
    shutil.rmtree(runs[1])
    (runs[2] / "snapshots" / "iter_000004.safetensors").unlink()
    lines = (runs[2] / "metrics.jsonl").read_text().splitlines(keepends=True)
    (runs[2] / "metrics.jsonl").write_text("".join(lines[:1]))
    code, out, err = cli("crossval", "runs/solver-cv-1", "--format", "json")
    assert (code, json.loads(out)) == (0, whole)
    assert "fold 0 of 3 is there" in err

    shutil.rmtree(runs[1] / "snapshots")  # a fold that was killed before its first snapshot
    (runs[1] / "metrics.jsonl").write_text("")
    code, out, _ = cli("crossval", "runs/solver-cv-1", "--format", "json")
    assert (code, json.loads(out)) == (0, whole)

    code, out, _ = cli("runs", "list", "--format", "json")
    assert {one["name"].rpartition("/")[2] for one in json.loads(out)} == {"fold-0", "fold-1", "fold-2"}
    code, out, _ = cli("crossval", "runs/solver-cv-1", "-q", "--format", "csv")
    assert out.splitlines()[0] == "score,mean,deviation,fold_0,fold_1,fold_2"


def test_test_parts_of_all_folds_are_disjoint_and_cover_all(folder):
    whole, first = begin("solver.yaml", [], 4, folder / "cv")
    assert whole == CrossValidation(folder / "cv", 4)
    seen = []
    every = first.spec.data.all
    for fold in range(4):
        parts = every.model_copy(update={"fold": fold}).open(first.base).parts
        assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(N))
        seen += parts["test"].tolist()
    assert sorted(seen) == list(range(N))
    assert len(open_named(first, "test", "TEST", 1)) in (8, 9)


def test_scores_over_folds():
    scores = fold_scores([{"a": 1.0, "b": 5.0}, {"a": 2.0}, {"a": 6.0, "b": 5.0}])
    assert scores == [FoldScore("a", (1.0, 2.0, 6.0))]
    assert (scores[0].mean, scores[0].deviation) == (3.0, pytest.approx(math.sqrt(7)))
    assert math.isnan(FoldScore("a", (1.0,)).deviation)


def test_what_cannot_be_cross_validated(folder):
    with pytest.raises(UsageError, match="no `data: all:`"):
        begin("lenet", [], None, None)
    (folder / "cv" / "other").mkdir(parents=True)
    with pytest.raises(UsageError, match="already holds files"):
        begin("solver.yaml", [], None, folder / "cv")
    assert not is_crossval(folder / "cv")


def test_the_number_of_folds_stays(folder, cli):
    assert cli("crossval", "solver.yaml", "data.all.folds=2", "-o", "cv", "-q")[0] == 0
    assert resumed(folder / "cv", None) == resumed(folder / "cv", 2) == CrossValidation(folder / "cv", 2)
    with pytest.raises(UsageError, match="has 2 folds, not 3"):
        resumed(folder / "cv", 3)
    assert cli("crossval", "cv", "base_lr=1")[0] == 2
