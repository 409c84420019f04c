"""Snippets of source: they fit into the width, and the carets stand under the marked word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from netspec.core.snippet import folded, snippet

TEXTS = st.text(st.sampled_from("ab {}:,名前ﾊé\u0301\t\u200b👍\x07"), max_size=90)


def under(shown: str, carets: str) -> str:
    """What stands above the carets."""
    first = cell_len(carets) - len(carets.strip())
    word, at = "", 0
    for character in shown:
        word += character if first <= at < len(carets) else ""
        at += cell_len(character)
    return word


@given(TEXTS, st.sampled_from(["word", "名", "長い名前", "名" * 60, "w" * 70]), TEXTS, st.integers(12, 200))
def test_carets_stand_under_the_word_at_any_width(before: str, word: str, after: str, width: int) -> None:
    shown, carets = snippet(before + word + after, len(before) + 1, len(word), width)
    assert cell_len(shown) <= width
    assert set(carets.strip()) == {"^"}
    seen = under(shown, carets).rstrip("\u0301\u200b")
    assert seen and (seen == word or (word.startswith(seen) and cell_len(word) > width * 3 // 4 - 2))


@pytest.mark.parametrize(
    ("line", "column", "length", "width", "wanted"),
    [
        ("a: 1", 1, 1, 40, ("a: 1", "^")),
        ("名前: [1, x]", 9, 1, 40, ("名前: [1, x]", "          ^")),
        ("a:\tb", 4, 1, 40, ("a:  b", "    ^")),
        ("0123456789abcdefghij", 19, 1, 12, ("…9abcdefghij", "          ^")),
        ("0123456789abcdefghij", 1, 2, 12, ("0123456789a…", "^^")),
        ("0123456789abcdefghij", 11, 2, 12, ("…6789abcdef…", "     ^^")),
        ("a: 1", 5, 1, 40, ("a: 1", "    ^")),
        ("", 1, 1, 40, ("", "^")),
    ],
)
def test_snippets_as_written(line: str, column: int, length: int, width: int, wanted: tuple[str, str]) -> None:
    assert snippet(line, column, length, width) == wanted


@given(st.text("ab 名:", max_size=90), st.integers(8, 90))
def test_sentences_are_folded_between_words(text: str, width: int) -> None:
    lines = folded(text, width, "  ")
    assert " ".join(line.removeprefix("  ") if i else line for i, line in enumerate(lines)) == text
    assert all(cell_len(line) <= width or " " not in line.strip(" ") for line in lines)
