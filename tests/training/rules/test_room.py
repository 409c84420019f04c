"""Every rule finds fault with its example, and lets the one beside it pass."""

from __future__ import annotations

import pytest

from netspec.core.errors import Caution, NetspecError
from netspec.training.job import load_solver
from netspec.training.probing import probe
from netspec.training.rehearsal import rehearse
from netspec.training.rules.base import RULES, Example, Known, Rule, judge


def found(example: Example) -> list[NetspecError]:
    """What all rules say of an example."""
    job = load_solver(dict(example.solver))
    try:
        feeds, warnings = rehearse(job)
    except NetspecError as error:
        return list(error.errors())
    if not (example.losses or example.history or example.probed):
        return warnings
    seen = probe(job, feeds) if example.probed else None
    return judge(Known(job.nets, job, feeds, None, example.losses, seen, example.history), "warning")


@pytest.mark.parametrize("rule", RULES.members())
def test_an_example_is_judged_and_its_neighbour_passes(rule: type[Rule]) -> None:
    wrong, fine = found(rule.wrong), found(rule.fine)
    assert [type(each) for each in wrong] == [rule.finding]
    assert all(each.message and each.help for each in wrong)
    assert not fine
    assert issubclass(rule.finding, Caution) == (rule.finding.severity == "warning")
    assert rule.finding.code not in {other.finding.code for other in RULES.members() if other is not rule}


@pytest.mark.parametrize("rule", RULES.members())
def test_a_rule_that_knows_nothing_says_nothing(rule: type[Rule]) -> None:
    assert list(rule().judge(Known({}))) == []
