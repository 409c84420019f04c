"""Labels in random wirings: a wrong label is found exactly where a reader meets it, as NumPy follows it there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.labels import BadLabelError
from netspec.training.feeds import open_phase
from netspec.training.job import load_solver
from tests.helpers.mutations import seeds
from tests.helpers.wirings import Wiring, random_wiring

BATCH = 4


@pytest.mark.parametrize("seed", seeds(40))
def test_a_wrong_label_is_found_exactly_where_it_is_read(seed: int, tmp_path: Path) -> None:
    random = np.random.default_rng([10, seed])
    phase, cut = ("TRAIN", "TEST")[seed % 2], seed % 5 == 0
    wiring = random_wiring(random, phase, BATCH, cut)
    count = BATCH * 3 + (3 if phase == "TEST" or not cut else 0)
    least = min(reader.classes for reader in wiring.readers)
    labels = {
        name: random.integers(0, least, (count, *shape)).astype(float)
        for name, shape in wiring.inputs.items()
        if name.startswith("label")
    }
    planted = wiring.pick(None, 0.0, 2.0, 3.0, 4.0, 5.0, -1.0, 1.5, float("nan"), 255.0)
    if planted is not None:
        wiring.pick(*labels.values()).reshape(-1)[random.integers(0, count)] = planted
    expected = set()
    for start in range(0, count, BATCH):
        expected |= wiring.faults({name: array[start : start + BATCH] for name, array in labels.items()})
    job = load_solver(solver(wiring, labels, count, tmp_path, shuffle=not cut and phase == "TRAIN"))
    if not expected:
        open_phase(job, phase, 1)  # type: ignore[arg-type]
        return
    with pytest.raises(BadLabelError) as caught:
        open_phase(job, phase, 1)  # type: ignore[arg-type]
    assert expected == {str(planted)}
    assert f" has the label {planted}" in caught.value.message
    assert (caught.value.code, caught.value.exit_code) == ("NS610", 4)


def solver(wiring: Wiring, labels: dict[str, Any], count: int, folder: Path, shuffle: bool) -> dict[str, Any]:
    """A solver of the wiring on files of its labels, and on zeros for its scores."""
    inputs = {"x": (1,), **wiring.inputs}
    for name, shape in inputs.items():
        np.save(folder / f"{name}.npy", labels.get(name, np.zeros((count, *shape))))
    layers = [
        {"name": f"{name}_input", "type": "Input", "top": name, "shape": [BATCH, *shape]}
        for name, shape in inputs.items()
    ]
    learned = [
        {"name": "ip", "type": "InnerProduct", "bottom": "x", "num_output": 1, "weight_filler": "xavier"},
        {"name": "own", "type": "EuclideanLoss", "bottom": ["ip", "x"]},
    ]
    source = {"type": "Arrays", "outputs": [str(folder / f"{name}.npy") for name in inputs]}
    feed = {"source": source, "batch_size": BATCH, "shuffle": shuffle}
    return {
        "net": {"name": "wiring", "layers": [*layers, *learned, *wiring.ordered()]},
        "data": {"train": feed, "test": feed},
        "base_lr": 0.1,
        "lr_policy": "fixed",
        "max_iter": 1,
    }
