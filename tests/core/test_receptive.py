"""Receptive fields: windows, unions, shifts and the whole image, against counting by hand and by brute force."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from netspec.core.receptive import NOTHING_SEEN, POINT, ReceptiveField, Region, union
from netspec.core.shape import Window

IMAGE = (2, 3, 8, 9)
ROW = Window(1)


def rows(field: ReceptiveField, height: int = 5) -> tuple[float, float, float]:
    """Size, stride and start along the height of a blob of that height."""
    size, stride, start = field.over((1, 1, height, 3))
    return size[0], stride[0], start[0]


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=4
    )
)
def test_a_field_is_what_one_value_depends_on(windows: list[tuple[int, int, int, int]]) -> None:
    """Counts the input places that a place's windows read, and those that its neighbour's windows read."""

    def places(at: int) -> tuple[int, int]:
        seen = {at}
        for kernel, stride, pad, dilation in reversed(windows):
            seen = {place * stride - pad + dilation * tap for place in seen for tap in range(kernel)}
        return min(seen), max(seen)

    field = POINT
    for window in windows:
        field = field.through((window, ROW))
    (first, last), (after, _) = places(0), places(1)
    assert rows(field) == (last - first + 1, after - first, first)
    assert field.axes[1] == POINT.axes[1]


def test_branches_of_one_stride_see_from_the_smallest_first_to_the_largest_last() -> None:
    """A convolution of 3 with pad 1 sees 2i-1..2i+1, a pooling of 3 without pad 2i..2i+2: together 2i-1..2i+2."""
    one = POINT.through((Window(3, 2, 1), ROW))
    other = POINT.through((Window(3, 2), ROW))
    assert rows(union((IMAGE, IMAGE), (one, other))) == (4, 2, -1)
    assert rows(union((IMAGE, IMAGE), (other, one))) == (4, 2, -1)


def test_branches_of_different_strides_are_widest_at_an_end() -> None:
    """2i..2i+1 beside i..i+4: position 0 sees 0..4, position 3 sees 3..7, position 6 sees 6..13."""
    both = union((IMAGE, IMAGE), (POINT.through((Window(2, 2), ROW)), POINT.through((Window(5), ROW))))
    assert rows(both, 1) == (5, 2, 0)
    assert rows(both, 4) == (5, 2, 0)
    assert rows(both, 7) == (8, 2, 0)
    assert rows(both.through((Window(2, 3), ROW)), 1) == (6, 6, 0)  # positions 0 and 1: 0..4 and 1..5


def test_the_whole_image_holds_every_other_field() -> None:
    whole = POINT.whole(True, False)
    assert rows(whole) == (inf, 0, -inf)
    assert whole.axes[1] == POINT.axes[1]
    assert union((IMAGE, IMAGE), (whole, POINT.through((Window(3, 2, 1), ROW)))).axes[0] == whole.axes[0]
    assert whole.through((Window(3, 2, 1), ROW)).axes[0] == whole.axes[0]
    assert whole.shifted(2, 4).axes[0] == whole.axes[0]


def test_a_shift_starts_at_another_position() -> None:
    field = POINT.through((Window(3, 2, 1), Window(5, 1, 2)))
    assert field.shifted(2, 3).over(IMAGE) == Region((3, 5), (2, 1), (5, -2))
    assert field.shifted(3, -2).over(IMAGE) == Region((3, 5), (2, 1), (-1, -4))


def test_a_blob_without_height_and_width() -> None:
    """A label adds nothing to an image; what is computed from all of an image adds all of it."""
    assert union((IMAGE, (2,)), (POINT, NOTHING_SEEN)) == POINT
    assert union((IMAGE, (2, 3)), (POINT, POINT)) == POINT.whole(True, True)
    assert union(((2, 3), (2,)), (POINT, NOTHING_SEEN)) == POINT
    assert union((), ()) == NOTHING_SEEN
    assert NOTHING_SEEN.over((2,)) == Region((1, 1), (1, 1), (0, 0))
