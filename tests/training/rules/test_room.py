"""Every rule finds fault with its example, and lets the one beside it pass."""

from __future__ import annotations

import pytest

from netspec.core.errors import Caution, NetspecError
from netspec.training.job import load_solver
from netspec.training.probing import probe
from netspec.training.rehearsal import rehearse
from netspec.training.rules.base import RULES, Example, Judgement, Known, judge
from netspec.training.rules.probed.base import PROBED, ProbeRule
from netspec.training.rules.recorded.base import RECORDED, HistoryRule

EVERY: list[type[Judgement]] = [*RULES.members(), *PROBED.members(), *RECORDED.members()]


def found(rule: type[Judgement], example: Example) -> list[NetspecError]:
    """What all rules of its room, and those of every training, say of an example of a rule."""
    job = load_solver(dict(example.solver))
    try:
        feeds, warnings = rehearse(job)
    except NetspecError as error:
        return list(error.errors())
    if issubclass(rule, ProbeRule):
        return [*warnings, *judge(Known(job.nets, job, feeds, probe=probe(job, feeds)), room=PROBED)]
    if issubclass(rule, HistoryRule):
        return [*warnings, *judge(Known(job.nets, job, history=example.history), room=RECORDED)]
    return judge(Known(job.nets, job, feeds, losses=example.losses)) if example.losses else warnings


@pytest.mark.parametrize("rule", EVERY)
def test_an_example_is_judged_and_its_neighbour_passes(rule: type[Judgement]) -> None:
    wrong, fine = found(rule, rule.wrong), found(rule, rule.fine)
    assert [type(each) for each in wrong] == [rule.finding]
    assert all(each.message and each.help for each in wrong)
    assert not fine
    assert issubclass(rule.finding, Caution) == (rule.finding.severity == "warning")
    assert rule.finding.code not in {other.finding.code for other in EVERY if other is not rule}


@pytest.mark.parametrize("rule", EVERY)
def test_a_rule_that_knows_nothing_says_nothing(rule: type[Judgement]) -> None:
    assert list(rule().judge(Known({}))) == []
