"""Python values to plain values."""

from __future__ import annotations

import enum
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.language.document import TooLargeError, UnsupportedYamlError, dump, from_python
from netspec.language.plain import Plain


class Size(enum.IntEnum):
    small = 3


class Word(str):
    pass


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.longdouble(0.5), 0.5),
        (np.int8(-3), -3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2, 3], [4, 5, 6]]), [[1, 2, 3], [4, 5, 6]]),
        (np.array(2.5), 2.5),
        (np.array(["a", None, 3], object), ["a", None, 3]),
        (range(3), [0, 1, 2]),
        ((1, (2, 3)), [1, [2, 3]]),
        (Size.small, 3),
        (Word("a"), "a"),
        (Fraction(1, 4), 0.25),
        (Path("a/b"), "a/b"),
        (OrderedDict(a=np.int64(1)), {"a": 1}),
    ],
)
def test_values_become_plain(value: Any, plain: Any) -> None:
    turned = Plain()
    result = turned.of(value)
    assert result == plain and type(result) is type(plain) and not turned.bad
    assert from_python({"a": value}, "<values>").plain() == from_python({"a": plain}, "<values>").plain()


def test_what_has_no_plain_form_is_found_with_its_path() -> None:
    turned = Plain()
    turned.of({"a": [1, {"b": 2j}], "c": {3}, 1: b"x", (1, 2): 0})
    assert [(path, hint) for path, _, hint in turned.bad] == [
        (("a", 1, "b"), "give numbers, words, lists and dicts"),
        ((), "give numbers, words, lists and dicts"),
        (("c",), "a set has no order: give a list"),
        (("1",), "decode it"),
    ] or [path for path, *_ in turned.bad] == [("a", 1, "b"), ("c",), ("1",), ()]
    with pytest.raises(UnsupportedYamlError, match="2j is no plain value"):
        dump([2j])


def test_values_that_hold_themselves_end() -> None:
    one: list[Any] = [1]
    one += [one, one]
    for value in (one, {"a": one}, np.zeros(300_000)):
        with pytest.raises(TooLargeError, match="nested more than 100 deep, or more than 200,000 values"):
            from_python({"layers": value}, "<net>")
