"""Texts of 64 KB or less that grow: what the language must refuse, or expand, in little time and memory."""

from __future__ import annotations

SIZE = 64 * 1024
DATA = "layers:\n  - {name: data, type: Input, shape: [1, 3, 8, 8]}\n"


def filled(head: str, row: str, size: int = SIZE - 100) -> str:
    """A text of that size: `row` again and again, with its number for `@`."""
    rows, length = [head], len(head)
    while length + len(row) + 8 < size:
        rows.append(row.replace("@", str(len(rows))))
        length += len(rows[-1])
    return "".join(rows)


def many(row: str, count: int, between: str = ", ") -> str:
    """`row` so many times, with its number for `@` and the next for `#`."""
    return between.join(row.replace("@", str(i)).replace("#", str(i + 1)) for i in range(count))


def doubling(inner: str) -> str:
    """Blocks of which each holds the one before twice, twenty deep."""
    pair = "{{name: a, block: b{0}}}, {{name: b, block: b{0}}}"
    rows = [f"  b{i}: {{layers: [{pair.format(i - 1)}]}}\n" for i in range(1, 20)]
    return f"blocks:\n  b0: {{layers: [{inner}]}}\n{''.join(rows)}{DATA}  - {{name: x, block: b19}}\n"


def towers(step: str) -> str:
    """Variables of which each holds the one before twice."""
    return "vars:\n  v0: [1, 1]\n  u0: [1, 1]\n" + "".join(
        f"  {x}{i}: {step.format(f'{x}{i - 1}')}\n" for x in "vu" for i in range(1, 16)
    )


def block(layers: str, instance: str, vars: str = "") -> str:
    return f"blocks: {{b: {{vars: {{{vars}}}, layers: [{layers}]}}}}\n{DATA}  - {{name: x, block: b, {instance}}}\n"


def one(fields: str) -> str:
    return f"{DATA}  - {{name: x, {fields}}}\n"


RELU = "{name: r, type: ReLU}"
BASE = f"blocks:\n  b0: {{layers: [{RELU}]}}\n"
NESTED = "".join(f"  b{i}: {{layers: [{{name: {'x' * 2500}, block: b{i - 1}, repeat: 2}}]}}\n" for i in range(1, 19))
TENFOLD = "".join(f"  b{i}: {{layers: [{{name: a, block: b{i - 1}, repeat: 10}}]}}\n" for i in range(1, 19))
LIST = f"vars:\n  v: [{many('1', 15000, ',')}]\n"
TEXT = f"vars:\n  v: '{'x' * 9000}'\n"

BOMBS = {
    "blocks doubling": doubling(RELU),
    "blocks doubling without layers": doubling("{name: r, type: ReLU, repeat: 0}"),
    "blocks doubling with a mistake": doubling("{name: r, type: ReLU, negative_slope: $y}"),
    "blocks doubling with an unknown block": doubling("{name: r, block: q}"),
    "repeats of repeats": f"{BASE}{TENFOLD}{DATA}  - {{name: x, block: b18, repeat: 8000}}\n",
    "repeats of nothing": block(many("{name: r@, type: ReLU, repeat: 0}", 1500), "repeat: 8000"),
    "repeats": one("type: ReLU, repeat: 7900"),
    "repeats of a list": one(f"type: ReLU, repeat: 8000, param: [{many('1', 20000)}]"),
    "repeats of a text": one(f"type: ReLU, repeat: 8000, x: '{'x' * 60000}'"),
    "repeats of a long name": f"{BASE}{DATA}  - {{name: {'x' * 60000}, block: b0, repeat: 7900}}\n",
    "long names inside one another": f"{BASE}{NESTED}{DATA}  - {{name: x, block: b18, repeat: 7900}}\n",
    "repeats of a variable's text": TEXT + one("type: ReLU, repeat: 7900, a: a$v, b: b$v"),
    "repeats of many bottoms": one(f"type: Concat, repeat: 7900, bottom: [{many('data', 8000)}]"),
    "repeats of many tops": one(f"type: ReLU, repeat: 7900, top: [{many('t@', 8000)}]"),
    "names by expressions": block(many("{name: r$i, type: ReLU, top: $(i)}", 1200), "repeat: 7900"),
    "mistakes in repeats": one("type: ReLU, repeat: 8000, a: $b, c: $(d)"),
    "mistakes in blocks": block("{name: r, type: ReLU, a: $b, q: $(1/0)}", "repeat: 8000, vars: {w: $i}", "w: ~"),
    "missing variables": block(RELU, "repeat: 8000", many("v@: ~", 5000)),
    "unused variables": block(RELU, "repeat: 7900", many("v@: 1", 5000)),
    "lists for variables": block(RELU, f"repeat: 7900, vars: {{w: [{many('$i', 8000)}]}}", "w: ~"),
    "rules": block(RELU, f"repeat: 7900, include: [{many('{phase: TEST}', 3000)}]"),
    "words for layers": block(many("a", 15000), "repeat: 7900"),
    "lists of lists": filled(towers("[${0}, ${0}]"), "  w@: [$v14, @]\n") + DATA,
    "lists of lists by expressions": filled(towers("$([{0}, {0}])"), "  w@: $([v14, @])\n") + DATA,
    "items of lists of lists": filled(towers("[${0}, ${0}]"), "  w@: $(v14[0][0])\n") + DATA,
    "comparisons of lists of lists": filled(towers("[${0}, ${0}]"), "  w@: $(v14 == u14)\n") + DATA,
    "comparisons of lists": filled(LIST, "  w@: $(v == [1])\n") + DATA,
    "searches in lists": filled(LIST, "  w@: $(2 in v)\n") + DATA,
    "maxima of lists": filled(LIST, "  w@: $(max(v))\n") + DATA,
    "sums of texts": filled(TEXT, "  w@: $(v + 'a')\n") + DATA,
    "texts": filled(TEXT, "  w@: a$v\n") + DATA,
    "texts doubling": "vars:\n  v0: '0123456789'\n" + many("  v#: $v@$v@\n", 3000, "") + DATA,
    "expressions": filled("vars:\n", "  w@: $(1+@)\n") + DATA,
    "long expressions": filled("vars:\n", f"  w@: $(@{'+1' * 38}{'+(1)' * 50})\n") + DATA,
    "brackets": filled("vars:\n", f"  w@: $({'(' * 150}@{')' * 150})\n") + DATA,
    "negations": filled("vars:\n", f"  w@: $({'not ' * 90}@)\n") + DATA,
    "wrong expressions": filled("vars:\n", "  w@: $(1+)\n") + DATA,
    "the same wrong expression": filled(DATA, "  - {name: r, type: ReLU, x: $(1+)}\n"),
    "signs": f"vars:\n  a: {'$$' * 30000}\n{DATA}",
    "signs of nothing": f"vars:\n  a: {'$ ' * 30000}\n{DATA}",
    "open brackets": f"vars:\n  a: {'$(' * 30000}\n{DATA}",
    "open brackets in many texts": filled(DATA, "  - $((((((((((((((\n"),
    "variables in a text": f"vars:\n  a: x\n  b: {'$a' * 30000}\n{DATA}",
    "unknown variables in a text": f"vars:\n  b: '{'$a ' * 20000}'\n{DATA}",
    "expressions in a text": f"vars:\n  b: '{'$(1) ' * 13000}'\n{DATA}",
    "a chain of variables": "vars:\n" + many("  v@: $v#\n", 4000, "") + DATA,
    "a chain of expressions": "vars:\n" + many(f"  v@: $({'-' * 32}v#)\n", 1200, "") + DATA,
    "a chain of lists": "vars:\n" + many(f"  v@: {'[' * 40}$v#{']' * 40}\n", 600, "") + DATA,
    "a cycle of variables": "vars:\n" + many("  v@: $v#\n", 4000, "") + "  v4000: $v0\n" + DATA,
    "cycles": "vars:\n" + many("  v@: $v@\n", 4000, "") + DATA,
    "large defaults": f"defaults:\n  ReLU: {{param: [{many('1', 10000)}]}}\n"
    + filled(DATA, "  - {name: r@, type: ReLU}\n", 34000),
    "unknown defaults": f"defaults:\n  ReLU: {{{many('f@: 1', 3000)}}}\n"
    + filled(DATA, "  - {name: r@, type: ReLU}\n", 34000),
    "defaults of unknown types": filled("defaults:\n", "  Rel@: {a: 1}\n") + DATA,
    "unknown blocks": filled(
        "blocks:\n" + many("  b@: {layers: [a]}\n", 1000, "") + DATA, "  - {name: r@, block: q@}\n"
    ),
    "unknown variables of blocks": filled(
        f"blocks: {{b: {{vars: {{{many('v@: 1', 1000)}}}, layers: [a]}}}}\n{DATA}",
        "  - {name: r@, block: b, vars: {w@: 1}}\n",
    ),
    "unknown keys of instances": filled("blocks: {b: {layers: [a]}}\n" + DATA, "  - {name: r@, block: b, k@: 1}\n"),
    "blocks that are none": filled("blocks:\n", "  b@: {x@: 1}\n") + DATA,
    "instances": filled(f"blocks: {{b: {{layers: [{RELU}]}}}}\n{DATA}", "  - {name: r@, block: b}\n"),
    "edits of nothing": filled(DATA, "  - {remove: r@}\n"),
    "layers by a variable": f"vars: {{l: {{name: a, type: ReLU, x: [{many('1', 10000)}]}}}}\n{DATA}"
    + "  - $l\n" * 5000,
    "all layers by a variable": f"vars: {{l: [{many(RELU, 2500)}]}}\nlayers: $l\n",
}

PARENT = filled(DATA, "  - {name: r@, type: ReLU}\n")
CHILDREN = {
    "fields": (PARENT, "layers:\n", "  - {name: r@, negative_slope: 0.1}\n"),
    "removals": (PARENT, "layers:\n", "  - {remove: r@}\n"),
    "insertions behind one layer": (PARENT, "layers:\n", "  - {insert_after: r9, name: q@, type: ReLU}\n"),
    "insertions behind one another": (
        PARENT,
        "layers:\n  - {name: q0, type: ReLU}\n",
        "  - {insert_before: r9, name: q@, type: ReLU}\n",
    ),
    "replacements": (PARENT, "layers:\n", "  - {replace: r@, type: TanH}\n"),
    "removals of nothing": (PARENT, "layers:\n", "  - {remove: q@}\n"),
    "fields of nothing": (PARENT, "layers:\n", "  - {name: q@}\n"),
    "other types": (PARENT, "layers:\n", "  - {name: r@, type: TanH}\n"),
    "typos": (PARENT, "layers:\n", "  - {insertt@: q@}\n"),
    "variables": (filled("vars:\n", "  v@: 1\n", 60000) + DATA, "vars:\n", "  v@: 2\n"),
    "keys": (filled("", "v@: 1\n") + DATA, "layers: []\n", "v@: 2\n"),
    "mappings": (filled("data:\n", "  v@: {a: 1}\n"), "data:\n", "  v@: {b: 2}\n"),
}
"""For each: the parent, and the beginning and the rows of the child."""
