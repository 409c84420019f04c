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
def bind_all():
    """A transform from its fields, bound to all outputs of samples: a function of (outputs, indices, epoch).

    `run.setting` is its setting, `run.transform` the transform. Nothing may be written to what it gets.
    """

    def bind_all(type, shapes, phase="TRAIN", real=np.float32, seed=3, training=(), **fields):
        transform = TRANSFORMS.parse({"type": type, **fields})
        data = ArrayDataset("data", tuple(f"array {i}" for i in range(len(shapes))), tuple(map(_one, shapes)))
        known = {}

        def computed(shape, compute):
            return known.setdefault(shape, compute() if shape not in known else None)

        setting = Setting(phase, shapes, real, f"{type} 0", lambda path: None, lambda: iter(training), computed, data)
        after = transform.bound_shapes(setting)
        apply = transform.bind_all(setting)

        def run(*batch, index=None, epoch=0):
            index = np.arange(len(batch[0])) if index is None else np.asarray(index)
            before = [[one.copy() for one in output] for output in batch]
            done = apply(batch, Draw(seed, np.full_like(index, epoch), index))
            for output, old in zip(batch, before, strict=True):
                for one, other in zip(output, old, strict=True):
                    np.testing.assert_array_equal(one, other)
            assert [output.shape for output in done] == [(len(index), *shape) for shape in after]
            return done

        run.setting, run.transform = setting, transform
        return run

    return bind_all


def _one(shape):
    return np.zeros((1, *(max(size, 1) for size in shape)))


@pytest.fixture
def photos():
    """Five images (3, 6, 8) of bytes, random and so of all colours; the last one is grey."""
    x = np.random.default_rng(8).integers(0, 256, (5, 3, 6, 8)).astype(np.uint8)
    x[4] = x[4, :1]
    return x


@pytest.fixture
def images():
    """Seven images of 2x5x6 bytes, each value told apart from its neighbours."""
    return (np.arange(7 * 2 * 5 * 6) % 251).astype(np.uint8).reshape(7, 2, 5, 6)
