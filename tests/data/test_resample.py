"""Kernels and their caller against slow definitions, Pillow, and themselves in another form."""

import threading

import numpy as np
import pytest
from PIL import Image

from netspec.data import resample
from tests.helpers.geometry import pictures, resized, warped

BOXES = [
    ((5, 7), (0, 0, 23, 31)),  # smaller
    ((40, 50), (3, 2, 11, 17)),  # larger
    ((9, 6), (2.5, 1.25, 20.25, 3.5)),  # smaller and larger, between pixels
]


def upright(size, box):
    top, left, height, width = box
    return size, [(width / size[1], 0.0, left, 0.0, height / size[0], top, 0.0, 0.0, 1.0)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["first", "last"])
@pytest.mark.parametrize(("size", "box"), BOXES)
def test_a_box_of_bytes_is_what_the_definition_and_pillow_say(channels, order, size, box):
    x = np.random.default_rng(2).integers(0, 256, (23, 31, channels), dtype=np.uint8).transpose(2, 0, 1)
    x = x if order == "last" else np.ascontiguousarray(x)
    (y,) = resample.images([x], [upright(size, box)], (0.0,), True, np.float32)
    assert y.dtype == np.uint8
    assert abs(y - resized(x, size, box)).max() <= 0.5 + 1e-3  # rounded to the nearest
    top, left, height, width = box
    for channel, plane in zip(y, x, strict=True):
        corners = (left, top, left + width, top + height)
        theirs = np.asarray(Image.fromarray(plane).resize(size[::-1], Image.Resampling.BILINEAR, box=corners))
        assert abs(channel.astype(int) - theirs).max() <= 1  # Pillow rounds after the rows and after the columns


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize(("size", "box"), BOXES)
def test_a_box_of_real_numbers(real, size, box):
    x = np.random.default_rng(3).normal(size=(2, 2, 23, 31)).astype(real)
    y = resample.images(x, [upright(size, box)] * 2, (0.0,), True, real)
    assert y.dtype == real
    np.testing.assert_allclose(y[1], resized(x[1], size, box), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_whole_moves_copy(channels):
    x = np.random.default_rng(4).normal(size=(1, channels, 6, 8)).astype(np.float32)
    x[0, :, 3, 4] = np.nan  # a tap of weight 0 would spread it
    flipped = (-1.0, 0.0, 8.0, 0.0, -1.0, 6.0, 0.0, 0.0, 1.0)
    y = resample.images(x, [((6, 8), [flipped])], (0.0,), True, np.float32)
    np.testing.assert_array_equal(y, x[:, :, ::-1, ::-1])
    moved = (1.0, 0.0, -2.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0)
    y = resample.images(x, [((6, 9), [moved])], (7.0,), True, np.float32)
    np.testing.assert_array_equal(y, np.pad(x[:, :, 1:], ((0, 0), (0, 0), (0, 1), (2, 0)), constant_values=7)[..., :9])


MATRICES = {
    "turned": (0.8, 0.5, -1.0, -0.6, 0.9, 3.0, 0.0, 0.0, 1.0),
    "small": (2.3, 0.4, -3.0, -0.2, 1.7, -1.0, 0.0, 0.0, 1.0),
    "slanted wall": (1.1, 0.1, -1.0, 0.05, 0.9, 0.5, 0.03, -0.02, 1.0),
    "behind the eye": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -0.21, 0.0, 1.0),
}


@pytest.mark.parametrize("matrix", MATRICES.values(), ids=MATRICES)
def test_a_matrix_is_what_the_definition_says(matrix):
    (x,) = pictures(1)
    m = np.array(matrix).reshape(3, 3)

    def seen(u, v):
        a, b, z = m @ (u, v, 1)
        return (a / z, b / z) if z > 0 else (-100.0, -100.0)

    (y,) = resample.images([x], [((6, 5), [matrix])], (0.5, -2.0), True, np.float32)
    for channel, fill in enumerate((0.5, -2.0)):
        slow = warped(x[channel : channel + 1], (6, 5), seen, fill)[0]
        np.testing.assert_allclose(y[channel], slow, rtol=1e-4, atol=1e-4)
    columns = np.ascontiguousarray(x.transpose(1, 2, 0)).transpose(2, 0, 1)
    (z,) = resample.images([columns], [((6, 5), [matrix])], (0.5, -2.0), True, np.float32)
    np.testing.assert_array_equal(y, z)
    bytes_ = np.uint8(np.clip(40 * x + 128, 0, 255))
    (y,) = resample.images([bytes_], [((6, 5), [matrix])], (9.0,), True, np.float32)
    assert abs(y - warped(bytes_, (6, 5), seen, 9.0)).max() <= 0.5 + 1e-3


def test_points_say_what_a_matrix_says():
    x, matrix = pictures(2), MATRICES["turned"]

    def bend(points):
        u, v = points
        return matrix[0] * u + matrix[1] * v + matrix[2], matrix[3] * u + matrix[4] * v + matrix[5]

    by_matrix = resample.images(x, [((6, 5), [matrix])] * 2, (0.0,), True, np.float32)
    np.testing.assert_allclose(
        resample.images(x, [((6, 5), [bend]), ((6, 5), [matrix])], (0.0,), True, np.float32), by_matrix, atol=1e-5
    )
    twice = [((6, 5), [MATRICES["slanted wall"], bend])] * 2  # the first one first
    product = np.array(matrix).reshape(3, 3) @ np.array(MATRICES["slanted wall"]).reshape(3, 3)
    whole = [((6, 5), [tuple(product.ravel())])] * 2
    by_points, by_matrix = (resample.images(x, moves, (0.0,), True, np.float32) for moves in (twice, whole))
    assert np.median(abs(by_points - by_matrix)) < 1e-5  # the number of cells may differ where it is about to change


def test_labels_are_those_of_the_nearest_pixel():
    labels = np.arange(7 * 9, dtype=np.int32).reshape(1, 1, 7, 9)
    for matrix in MATRICES.values():
        m = np.array(matrix).reshape(3, 3)
        y = resample.labels(labels, [((6, 5), [matrix])], 255, True)
        bent = resample.labels(labels, [((6, 5), [matrix, lambda points: points])], 255, True)
        np.testing.assert_array_equal(y, bent)
        assert y.dtype == np.int32
        for r in range(6):
            for q in range(5):
                a, b, z = m @ (q + 0.5, r + 0.5, 1)
                inside = z > 0 and 0 <= a / z < 9 and 0 <= b / z < 7
                assert y[0, 0, r, q] == (labels[0, 0, int(b / z), int(a / z)] if inside else 255)


def test_labels_outside_need_a_type_that_holds_them():
    labels = np.zeros((1, 4, 3), np.uint8)
    away = [((2, 2), [(1.0, 0.0, 50.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)])]
    np.testing.assert_array_equal(resample.labels(labels, away, -1, True), np.full((1, 2, 2), -1))
    np.testing.assert_array_equal(resample.labels(labels, away, 1000, True), np.full((1, 2, 2), 1000))


def test_samples_of_any_size_come_out_in_one_or_in_their_own():
    x = [pictures(1, (3, h, w))[0] for h, w in ((5, 8), (11, 6))]
    moves = [upright((4, 7), (0, 0, *sample.shape[1:])) for sample in x]
    y = resample.images(x, moves, (0.0,), True, np.float32)
    for sample, result in zip(x, y, strict=True):
        np.testing.assert_allclose(result, resized(sample, (4, 7), (0, 0, *sample.shape[1:])), atol=1e-5)
    one, two = resample.images(x, [moves[0], upright((2, 3), (1, 1, 5, 4))], (0.0,), False, np.float32)
    np.testing.assert_array_equal(one, y[0])
    np.testing.assert_allclose(two, resized(x[1], (2, 3), (1, 1, 5, 4)), atol=1e-5)


def test_several_threads_at_once():
    x = np.random.default_rng(5).integers(0, 256, (16, 3, 64, 61), dtype=np.uint8)
    moves = [((32, 30), [MATRICES["turned"]])] * 16
    alone, results = resample.images(x, moves, (0.0,), True, np.float32), {}

    def work(name):
        results[name] = [resample.images(x, moves, (0.0,), True, np.float32) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert all((y == alone).all() for ys in results.values() for y in ys)
