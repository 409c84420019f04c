import numpy as np
import pytest

from netspec.data.sources.base import ArrayDataset
from netspec.data.transforms.base import TRANSFORMS, Draw, Setting


@pytest.fixture
def bind():
    """A transform from its fields, bound to samples of a shape: a function of (batch, indices, epoch)."""

    def bind(type, shape, phase="TRAIN", real=np.float32, seed=3, training=(), load=None, **fields):
        transform = TRANSFORMS.parse({"type": type, **fields})
        transform.output_shape(shape)
        data = ArrayDataset("images", ("images",), (np.zeros((1, *shape)),))
        samples = lambda: ((batch,) for batch in training)  # noqa: E731
        setting = Setting(
            phase, (shape,), real, f"{type} 0", load or (lambda path: None), samples, lambda _, compute: compute(), data
        )
        apply = transform.bind_all(setting)

        def run(x, index=None, epoch=0):
            index = np.arange(len(x)) if index is None else np.asarray(index)
            before = x.copy()
            (y,) = apply((x,), Draw(seed, np.full_like(index, epoch), index))
            np.testing.assert_array_equal(x, before)  # the batch is left alone
            assert y.shape == (len(x), *transform.output_shape(shape))
            return y

        return run

    return bind


@pytest.fixture
def images():
    """Seven images of 2x5x6 bytes, each value told apart from its neighbours."""
    return (np.arange(7 * 2 * 5 * 6) % 251).astype(np.uint8).reshape(7, 2, 5, 6)
