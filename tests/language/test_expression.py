"""Expressions: allowed expressions have the values that Python gives; all others are refused, and quickly."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.language.expression import MAX_CHARACTERS, MAX_ITEMS, MAX_LENGTH, Refused, closing, evaluate
from tests.helpers.pace import is_quick

NAMES: dict[str, Any] = {
    "n": 7,
    "zero": 0,
    "half": 0.5,
    "word": "conv",
    "on": True,
    "off": False,
    "none": None,
    "widths": (16, 32, 64),
    "sizes": {"small": 3, "list": (1, (2, 3))},
    "long": "x" * 9000,
    "many": tuple(range(MAX_ITEMS)),
}


def look_up(name: str, at: int) -> Any:
    if name not in NAMES:
        raise KeyError(name)
    return NAMES[name]


NUMBERS = st.sampled_from(
    ["n", "zero", "half", "0", "1", "2", "3.5", "1e-3", "12", "widths[0]", "widths[-1]", "sizes['small']"]
)
TEXTS = st.sampled_from(["word", "'a'", '"b c"', "''", "'(['"])
LISTS = st.sampled_from(["widths", "[1, 2]", "[n]", "(1, half)", "[]"])


def operations(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Operations from numbers to a number."""
    pairs = st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner)
    truths = st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner).map(" ".join)
    tests = (
        truths
        | TEXTS.map(lambda text: f"{text} == 'a'")
        | inner.map(lambda x: f"{x} in widths")
        | st.sampled_from(["on", "not off", "none"])
    )
    both = st.tuples(tests, st.sampled_from(["and", "or"]), tests).map(" ".join)
    return st.one_of(
        pairs.map(lambda p: f"({p[0]} {p[1]} {p[2]})"),
        inner.map(lambda x: f"-{x}"),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(lambda p: f"{p[0]}({p[1]}, {p[2]})"),
        st.tuples(st.sampled_from(["round", "ceil", "floor"]), inner).map(lambda p: f"{p[0]}({p[1]})"),
        inner.map(lambda x: f"round({x}, 2)"),
        LISTS.map(lambda x: f"max({x} + [1])" if "(" not in x and x != "widths" else "max(widths)"),
        st.tuples(inner, tests | both, inner).map(lambda p: f"({p[0]} if {p[1]} else {p[2]})"),
    )


EXPRESSIONS = st.one_of(
    st.recursive(NUMBERS, operations, max_leaves=6),
    st.tuples(TEXTS, TEXTS).map(" + ".join),
    st.tuples(NUMBERS, NUMBERS, NUMBERS).map(lambda p: f"{p[0]} < {p[1]} <= {p[2]}"),
    st.tuples(LISTS, LISTS).map(" == ".join),
    st.tuples(TEXTS, TEXTS).map(" not in ".join),
    st.recursive(NUMBERS, operations, max_leaves=3).map(lambda x: f"[{x}, [word]]"),
)
PYTHON = {"__builtins__": {}, "min": min, "max": max, "round": round, "ceil": math.ceil, "floor": math.floor}


def plain(value: Any) -> Any:
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def too_large(value: Any) -> bool:
    """Whether a number is too large for a net."""
    return (
        isinstance(value, complex)
        or (isinstance(value, float) and not math.isfinite(value))
        or (isinstance(value, int) and abs(value) >= 2**63)
    )


@settings(max_examples=600)
@given(EXPRESSIONS)
def test_an_expression_is_what_python_makes_of_it(text: str) -> None:
    try:
        value = plain(eval(text, dict(PYTHON), dict(NAMES)))
        expected = None if too_large(value) else (type(value), value)
    except (ArithmeticError, ValueError, TypeError):
        expected = None
    try:
        result = evaluate(text, look_up)
        done = (type(result), result)
    except Refused as refused:
        within = ("64 bits", "finite", "real", "too large", "characters", "by zero", "cannot", "takes")
        assert expected is None or any(word in refused.text for word in within), refused.text
        return
    assert done == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("n // 2", 3),
        ("n / 2", 3.5),
        ("2 if n == 0 else 1", 1),
        ("widths[n - 6]", 32),
        ("sizes['list'][1][0]", 2),
        ("[n] + [word]", (7, "conv")),
        ("'small' in sizes", True),
        ("true and not false", True),
        ("null", None),
        (" n\t", 7),
        ("none or 3", 3),
        ("max([n])", 7),
        ("min(n, half)", 0.5),
        ("'a)' + 'b'", "a)b"),
    ],
)
def test_some_values(text: str, value: Any) -> None:
    assert evaluate(text, look_up) == value


HOSTILE = [
    *(
        "__import__('os')",
        "__import__('os').system('true')",
        "n.__class__",
        "word.upper()",
        "().__class__.__bases__[0].__subclasses__()",
    ),
    *(
        "lambda: 1",
        "(lambda x: x)(1)",
        "[x for x in widths]",
        "{x for x in widths}",
        "(x for x in widths)",
        "{1: 2}",
        "{1, 2}",
    ),
    *(
        "f'{n}'",
        "f'{n:>1000000000}'",
        "(x := 3)",
        "b'a'",
        "b'a'[0]",
        "1j",
        "...",
        "n if n",
        "await n",
        "yield n",
        "*widths",
        "[*widths]",
    ),
    *(
        "open('/etc/passwd')",
        "eval('1')",
        "print(1)",
        "max(widths, key=n)",
        "max(*widths)",
        "min()",
        "round(1, 2, 3)",
        "widths[0:2]",
        "widths[::]",
    ),
    *(
        "n is 7",
        "n @ 2",
        "n << 100",
        "n >> 1",
        "n | 1",
        "n & 1",
        "n ^ 1",
        "~n",
        "not",
        "n n",
        "n;n",
        "import os",
        "n = 1",
        "n; import os",
        "x: 1",
    ),
    *(
        "9 ** 9 ** 9",
        "2 ** 63",
        "10 ** 400",
        "10.0 ** 400",
        "1e400",
        "1e308 * 10",
        "(-8) ** 0.5",
        "0 ** -1",
        "9" * 300,
        "-" + "9" * 19,
    ),
    *(
        "word * 1000000000",
        "widths * 1000000000",
        "long + long",
        "many + many",
        "'%s' % n",
        "'%1000000000d' % n",
        "'a' + 1",
        "word - 'a'",
    ),
    *(
        "1 / zero",
        "1 % zero",
        "1 // 0.0",
        "widths[3]",
        "widths[-4]",
        "widths['0']",
        "widths[half]",
        "widths[on]",
        "word[0]",
        "sizes['x']",
        "n[0]",
    ),
    *(
        "sizes == sizes",
        "widths < widths",
        "[widths] == [widths]",
        "word < n",
        "none < 1",
        "n in n",
        "n in word",
        "on + 1",
        "-word",
        "-on",
        "+none",
    ),
    *(
        "(" * 199 + "n" + ")" * 199,
        "(" * 390,
        "[" * 390,
        "-" * 399 + "1",
        "not " * 90 + "n",
        "n" + "+n" * 60,
        "n" + "**n" * 60,
        "n" + "[0]" * 60,
    ),
    *(
        "1 if " * 60 + "1" + " else 1" * 60,
        "n<" * 190 + "n",
        "n and " * 60 + "n.x",
        "max(" * 60 + "n" + ")" * 60,
        "'" * 399,
        '"' * 10,
        "\\",
        "\\n",
    ),
    *(
        "a" * 400,
        "n" * 401,
        " " * 401,
        "",
        " ",
        "\0",
        "n\0",
        "\ud800",
        "é",
        "\uff4e",
        "n\n+1",
        "#",
        "n # x",
        "'\\N{DASH}'",
        "0x" + "f" * 300,
        "1_0" * 100,
    ),
]


def refused(text: str) -> bool:
    try:
        value = evaluate(text, look_up)
    except Refused as error:
        assert error.text
        assert 0 <= error.start <= len(text) and (error.length is None or error.length >= 0)
        return True
    except KeyError:  # an unknown variable, which is the expander's to refuse
        return True
    assert isinstance(value, (int, float, str, tuple)) and not too_large(value)
    return False


WHOLE = "\uff4e"  # a wide n, which Python reads as n
HARMLESS = {"n # x", "n<" * 190 + "n", "(" * 199 + "n" + ")" * 199, WHOLE}
"""Strange expressions that are valid arithmetic."""


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_arithmetic_is_refused_at_once(text: str) -> None:
    assert is_quick(lambda: refused(text), 0.01)
    assert refused(text) == (text not in HARMLESS)


PIECES = [
    *"()[]{}.,:;=+-*/%<>!&|^~@'\"\\ \n\t0189nxe_",
    "**",
    "//",
    "==",
    " if ",
    " else ",
    " in ",
    " and ",
    "not ",
    "lambda",
    " for ",
    "f'",
    "b'",
    "...",
    "widths",
    "max(",
    "word",
    "é",
    "\0",
    "\ud800",
    "__class__",
    ":=",
]


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    refused(text)


@given(st.text(alphabet="()[]{}'\" na", max_size=12))
def test_a_bracket_closes_where_python_says_it_does(text: str) -> None:
    end = closing(f"({text}", 0)
    assert end is None or f"({text}"[end] == ")"
    if not set(text) & set("'\""):
        assert end == next((i for i in range(1, len(text) + 1) if _balanced(f"({text}"[: i + 1])), None)


def _balanced(text: str) -> bool:
    pairs, stack = {")": "(", "]": "[", "}": "{"}, []
    for c in text:
        if c in "([{":
            stack.append(c)
        elif c in pairs and (not stack or stack.pop() != pairs[c]):
            return False
    return not stack and text.endswith(")")


def test_bounds() -> None:
    assert evaluate("long + 'x'", look_up) == "x" * 9001
    assert evaluate("1" + " " * (MAX_LENGTH - 1), look_up) == 1
    for text in ("1" + " " * MAX_LENGTH, f"long + '{'x' * 390}' + long", "many + [1]", "2 ** 62 * 2", "-(2 ** 62) * 2"):
        with pytest.raises(Refused):
            evaluate(text, look_up)
    assert evaluate("2 ** 62 * 2 - 1 if zero else 2 ** 62", look_up) == 2**62
    assert MAX_CHARACTERS == 10_000
