"""Pad: sequences of any length as recurrent layers want them."""

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import Draw
from netspec.data.transforms.pad import LongSequenceError

SEQUENCES = [np.arange(2.0 * steps).reshape(steps, 2) + 10 * steps for steps in (3, 1, 5)]
TARGETS = [np.arange(len(sequence)) % 3 for sequence in SEQUENCES]
SHAPES = ((-1, 2), (-1,))


def test_step_by_step(bind_all):
    run = bind_all("Pad", SHAPES, length=6, value=-7, cont=True)
    done = run.transform.bind_all(run.setting)((SEQUENCES, TARGETS), Draw(1, np.zeros(3, int), np.arange(3)))
    x, targets, lengths, cont = done
    assert targets is TARGETS and x.shape == (3, 6, 2)
    for n, sequence in enumerate(SEQUENCES):
        for t in range(6):
            wanted = sequence[t].tolist() if t < len(sequence) else [-7, -7]
            assert x[n, t].tolist() == wanted
            assert cont[n, t] == (t > 0)
    assert lengths.tolist() == [3, 1, 5]
    assert run.transform.output_shapes(SHAPES) == ((6, 2), (-1,), (), (6,))


def padded(bind_all, **fields):
    run = bind_all("Pad", SHAPES, **fields)
    return run.transform.bind_all(run.setting)((SEQUENCES, TARGETS), Draw(1, np.zeros(3, int), np.array([4, 8, 6])))


def test_sequences_that_are_too_long(bind_all):
    with pytest.raises(LongSequenceError, match="sample 6 of array 0 has 5 steps, more than the length of 4"):
        padded(bind_all, length=4)
    for longer, kept in (("cut_end", slice(None, 2)), ("cut_begin", slice(-2, None))):
        x, _, lengths = padded(bind_all, length=2, longer=longer)
        np.testing.assert_array_equal(x[2], SEQUENCES[2][kept])
        np.testing.assert_array_equal(x[0], SEQUENCES[0][kept])
        assert lengths.tolist() == [2, 1, 2]


def test_targets_of_each_step(bind_all):
    _, y = padded(bind_all, length=6, value=-1, output=1, lengths=False)
    assert y.tolist() == [[0, 1, 2, -1, -1, -1], [0, -1, -1, -1, -1, -1], [0, 1, 2, 0, 1, -1]]


def test_sequences_of_one_length_are_padded_too(bind_all):
    x, lengths = bind_all("Pad", ((3, 2),), length=4)(np.ones((5, 3, 2)))
    assert x[:, 3].max() == 0 and lengths.tolist() == [3] * 5


@pytest.mark.parametrize("shape", [(), (-1, -1)])
def test_what_is_no_sequence(bind_all, shape):
    with pytest.raises(ShapeError, match="Pad takes sequences"):
        bind_all("Pad", (shape,), length=4)


def test_an_lstm_reads_it():
    """With the lengths the steps behind a sequence's end count for nothing: any value may stand there."""
    from netspec import Net

    layers = [
        {"name": "data", "type": "Input", "top": ["x", "lengths"], "shape": [[6, 3, 2], [3]], "batch_axis": [1, 0]},
        {"name": "lstm", "type": "LSTM", "bottom": ["x", "lengths"], "num_output": 4, "lengths": True,
         "weight_filler": "xavier"},
    ]  # fmt: skip
    net = Net({"name": "n", "layers": layers}, phase="TEST")
    tops = []
    for value in (0.0, 9.0):
        x = np.full((3, 6, 2), value, np.float32)
        for n, sequence in enumerate(SEQUENCES):
            x[n, : len(sequence)] = sequence / 50
        tops.append(net.forward(x=x.transpose(1, 0, 2), lengths=np.array([3, 1, 5]))["lstm"].copy())
    np.testing.assert_array_equal(*tops)
