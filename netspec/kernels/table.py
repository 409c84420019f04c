"""Tables of text: rows of cells between delimiters, and numbers in decimal digits to the nearest float64.

A text is cut into chunks of bytes. `scan_chunks` counts what lies in each, so that it is known for each whether it
begins inside quotes and with which row; then `parse_chunks` reads the rows that begin in it. A number of at most 19
digits is the product of its digits and a power of ten, of which 128 bits are known: where they do not decide how it is
rounded, and wherever a cell is no plain number, the cell is left to Python.

Source: Lemire 2021, "Number parsing at a gigabyte per second".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netspec.codegen.intrinsics import high_half, leading_zeros
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Bytes, Clock

MISSING = 0x7FF8000000000000
"""The bits of a cell without a value, which are those of a NaN."""
OPEN = -0x0008000000000000
"""The bits of a cell that the kernel does not decide, plus the byte at which the cell begins: a NaN too."""
MINUS = -(1 << 63)
"""The bit of the sign."""

SMALLEST, LARGEST = -342, 308
"""The powers of ten whose leading bits are in the table of `parse_chunks`."""

WORD = 16
"""Bytes of a word for missing values, its length first."""

FINE, BLANK, UNCLOSED, RAGGED = 0, 1, 2, 3
"""What a row is: as wide as it should be, an empty line, one with a wrong quote, or RAGGED plus its number of cells."""

NEWLINE, RETURN, SPACE, TAB = 10, 13, 32, 9

_10, _0, _1, _3 = np.uint64(10), np.uint64(0), np.uint64(1), np.uint64(3)
_ALL, _LOW9 = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x1FF)
_9, _63, _HIDDEN = np.uint64(9), np.uint64(63), np.uint64(1 << 52)


class Marks(NamedTuple):
    """The bytes of a kind of table: between cells, around a text, in a fraction; -1 for a quote that there is not."""

    delimiter: int
    quote: int
    decimal: int


class Layout(NamedTuple):
    """Which columns go where: `slots` (columns,) is the place of a number among those of a row, -1 for a column that
    is left out, or -2 - t for text t of a row."""

    slots: Clock
    numbers: int
    texts: int


@helper
def is_digit(byte: int) -> bool:
    """Whether a byte is a decimal digit."""
    return byte >= 48 and byte <= 57


@helper
def nearest(digits: np.uint64, power: int, powers: Clock) -> int:
    """The bits of the float64 next to digits * 10**power, or OPEN where they stay open.

    `powers` holds the upper and the lower 64 bits of each power of ten, the first of them 1.
    """
    if digits == _0:
        return 0
    if power < SMALLEST or power > LARGEST:
        return OPEN
    zeros = leading_zeros(digits)
    factor = digits << np.uint64(zeros)
    at = 2 * (power - SMALLEST)
    upper = np.uint64(powers[at])
    high, low = high_half(factor, upper), factor * upper
    if (high & _LOW9) == _LOW9:
        more = high_half(factor, np.uint64(powers[at + 1]))
        low = low + more
        if low < more:
            high = high + _1
    if low == _ALL and (power < -27 or power > 55):
        return OPEN
    top = high >> _63
    shift = top + _9
    mantissa = high >> shift
    exponent = ((217706 * power) >> 16) + 63 + np.int64(top) - zeros + 1023
    if exponent <= 0:
        return OPEN
    if low <= _1 and power >= -4 and power <= 23 and (mantissa & _3) == _1 and (mantissa << shift) == high:
        mantissa = mantissa - _1  # exactly half way: to the even neighbour
    mantissa = (mantissa + (mantissa & _1)) >> _1
    if mantissa == _HIDDEN + _HIDDEN:
        mantissa = _HIDDEN
        exponent += 1
    if exponent >= 2047:
        return OPEN
    bits: int = np.int64(mantissa - _HIDDEN) + (exponent << 52)
    return bits


@helper
def number(text: Bytes, at: int, end: int, decimal: int, powers: Clock) -> tuple[int, int]:
    """The bits of the number that begins at a byte, and the byte after it; OPEN, and `at`, where there is none."""
    begin = at
    minus = at < end and text[at] == 45
    if at < end and (text[at] == 45 or text[at] == 43):
        at += 1
    digits, held, power, seen = _0, 0, 0, 0
    while at < end and is_digit(text[at]):
        digits = digits * _10 + np.uint64(text[at] - 48)
        held += digits != _0
        seen += 1
        at += 1
    if at < end and text[at] == decimal:
        at += 1
        first = at
        while at < end and is_digit(text[at]):
            digits = digits * _10 + np.uint64(text[at] - 48)
            held += digits != _0
            at += 1
        power = first - at
        seen -= power
    if seen == 0:
        return OPEN, begin
    if at + 1 < end and (text[at] == 101 or text[at] == 69):
        back = at
        at += 1
        down = text[at] == 45
        if text[at] == 45 or text[at] == 43:
            at += 1
        first, exponent = at, 0
        while at < end and is_digit(text[at]):
            exponent = min(exponent * 10 + (text[at] - 48), 99999)
            at += 1
        if at == first:
            return OPEN, back
        power += -exponent if down else exponent
    if held > 19:
        return OPEN, at
    bits = nearest(digits, power, powers)
    if bits != OPEN and minus:
        bits = bits | MINUS
    return bits, at


@helper
def is_missing(text: Bytes, at: int, end: int, words: Bytes) -> bool:
    """Whether bytes are nothing, or one of the words for missing values."""
    if at == end:
        return True
    for word in range(0, words.size, WORD):
        if words[word] == end - at:
            same = True
            for i in range(end - at):
                same = same and words[word + 1 + i] == text[at + i]
            if same:
                return True
    return False


@helper
def cell_end(text: Bytes, at: int, marks: Marks) -> tuple[int, int, int]:
    """Of the cell that begins at a byte: one past its last byte, the newlines inside, and whether its quotes are wrong.

    A cell in quotes ends after its closing quote; two quotes inside mean a quote.
    """
    newlines = 0
    if at < text.size and text[at] == marks.quote:
        at += 1
        while True:
            while at < text.size and text[at] != marks.quote:
                newlines += text[at] == NEWLINE
                at += 1
            if at >= text.size:
                return at, newlines, 1
            at += 1
            if at >= text.size or text[at] != marks.quote:
                break
            at += 1
        if at < text.size and text[at] == RETURN:
            return at, newlines, 0
        return at, newlines, 0 if at >= text.size or text[at] == marks.delimiter or text[at] == NEWLINE else 1
    while at < text.size and text[at] != marks.delimiter and text[at] != NEWLINE:
        if text[at] == marks.quote:
            return at, newlines, 1
        at += 1
    if at > 0 and at < text.size and text[at] == NEWLINE and text[at - 1] == RETURN:
        at -= 1
    return at, newlines, 0


@helper
def cell_number(text: Bytes, at: int, end: int, marks: Marks, powers: Clock, words: Bytes) -> int:
    """The bits of a cell: a number with blanks or quotes around it, MISSING, or OPEN plus its first byte."""
    begin = at
    if end - at >= 2 and text[at] == marks.quote:
        at, end = at + 1, end - 1
    while at < end and (text[at] == SPACE or text[at] == TAB):
        at += 1
    while end > at and (text[end - 1] == SPACE or text[end - 1] == TAB):
        end -= 1
    if is_missing(text, at, end, words):
        return MISSING
    bits, stop = number(text, at, end, marks.decimal, powers)
    return OPEN + begin if bits == OPEN or stop != end else bits


@kernel
def scan_chunks(text: Bytes, counts: Clock, size: int, quote: int, part: int, parts: int) -> None:
    """text: (M,), counts: (chunks, 4) flat. Of each chunk of `size` bytes: quotes, newlines, and those that end a row
    if it begins outside quotes, or inside."""
    for chunk in range(*span(counts.size // 4, part, parts)):
        piece = text[chunk * size : min((chunk + 1) * size, text.size)]
        quotes, newlines, odd = 0, 0, 0
        for i in range(piece.size):
            inside = quotes & 1
            quotes += piece[i] == quote
            newline = piece[i] == NEWLINE
            newlines += newline
            odd += newline & inside
        counts[4 * chunk] = quotes
        counts[4 * chunk + 1] = newlines
        counts[4 * chunk + 2] = newlines - odd
        counts[4 * chunk + 3] = odd


@helper
def row_after(text: Bytes, at: int, end: int, inside: int, quote: int) -> tuple[int, int]:
    """The byte after the first newline from `at` on that ends a row, or `end`, and the newlines on the way."""
    newlines = 0
    while at < end:
        if text[at] == quote:
            inside = 1 - inside
        elif text[at] == NEWLINE:
            newlines += 1
            if inside == 0:
                return at + 1, newlines
        at += 1
    return end, newlines


@helper
def parse_row(
    text: Bytes,
    at: int,
    row: int,
    marks: Marks,
    layout: Layout,
    cells: Clock,
    spans: Clock,
    powers: Clock,
    words: Bytes,
) -> tuple[int, int, int, int]:
    """Parse the row that begins at a byte: where it ends, newlines inside, what it is, numbers that are not there."""
    column, newlines, empty = 0, 0, 0
    while True:
        slot = layout.slots[column] if column < layout.slots.size else -1
        begin, bits = at, OPEN
        if slot >= 0:
            bits, at = number(text, at, text.size, marks.decimal, powers)
        if bits == OPEN or (at < text.size and text[at] != marks.delimiter and text[at] != NEWLINE):
            at, inner, wrong = cell_end(text, begin, marks)
            newlines += inner
            if wrong:
                return at, newlines, UNCLOSED, empty
            if slot >= 0:
                bits = cell_number(text, begin, at, marks, powers, words)
        if slot >= 0:
            cells[row * layout.numbers + slot] = bits
            empty += bits == MISSING or (bits >= OPEN and bits < 0)
        elif slot < -1:
            place = 2 * (row * layout.texts - slot - 2)
            spans[place] = begin
            spans[place + 1] = at
        column += 1
        if at < text.size and text[at] == RETURN:
            at += 1
        if at >= text.size or text[at] != marks.delimiter:
            break
        at += 1
    return at, newlines, FINE if column == layout.slots.size else RAGGED + column, empty


@kernel
def parse_chunks(
    text: Bytes,
    chunks: Clock,
    marks: Marks,
    layout: Layout,
    powers: Clock,
    words: Bytes,
    cells: Clock,
    spans: Clock,
    rows: Clock,
    part: int,
    parts: int,
) -> None:
    """Read the rows that begin in each chunk.

    text: (M,); chunks: (chunks, 6) flat: first byte, one past the last, whether it begins inside quotes, the rows
    that end before it, the newlines before it; and written: how many numbers are MISSING or OPEN. Writes cells
    (rows, numbers): the bits of float64s; spans (rows, texts, 2): first byte and one past the last; rows (rows, 3):
    first byte, line, state.
    """
    for chunk in range(*span(chunks.size // 6, part, parts)):
        at, end, line = chunks[6 * chunk], chunks[6 * chunk + 1], chunks[6 * chunk + 4]
        row, empty = chunks[6 * chunk + 3], 0
        if at > 0 and (chunks[6 * chunk + 2] == 1 or text[at - 1] != NEWLINE):
            at, newlines = row_after(text, at, end, chunks[6 * chunk + 2], marks.quote)
            line, row = line + newlines, row + 1
        while at < end and row < rows.size // 3:  # a quote that is wrong makes rows that were not counted
            begin, state, inner, open = at, BLANK, 0, 0
            if text[at] != NEWLINE and not (text[at] == RETURN and at + 1 < text.size and text[at + 1] == NEWLINE):
                at, inner, state, open = parse_row(text, at, row, marks, layout, cells, spans, powers, words)
            rows[3 * row] = begin
            rows[3 * row + 1] = line + 1
            rows[3 * row + 2] = state
            while at < text.size and text[at] != NEWLINE:
                at += 1
            at += 1
            line += inner + 1
            row += 1
            empty += open
        chunks[6 * chunk + 5] = empty
