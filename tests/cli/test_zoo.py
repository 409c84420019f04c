"""`netspec zoo`: what it says of each net and solver."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

Cli = Callable[..., tuple[int, str, str]]


def test_the_list_in_every_form(cli: Cli) -> None:
    nets = {net["name"]: net for net in json.loads(cli("zoo", "list", "--format", "json")[1])}
    assert nets["lenet"]["macs"] == 2_293_000
    own = {"solver": "lenet", "data": "bundled", "reached": {"accuracy": 0.8865}, "bundled": True}
    assert own in nets["lenet"]["recipes"]
    assert [one["bundled"] for one in nets["resnet20"]["recipes"]] == [True, False, False, True]
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(cli("zoo", "list", "--format", "csv")[1]))}
    assert (rows["mlp"]["bundled"], rows["mlp"]["reached"]) == ("mlp", "mlp accuracy=0.872")
    assert rows["resnet20"]["bundled"] == "overfit_resnet20 resnet8_fashion"
    assert "| lenet | 431,080 | 2.29 M | lenet | bundled | 0.8865 |" in cli("zoo", "list", "--format", "md")[1]


def test_a_solver_of_a_nets_name_can_be_shown(cli: Cli) -> None:
    assert "\nlayers:" in cli("zoo", "show", "lenet")[1]
    assert "\nbase_lr:" in cli("zoo", "show", "lenet", "--solver")[1]
    assert "\nbase_lr:" in cli("zoo", "show", "overfit_resnet20")[1]
