"""Random plain values, as YAML may hold them."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import strategies as st

WORDS = st.text(max_size=12) | st.sampled_from(
    ["", "no", "yes", "null", "~", "010", "0o17", "1e5", ".5", "1:30", "<<", "a: b", "# c", "'", "-"]
)
WORDS = WORDS.filter(lambda word: not re.search("[\ud800-\udfff]", word))
NUMBERS = st.integers(-(10**39), 10**39) | st.floats(allow_nan=False)

PLAIN = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)

VALUES = st.dictionaries(WORDS, PLAIN, min_size=1, max_size=5)


def frozen(value: Any) -> Any:
    """Plain values as a Document gives them: lists are tuples."""
    if isinstance(value, dict):
        return {key: frozen(item) for key, item in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, (list, tuple)) else value


def types_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: types_of(item) for key, item in value.items()}
    return tuple(map(types_of, value)) if isinstance(value, tuple) else type(value)
