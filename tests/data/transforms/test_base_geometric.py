"""Groups: neighbours resampled once, with the masks and the numbers that each of them would have alone."""

from types import SimpleNamespace

import numpy as np
import pytest

from netspec.core.shape import ANY
from netspec.data.dataset import Dataset
from netspec.data.feed import open_feed
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import TRANSFORMS, Draw
from netspec.data.transforms.base_geometric import ByteFillError, HugeResultError, Resampling, SmallImageError
from tests.helpers.geometry import pictures


class Held(Dataset):
    """Images, and label pictures beside them."""

    def __init__(self, *outputs, shapes, masks=frozenset()):
        self.outputs, self._shapes, self._masks = outputs, shapes, masks

    shapes = property(lambda self: self._shapes)
    masks = property(lambda self: self._masks)

    def __len__(self):
        return len(self.outputs[0])

    def read(self, index):
        return tuple(
            [output[i] for i in index] if isinstance(output, list) else output[index] for output in self.outputs
        )

    def describe(self):
        return "images"

    def name(self, index, output=0):
        return f"image {index}"


def run(data, *transforms, phase="TRAIN"):
    """The pipeline of transforms, and what comes out of all samples."""
    source = SimpleNamespace(open=lambda base: data)
    transform = tuple(TRANSFORMS.parse(one) for one in transforms)
    steps = open_feed(FeedSpec.model_construct(source=source, transform=transform, batch_size=1), phase, 3)._steps
    index = np.arange(len(data))
    return steps, steps.read(data, Draw(3, np.zeros_like(index), index))


def held(x, **more):
    return Held(x, shapes=(x.shape[1:],), **more)


RESIZE, CROP, MIRROR = {"type": "Resize", "size": (11, 13)}, {"type": "Crop", "size": (5, 6)}, {"type": "Mirror"}
ROTATE = {"type": "Rotate", "degrees": 40.0}


def test_neighbours_become_one_step_and_others_part_them():
    x = pictures(3)
    steps, _ = run(held(x), RESIZE, CROP, MIRROR, ROTATE)
    assert [len(step.steps) for step in steps.steps if isinstance(step, Resampling)] == [4]
    assert steps.shapes == ((2, 5, 6),)
    steps, _ = run(held(x), RESIZE, {"type": "Scale", "factor": 2.0}, CROP, MIRROR)
    assert [len(step.steps) if isinstance(step, Resampling) else 0 for step in steps.steps] == [1, 0, 2]
    steps, _ = run(held(x), {**ROTATE, "fill": 1.0}, MIRROR, {**ROTATE, "fill": 2.0})
    assert [len(step.steps) for step in steps.steps] == [2, 1]  # each has its own value outside


def test_crop_and_mirror_draw_in_a_group_what_they_draw_alone():
    x = np.random.default_rng(7).normal(size=(20, 3, 8, 9)).astype(np.float32)
    crop, both = {"type": "Crop", "size": (5, 9), "pad": 1}, {"type": "Mirror", "axis": "both"}
    _, (alone,) = run(held(x), crop, both)  # with NumPy
    _, (ragged,) = run(Held(list(x), shapes=((3, ANY, ANY),)), crop, both)  # with the kernel
    np.testing.assert_array_equal(ragged, alone)
    _, (alone,) = run(held(x), crop, both, phase="TEST")
    _, (ragged,) = run(Held(list(x), shapes=((3, ANY, ANY),)), crop, both, phase="TEST")
    np.testing.assert_array_equal(ragged, alone)
    _, (whole,) = run(held(x), crop, both, {"type": "Resize", "size": (5, 9)})
    np.testing.assert_array_equal(whole, run(held(x), crop, both)[1][0])


def test_a_resize_and_a_crop_are_a_part_of_the_resized_image():
    x = pictures(6, (3, 9, 7))
    _, (whole,) = run(held(x), {"type": "Resize", "size": (18, 14)})
    _, (part,) = run(held(x), {"type": "Resize", "size": (18, 14)}, {"type": "CenterCrop", "size": (8, 6)})
    np.testing.assert_allclose(part, whole[:, :, 5:13, 4:10], atol=1e-6)
    _, (flipped,) = run(held(x), {"type": "Resize", "size": (18, 14)}, MIRROR)
    _, (expected,) = run(held(whole), MIRROR)
    np.testing.assert_allclose(flipped, expected, atol=1e-6)


def test_a_turn_there_and_back_is_no_turn():
    x = pictures(4)
    there = {"type": "Rotate", "degrees": (30.0, 30.0)}
    _, (y,) = run(held(x), there, {"type": "Rotate", "degrees": (-30.0, -30.0)})
    np.testing.assert_allclose(y, x, atol=1e-5)  # two resamplings would have smoothed it


def test_a_bent_image_between_others():
    v, u = np.mgrid[:40, :60] + 0.5
    x = np.stack([u, v]).astype(np.float32)[None]
    lens = {"type": "LensDistortion", "k": (-0.2, -0.2)}
    _, (y,) = run(held(x), {"type": "CenterCrop", "size": (30, 50)}, lens, {"type": "Resize", "size": (15, 25)})
    r, q = 4, 20  # of the result: the point (41, 9) of the crop
    a, b = 2 * (q + 0.5) - 25, 2 * (r + 0.5) - 15
    factor = 1 - 0.2 * (a * a + b * b) / (25**2 + 15**2)
    np.testing.assert_allclose(y[0, :, r, q], (5 + 25 + a * factor, 5 + 15 + b * factor), atol=0.01)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_masks_move_with_their_image(phase):
    v, u = np.mgrid[:24, :36]
    masks = np.broadcast_to((1000 + v * 36 + u).astype(np.int32), (5, 24, 36))
    x = np.broadcast_to(np.stack([v, u]).astype(np.float32), (5, 2, 24, 36))
    data = Held(x, np.arange(5), masks, shapes=((2, 24, 36), (), (24, 36)), masks=frozenset({2}))
    shift = {"type": "Shift", "most": 0.3, "fill": -1.0, "ignore_label": 9999}
    steps, (y, labels, moved) = run(data, {"type": "Crop", "size": (20, 30)}, MIRROR, shift, phase=phase)
    assert steps.shapes == ((2, 20, 30), (), (20, 30))
    np.testing.assert_array_equal(labels, np.arange(5))
    inside = y[:, 0] >= 0
    np.testing.assert_array_equal(moved, np.where(inside, 1000 + y[:, 0] * 36 + y[:, 1], 9999))
    # what a crop cuts off is shown again by a shift, so little is outside
    assert inside.all() if phase == "TEST" else 0 < (~inside).mean() < 0.3
    _, (_, _, cropped) = run(data, {"type": "Crop", "size": (20, 30), "pad": 8}, MIRROR, phase=phase)
    assert (cropped == 255).any() == (phase == "TRAIN")


def test_ragged_images_come_out_ragged_or_equal():
    x = [pictures(1, (3, h, w))[0] for h, w in ((6, 9), (12, 8))]
    data = Held(x, shapes=((3, ANY, ANY),))
    steps, (y,) = run(data, {"type": "Resize", "size": 4})
    assert steps.shapes == ((3, ANY, ANY),)
    assert [sample.shape for sample in y] == [(3, 4, 6), (3, 6, 4)]
    steps, (y,) = run(data, {"type": "Resize", "size": 4}, {"type": "Crop", "size": (4, 3)}, MIRROR)
    assert steps.shapes == ((3, 4, 3),) and y.shape == (2, 3, 4, 3)


def test_a_sample_that_is_not_turned_is_the_same_beside_others_that_are():
    x, sometimes = pictures(8), {**ROTATE, "probability": 0.5}
    steps, (together,) = run(held(x), RESIZE, sometimes)
    for i in range(8):
        (alone,) = steps.read(held(x), Draw(3, np.zeros(1, np.int64), np.array([i])))
        np.testing.assert_array_equal(alone[0], together[i])


def test_a_sample_is_the_same_in_any_batch():
    x = pictures(6)
    steps, (together,) = run(
        held(x), RESIZE, {**ROTATE, "probability": 0.5}, {"type": "Elastic", "alpha": 5.0, "sigma": 2.0}, MIRROR
    )
    for i in (0, 3, 5):
        (alone,) = steps.read(held(x), Draw(3, np.zeros(1, np.int64), np.array([i])))
        np.testing.assert_array_equal(alone[0], together[i])


def test_what_cannot_be_done_is_said_of_a_sample():
    x = [pictures(1, (3, h, w))[0] for h, w in ((6, 9), (4, 9))]
    data = Held(x, shapes=((3, ANY, ANY),))
    with pytest.raises(SmallImageError, match="image 1: a window of 5x5 does not fit into images of 4x9"):
        run(data, {"type": "Crop", "size": 5})
    with pytest.raises(HugeResultError, match="image 1 is 1x20000, and would become 200x4000000"):
        run(Held([x[0], np.zeros((3, 1, 20_000), np.uint8)], shapes=((3, ANY, ANY),)), {"type": "Resize", "size": 200})
    for fill in (-1.0, 256.0):
        with pytest.raises(ByteFillError, match="bytes here, from 0 to 255"):
            run(held(np.zeros((2, 3, 4, 5), np.uint8)), {**ROTATE, "fill": fill})
        run(held(np.zeros((2, 3, 4, 5), np.float32)), {**ROTATE, "fill": fill})
