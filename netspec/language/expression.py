"""Expressions: evaluates the arithmetic inside `$(...)`, over Python's syntax tree with a whitelist of nodes.

Allowed: numbers, strings, booleans, lists; operators of arithmetic, comparison and choice; indexing; five functions.
Not allowed: attributes, other calls, names other than variables. Length, depth and the size of every value are
bounded, so that no expression takes long.
"""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeGuard

from netspec.core.spelling import nearest, suggest

MAX_LENGTH = 400
"""Maximum length of an expression in characters."""
MAX_DEPTH = 40
"""Maximum depth of nested operations."""
MAX_NUMBER = 2**63
"""Bound that the absolute value of a whole number must stay below."""
MAX_CHARACTERS = 10_000
"""Maximum length of a string."""
MAX_ITEMS = 1_000
"""Maximum length of a list."""

Value = int | float | str | bool | None | tuple[Any, ...] | dict[str, Any]


class Refused(Exception):
    """An expression that cannot be parsed or evaluated: the reason, and the start and length of the part at fault."""

    def __init__(self, text: str, start: int = 0, length: int | None = None, help: str | None = None) -> None:
        super().__init__(text)
        self.text, self.start, self.length, self.help = text, start, length, help


def evaluate(text: str, look_up: Callable[[str, int], Value]) -> Value:
    """Evaluate an expression. Raises Refused.

    `look_up` returns a variable's value, given its name and the index in the text where the name stands.
    """
    return _Evaluation(text, look_up).value(_parsed(text), 0)


def closing(text: str, start: int) -> int | None:
    """Index of the ) that closes the ( at `start`, None if nothing does. Brackets in quotes do not count."""
    depth, quote = 0, ""
    for i in range(start, len(text)):
        c = text[i]
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if not depth:
                return i if c == ")" else None
    return None


@lru_cache(maxsize=4096)
def _tree(text: str) -> ast.expr | Refused:
    if not text.strip():
        return Refused("there is nothing between the brackets", help="like $(width * 2)")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        sign, help = next(((found, help) for sign, help in _FOREIGN if (found := sign.search(text))), (None, _EXAMPLES))
        if sign is not None:
            return Refused(f"'{text}' is no expression", sign.start(), len(sign[0]), help)
        column = min(max((error.offset or 1) - 1, 0), max(len(text.strip()) - 1, 0))
        return Refused(f"'{text}' is no expression", len(text) - len(text.lstrip()) + column, 1, help)
    except (ValueError, RecursionError, MemoryError):
        return Refused(f"{text!r} is no expression")


_EXAMPLES = "like $(width * 2), $(2 if i == 0 else 1), $(widths[i])"
_FOREIGN = [
    (re.compile(sign), help)
    for sign, help in (
        (r"&&", "write `and`"),
        (r"\|\|", "write `or`"),
        (r"\?", "a choice is written `a if condition else b`"),
        (r"\$\(?", "inside $(...) a variable stands without the sign: $(width * 2)"),
        (r"(?<![=!<>:])=(?!=)", "equality is written =="),
        (r"!(?!=)", "write `not`"),
        (r"\bif\b(?!.*\belse\b)", "a choice is written `a if condition else b`"),
    )
]
"""Syntax of other languages, and the help line that says how to write it here."""


def _parsed(text: str) -> ast.expr:
    if len(text) > MAX_LENGTH:
        raise Refused(f"an expression of more than {MAX_LENGTH} characters", help="give its parts in `vars:`")
    tree = _tree(text)
    if isinstance(tree, Refused):
        raise tree.with_traceback(None)  # the exception is cached: its traceback would keep stack frames alive
    return tree


_BINARY: dict[type[ast.AST], tuple[str, Callable[[Any, Any], Any]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.FloorDiv: ("//", operator.floordiv),
    ast.Mod: ("%", operator.mod),
    ast.Pow: ("**", operator.pow),
}
_COMPARE: dict[type[ast.AST], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("==", operator.eq),
    ast.NotEq: ("!=", operator.ne),
    ast.Lt: ("<", operator.lt),
    ast.LtE: ("<=", operator.le),
    ast.Gt: (">", operator.gt),
    ast.GtE: (">=", operator.ge),
    ast.In: ("in", lambda a, b: a in b),
    ast.NotIn: ("not in", lambda a, b: a not in b),
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": min,
    "max": max,
    "round": round,
    "ceil": math.ceil,
    "floor": math.floor,
}
_OTHERS = {"ceiling": "ceil", "int": "floor", "maximum": "max", "minimum": "min", "trunc": "floor"}
_WORDS = {"true": True, "false": False, "null": None}


def _is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _kind(value: Value) -> str:
    names = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "a text"),
        (tuple, "a list"),
        (dict, "a mapping"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "nothing")


def _comparable(sign: str, a: Value, b: Value) -> bool:
    """Whether two values can be compared in bounded time: scalars, lists of scalars by ==, a scalar by `in`."""
    if sign in {"==", "!="}:
        lists = [value for value in (a, b) if isinstance(value, tuple)]
        return not any(isinstance(item, (tuple, dict)) for value in lists for item in value) and not isinstance(a, dict)
    return not isinstance(a, (tuple, dict))


WORDS = frozenset({*_WORDS, *_FUNCTIONS})
"""Names that are constants or functions, so that no variable may have them."""


class _Evaluation:
    """Evaluates one expression; each method `_node` evaluates the syntax node of that name."""

    def __init__(self, text: str, look_up: Callable[[str, int], Value]) -> None:
        self.text, self.look_up = text, look_up
        self.shift = len(text) - len(text.lstrip())

    def refuse(self, what: str, node: ast.expr, help: str | None = None) -> Refused:
        start = len(self.text.strip().encode()[: node.col_offset].decode(errors="ignore")) if node.lineno == 1 else 0
        end = node.end_col_offset or node.col_offset + 1
        length = end - node.col_offset if node.end_lineno == node.lineno == 1 else 1
        return Refused(what, self.shift + start, length, help)

    def value(self, node: ast.expr, depth: int) -> Value:
        if depth > MAX_DEPTH:
            text = f"more than {MAX_DEPTH} operations inside one another"
            raise self.refuse(text, node, "give parts of it in `vars:`")
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise self.refuse(f"{_what(node)} has no place in an expression", node, _ALLOWED)
        result: Value = method(node, depth + 1)
        if isinstance(result, float) and not math.isfinite(result):
            raise self.refuse("the result is no finite number", node)
        if isinstance(result, int) and abs(result) >= MAX_NUMBER:
            raise self.refuse("a whole number beyond 64 bits", node)
        if isinstance(result, str) and len(result) > MAX_CHARACTERS:
            raise self.refuse(f"a text of more than {MAX_CHARACTERS:,} characters", node)
        if isinstance(result, tuple) and len(result) > MAX_ITEMS:
            raise self.refuse(f"a list of more than {MAX_ITEMS:,} items", node)
        return result

    def _constant(self, node: ast.Constant, depth: int) -> Value:
        if node.value is None or isinstance(node.value, (int, float, str)):
            return node.value
        raise self.refuse(f"{node.value!r} has no place in an expression", node, _ALLOWED)

    def _name(self, node: ast.Name, depth: int) -> Value:
        if node.id in _WORDS:
            return _WORDS[node.id]
        return self.look_up(node.id, self.refuse("", node).start)

    def _list(self, node: ast.List, depth: int) -> Value:
        return tuple(self.value(item, depth) for item in node.elts)

    _tuple = _list

    def _unaryop(self, node: ast.UnaryOp, depth: int) -> Value:
        if isinstance(node.op, ast.Invert):
            raise self.refuse("~ has no place in an expression", node, _ALLOWED)
        value = self.value(node.operand, depth)
        if isinstance(node.op, ast.Not):
            return not value
        if not _is_number(value):
            raise self.refuse(f"{_kind(value)} takes no sign", node)
        return -value if isinstance(node.op, ast.USub) else value

    def _binop(self, node: ast.BinOp, depth: int) -> Value:
        a, b = self.value(node.left, depth), self.value(node.right, depth)
        if type(node.op) not in _BINARY:
            raise self.refuse("this operator has no place in an expression", node, "there are + - * / // % **")
        sign, apply = _BINARY[type(node.op)]
        joined = sign == "+" and any(isinstance(a, kind) and isinstance(b, kind) for kind in (str, tuple))
        if not joined and not (_is_number(a) and _is_number(b)):
            raise self.refuse(f"{sign} cannot take {_kind(a)} and {_kind(b)}", node)
        if sign == "**" and isinstance(a, int) and isinstance(b, int) and abs(a) > 1 and b > 63:
            raise self.refuse("a whole number beyond 64 bits", node)
        try:
            result: Value = apply(a, b)
        except ZeroDivisionError:
            raise self.refuse("a division by zero", node) from None
        except OverflowError:
            raise self.refuse("the result is too large", node) from None
        if isinstance(result, complex):
            raise self.refuse("the result is no real number", node)
        return result

    def _boolop(self, node: ast.BoolOp, depth: int) -> Value:
        result: Value = None
        for item in node.values:
            result = self.value(item, depth)
            if bool(result) != isinstance(node.op, ast.And):
                break
        return result

    def _compare(self, node: ast.Compare, depth: int) -> Value:
        left = self.value(node.left, depth)
        for op, item in zip(node.ops, node.comparators, strict=True):
            right = self.value(item, depth)
            if type(op) not in _COMPARE:
                raise self.refuse("`is` has no place in an expression", node, "equality is written ==")
            sign, holds = _COMPARE[type(op)]
            try:
                if not _comparable(sign, left, right):
                    raise TypeError
                if not holds(left, right):
                    return False
            except TypeError:
                raise self.refuse(f"{sign} cannot compare {_kind(left)} with {_kind(right)}", node) from None
            left = right
        return True

    def _ifexp(self, node: ast.IfExp, depth: int) -> Value:
        return self.value(node.body if self.value(node.test, depth) else node.orelse, depth)

    def _subscript(self, node: ast.Subscript, depth: int) -> Value:
        holder = self.value(node.value, depth)
        if isinstance(node.slice, ast.Slice):
            raise self.refuse("a part of a list has no place in an expression", node, "take one item: widths[i]")
        index = self.value(node.slice, depth)
        if isinstance(holder, dict):
            if not isinstance(index, str) or index not in holder:
                raise self.refuse(f"the mapping has no {index!r}", node, suggest(str(index), holder))
            value: Value = holder[index]
            return value
        if not isinstance(holder, tuple):
            raise self.refuse(f"{_kind(holder)} has no items", node)
        if not isinstance(index, int) or isinstance(index, bool):
            raise self.refuse(f"an item is counted by a whole number, not by {_said(index)}", node)
        if not -len(holder) <= index < len(holder):
            raise self.refuse(f"there is no item {index} in a list of {len(holder)}", node, "items count from 0")
        item: Value = holder[index]
        return item

    def _call(self, node: ast.Call, depth: int) -> Value:
        if not isinstance(node.func, ast.Name):
            raise self.refuse(f"{_what(node.func)} has no place in an expression", node.func, _ALLOWED)
        name = node.func.id
        if name not in _FUNCTIONS:
            near = _OTHERS.get(name) or nearest(name, _FUNCTIONS)
            help = f"did you mean '{near}'?" if near else f"there are {', '.join(_FUNCTIONS)}"
            raise self.refuse(f"there is no function '{name}'", node.func, help)
        args = [self.value(item, depth) for item in node.args]
        values = args[0] if len(args) == 1 and isinstance(args[0], tuple) and name in {"min", "max"} else tuple(args)
        most = {"min": MAX_ITEMS, "max": MAX_ITEMS, "round": 2}.get(name, 1)
        odd = [_kind(value) for value in values if not _is_number(value)]
        if not 1 <= len(values) <= most or odd or node.keywords:
            wanted, given = "one number" if most == 1 else "numbers", f", not {odd[0]}" if odd else ""
            raise self.refuse(f"{name} takes {wanted}{given}", node)
        if name == "round" and len(values) == 2 and (not isinstance(values[1], int) or abs(values[1]) > 20):
            raise self.refuse("round takes a number and how many decimals", node)
        result: Value = _FUNCTIONS[name](values) if name in {"min", "max"} else _FUNCTIONS[name](*values)
        return result


_ALLOWED = (
    "there are numbers, texts, lists, variables, + - * / // % **, comparisons, `a if c else b`, x[i], "
    "min, max, round, ceil, floor"
)


def _what(node: ast.expr) -> str:
    names = {
        "Attribute": "a dot",
        "Lambda": "a function",
        "JoinedStr": "an f-string",
        "NamedExpr": "`:=`",
        "Dict": "a mapping",
    }
    names |= dict.fromkeys(("ListComp", "SetComp", "DictComp", "GeneratorExp"), "a loop")
    return names.get(type(node).__name__, "this")


def _said(value: Value) -> str:
    """A value in the words of an error: a number as it is, another value by its kind."""
    return str(value) if _is_number(value) else _kind(value)
