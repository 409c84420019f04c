"""The zoo's recurrent nets, trained a little: they learn what they are for."""

from __future__ import annotations

from netspec.training.job import load_solver
from netspec.training.session import Session


def mean_loss(name: str, first: int, last: int, *overrides: str) -> float:
    """The mean loss of the iterations from `first` to just before `last`."""
    one = Session(load_solver(name, (*overrides, "test_interval=1000000")))
    losses = [one.step() for _ in range(last)]
    one.close()
    return sum(losses[first:]) / (last - first)


def test_char_lstm_soon_knows_more_than_how_often_characters_come() -> None:
    """Single characters of the text have 2.86 nats; a net that knows nothing loses 4.16."""
    assert mean_loss("char_lstm", 60, 70, "net.layers.lstm.num_output=64", "base_lr=0.01") < 2.6


def test_adding_gru_adds_short_sequences() -> None:
    """Whoever always says 1 loses 0.0833."""
    short = ("net.layers.data.shape=[[10,32,2],[32,1]]", "net.layers.steps.slice_point=9", "base_lr=0.01")
    steps = ("data.train.source.steps=10", "data.test.source.steps=10")
    assert mean_loss("adding_gru", 350, 400, *short, *steps) < 0.03
