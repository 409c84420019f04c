from __future__ import annotations

from typing import Any

import pytest

from netspec.core.described import in_words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"),
        (True, "true"),
        (0.5, "0.5"),
        ([3, 5], "[3, 5]"),
        ({"type": "constant", "value": 0.1}, "constant (value: 0.1)"),
        ({"type": "xavier", "variance_norm": None}, "xavier"),
        ({"mean": [1, 2], "deep": {"type": "msra"}}, "mean: [1, 2], deep: msra"),
        ({}, ""),
    ],
)
def test_values_in_few_words(value: Any, words: str) -> None:
    assert in_words(value) == words
