"""Random nets in the language, and a second expander that follows the description of the language alone.

All blobs of such a net have one shape, so that any layer may read any of them, and what `$c`, `$k` and the others mean
is known here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

SHAPE = [2, 4, 5, 5]
Entry = dict[str, Any]
Net = dict[str, Any]

DEFAULTS: Entry = {
    "Convolution": {"bias_term": False, "weight_filler": {"type": "xavier"}, "param": [{"lr_mult": "$(c / 2)"}]},
    "Pooling": {"pool": "AVE"},
    "ReLU": {"negative_slope": "$slope"},
}
VARS: Entry = {"k": "$(two + 1)", "c": 4, "two": "$(c // 2)", "slope": 0.25, "word": "x$c"}


class _Writer:
    """Writes the entries of the net or of a block; `free` are blobs outside that a block may name."""

    def __init__(self, draw: Any, blocks: dict[str, Entry], inside: bool) -> None:
        self.draw, self.blocks, self.inside = draw, blocks, inside
        self.known = ["data"] if not inside else ["data", "$bottom"]
        self.above: str | None = None if inside else "data"
        """What one would call the blob that an entry without `bottom` reads; None in a block's first entry."""
        self.hidden = False
        """Whether what is above takes part in one phase only."""
        self.entries: list[Entry] = []

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def four(self) -> Any:
        """An expression for the number of channels."""
        return self.pick(
            4,
            "$c",
            "$(two * 2)",
            "$(max(c, 3))",
            "$(4 if c > 3 else nowhere)",
            *(["$w", "$(w)"] if self.inside else []),
        )

    def repeat(self) -> Entry:
        """`repeat` or `when` or both, or nothing."""
        when = {"when": self.pick(True, False, "$(c > 3)", *(["$(i == 1)"] if self.inside else []))}
        times = {"repeat": self.pick(0, 1, 2, 3, "$two", "$(k - two)")}
        return self.pick({}, {}, {}, times, times, when, when | times)

    def bottom(self, most: int = 1) -> Entry:
        """`bottom`, or nothing: then the entry reads what is above it."""
        if most == 1 and not self.hidden and self.pick(True, False):
            return {}
        names = [self.pick(*self.known, *self.known[-2:]) for _ in range(most)]
        return {"bottom": names if most > 1 or self.pick(True, False) else names[0]}

    def entry(self) -> None:
        name = self.pick("l$two", "l", "relu$(1 + 1)", "é") + f"-{len(self.entries)}"
        made = self.pick(self.layer, self.layer, self.instance if self.blocks else self.layer)(name)
        self.entries.append(made)

    def said(self, name: str) -> str:
        """A name as it reads once its variables are replaced."""
        return name.replace("$two", "2").replace("$(1 + 1)", "2")

    def wrote(self, blob: str, hidden: bool = False) -> None:
        self.above, self.hidden = blob, hidden
        if not hidden and blob not in self.known:
            self.known.append(blob)

    def layer(self, name: str) -> Entry:
        kind = self.pick("Convolution", "Pooling", "ReLU", "TanH", "Eltwise")
        result: Entry = {"name": name, "type": kind, **self.repeat()}
        counted = ["$(i + 1)", "$(1 if i == 0 else 3)"] if "repeat" in result or self.inside else []
        if kind == "Eltwise":
            result |= {"operation": self.pick("SUM", "MAX"), **self.bottom(self.pick(2, 3))}
        elif kind == "Convolution":
            size = self.pick(1, 3, "$k")
            result |= {
                "num_output": self.four(),
                "kernel_size": size,
                "pad": {1: 0, 3: 1, "$k": "$(k // 2)"}[size],
                **self.bottom(),
            }
        elif kind == "Pooling":
            result |= {"kernel_size": 3, "stride": 1, "pad": 1, **self.bottom()}
        else:
            result |= {
                **self.bottom(),
                **({"negative_slope": self.pick(*counted)} if kind == "ReLU" and counted else {}),
            }
        read = result.get("bottom", self.above)
        read = read[0] if isinstance(read, list) and len(read) == 1 else read
        if (
            kind in {"ReLU", "TanH"}
            and isinstance(read, str)
            and (read != "data" or not self.inside)
            and self.pick(True, False)
        ):
            result["top"] = self.pick(read, [read])
            self.wrote(self.said(name) if {"repeat", "when"} & set(result) else read)
            return result
        if not {"repeat", "when"} & set(result) and self.pick(True, False, False):
            result["top"] = f"t_{name}"
            self.wrote(self.said(result["top"]))
            return result
        self.wrote(self.said(name))
        return result

    def instance(self, name: str) -> Entry:
        block = self.pick(*self.blocks)
        result: Entry = {"name": name, "block": block, **self.repeat(), **self.bottom()}
        wanted = self.blocks[block].get("vars", {})
        given = {key: self.four() for key in wanted if wanted[key] is None or self.pick(True, False, False)}
        if given:
            result["vars"] = given
        rule = (
            {} if self.inside else self.pick({}, {}, {"include": {"phase": "TEST"}}, {"exclude": [{"phase": "TEST"}]})
        )
        self.wrote(self.said(name), hidden=bool(rule))
        return result | rule


@st.composite
def nets(draw: Any) -> Net:
    """A net on the blobs `data` and `label`."""
    blocks: dict[str, Entry] = {}
    for i in range(draw(st.integers(0, 3))):
        writer = _Writer(draw, dict(blocks), inside=True)
        for _ in range(draw(st.integers(1, 4))):
            writer.entry()
        blocks[f"b{i}"] = {"vars": {"w": draw(st.sampled_from([None, 4, "$c", "$(c * 1)"]))}, "layers": writer.entries}
    writer = _Writer(draw, blocks, inside=False)
    writer.entries.append({"name": "data", "type": "Input", "top": ["data", "label"], "shape": [SHAPE, SHAPE[:1]]})
    for _ in range(draw(st.integers(1, 6))):
        writer.entry()
    scores = {
        "name": "scores",
        "type": "InnerProduct",
        "num_output": "$k",
        "weight_filler": "xavier",
        "bottom": writer.known[-1],
    }
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]}
    result: Net = {"name": "random $$ $word", "vars": VARS, "layers": [*writer.entries, scores, loss]}
    if draw(st.booleans()):
        result["defaults"] = DEFAULTS
    else:
        fillers = [
            entry
            for block in [result, *blocks.values()]
            for entry in block["layers"]
            if entry.get("type") == "Convolution"
        ]
        for entry in fillers:
            entry["weight_filler"] = "xavier"
    return result | ({"blocks": blocks} if blocks else {})


def written(net: Net) -> str:
    """A net as text, one entry a line."""
    lines = [
        f"{key}: {json.dumps(value, ensure_ascii=False)}"
        for key, value in net.items()
        if key not in {"blocks", "layers"}
    ]
    if "blocks" in net:
        lines.append("blocks:")
        for name, block in net["blocks"].items():
            lines += [f"  {name}:", f"    vars: {json.dumps(block['vars'])}", "    layers:"]
            lines += [f"      - {json.dumps(entry, ensure_ascii=False)}" for entry in block["layers"]]
    lines += ["layers:", *(f"  - {json.dumps(entry, ensure_ascii=False)}" for entry in net["layers"])]
    return "\n".join(lines) + "\n"


# --- the second expander ---


class Late(dict[str, Any]):
    """Variables that are worked out when they are asked for."""

    def __init__(self, values: Entry, outer: Late | None) -> None:
        super().__init__(values)
        self.outer = outer

    def __missing__(self, name: str) -> Any:
        if self.outer is None:
            raise KeyError(name)
        return self.outer[name]

    def __getitem__(self, name: str) -> Any:
        return put(super().__getitem__(name), self) if name in self else self.__missing__(name)


FUNCTIONS = {"__builtins__": {}, "min": min, "max": max, "round": round, "ceil": math.ceil, "floor": math.floor}


def put(value: Any, names: Late) -> Any:
    """A value with its variables put in."""
    if isinstance(value, dict):
        return {key: put(item, names) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [put(item, names) for item in value]
    if not isinstance(value, str):
        return value

    def one(match: re.Match[str]) -> Any:
        sign, name, expression = match.groups()
        return "$" if sign == "$" else names[name] if name else eval(expression, FUNCTIONS, names)

    whole = re.fullmatch(r"\$(\$)?(?:(\w+)|\((.*)\))", value)
    if whole and not whole[1]:
        return one(whole)
    return re.sub(r"\$(?:(\$)|(\w+)|\((.*?)\))", lambda match: str(one(match)), value)


def by_hand(net: Net) -> Net:
    """The net written out: every layer with its full name, its bottoms and its tops."""
    out: list[Entry] = []
    top = Late(net.get("vars", {}), None)

    def frame(
        entries: list[Entry], prefix: str, names: Late, outer: Callable[[str], str], above: str | None, rule: Entry
    ) -> str | None:
        own = {put(name, names) for e in entries for name in [e["name"], *_list(e.get("top"))] if name != "$bottom"}
        answers: dict[str, str] = {}

        def full(name: str) -> str:
            if name.startswith("//"):
                return name[2:]
            return answers.get(name) or (prefix + name if name in own else outer(name))

        for e in entries:
            name = put(e["name"], names)
            number = put(e.get("repeat", 1), names) if put(e.get("when", True), names) else 0
            for i in range(number):
                here = Late({"i": i}, names) if "repeat" in e else names
                called = f"{name}/{i}" if "repeat" in e else name
                bottoms = [full(b) for b in put(_list(e.get("bottom")), here)] or ([above] if above else [])
                if i:
                    bottoms[0] = above
                if "block" in e:
                    block = net["blocks"][e["block"]]
                    given = Late(
                        {**block.get("vars", {}), **put(e.get("vars", {}), here), "i": i, "bottom": f"//{bottoms[0]}"},
                        top,
                    )
                    own_rule = {key: e[key] for key in ("include", "exclude") if key in e}
                    above = frame(block["layers"], f"{prefix}{called}/", given, full, bottoms[0], rule | own_rule)
                else:
                    fields = put({**net.get("defaults", {}).get(e["type"], {})}, top)
                    fields |= put({key: item for key, item in e.items() if key not in {"repeat", "when"}}, here)
                    tops = [
                        answers.get(t) or full(t) if not t.startswith("//") else t[2:] for t in _list(fields.get("top"))
                    ]
                    fields |= {"name": prefix + called, "top": tops or [prefix + called], **rule}
                    if e["type"] != "Input":
                        fields["bottom"] = bottoms
                    out.append(fields)
                    above = fields["top"][0]
            if number == 0 and "bottom" in e:
                above = full(put(_list(e["bottom"]), names)[0])
            if {"block", "repeat", "when"} & set(e):
                assert above is not None
                answers[name] = above
        return above

    frame(net["layers"], "", top, lambda name: name, None, {})
    return {"name": put(net["name"], top).replace("$", "$$"), "layers": out}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
