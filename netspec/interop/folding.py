"""Layers that repeat, folded: values that layers of a type share go to `defaults`, groups that are alike to `blocks`.

A group is a run of layers whose names begin alike up to a slash, as in `fire2/squeeze1x1` and `fire2/expand1x1`. So
every layer and every blob keeps its name, and weights still find theirs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from netspec.interop.yaml_text import Written, comments, entry, head_lines, tidy
from netspec.language.write import flow

_OWN = frozenset({"name", "type", "bottom", "top", "include", "exclude", "loss_weight", "propagate_down"})
"""Fields that belong to one layer, whatever others of its type have."""
LEAST = 2
"""Least layers of a type, and groups that are alike, that are worth folding."""


def folded(head: Mapping[str, Any], layers: Sequence[Written], notes: Sequence[str]) -> str:
    """The text of a net in which what repeats is written once."""
    lean, defaults = _hoisted(tidy(layers), head.get("defaults", {}))
    blocks, entries = _blocks(lean)
    lines = head_lines({key: value for key, value in head.items() if key != "defaults"}, notes)
    if defaults:
        lines += ["defaults:", *(f"  {type}: {flow(values)}" for type, values in defaults.items())]
    if blocks:
        lines.append("blocks:")
        for name, block in blocks.items():
            lines.append(f"  {name}:")
            if block.vars:
                lines.append(f"    vars: {{{', '.join(f'{var}: ~' for var in block.vars)}}}")
            lines.append("    layers:")
            for layer in block.layers:
                lines += entry(layer, 6)
    lines.append("layers:")
    for written in entries:
        lines += [*comments(written.notes, "  "), *entry(written.fields)]
    return _VARIABLE.sub(r"$\1", "\n".join(lines) + "\n")


_VARIABLE = re.compile("§([a-z0-9_]+)§")


def _variable(name: str) -> str:
    """A text that stands for a variable until all is written."""
    return f"§{name}§"


def _hoisted(layers: list[Written], given: Mapping[str, Any]) -> tuple[list[Written], dict[str, dict[str, Any]]]:
    """The layers without values that most layers of their type have, and these values by type."""
    defaults = {type: dict(values) for type, values in given.items()}
    for type in dict.fromkeys(str(layer.fields.get("type", "")) for layer in layers):
        same = [layer.fields for layer in layers if layer.fields.get("type", "") == type]
        for key in dict.fromkeys(key for fields in same for key in fields):
            if key in _OWN or len(same) < LEAST or not all(key in fields for fields in same):
                continue
            value, times = Counter(flow(fields[key]) for fields in same).most_common(1)[0]
            named = key == "param" and "name:" in value
            if 2 * times >= len(same) and times >= LEAST and not named:
                defaults.setdefault(type, {})[key] = next(f[key] for f in same if flow(f[key]) == value)
    return [Written(_without(layer.fields, defaults), layer.notes) for layer in layers], defaults


def _without(fields: Mapping[str, Any], defaults: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    own = defaults.get(str(fields.get("type", "")), {})
    return {key: value for key, value in fields.items() if key in _OWN or key not in own or own[key] != value}


@dataclass
class _Block:
    """Layers that are written once; `vars` are the values in which its instances differ."""

    layers: list[dict[str, Any]]
    vars: list[str] = field(default_factory=list)


@dataclass
class _Group:
    """Layers whose names begin with the same word: as they stand, in names of their own, and what they read.

    `above` is the blob that they read where they do not say so.
    """

    name: str
    layers: list[Written]
    inner: list[dict[str, Any]] | None
    bottom: str
    above: str | None


def _blocks(layers: list[Written]) -> tuple[dict[str, _Block], list[Written]]:
    """The blocks of groups that are alike, and the entries of the net."""
    groups = list(_groups(layers))
    alike: dict[str, list[_Group]] = {}
    for group in groups:
        if group.inner is not None:
            alike.setdefault(_form(group.inner), []).append(group)
    blocks: dict[str, _Block] = {}
    instances: dict[str, Written] = {}
    for several in alike.values():
        if len(several) < LEAST:
            continue
        name = _block_name([group.name for group in several], blocks)
        block, values = _merged([group.inner or [] for group in several])
        blocks[name] = block
        for group, own in zip(several, values, strict=True):
            bottom = "" if group.bottom == group.above else group.bottom
            fields = {"name": group.name, "block": name, "bottom": bottom, "vars": own}
            instances[group.name] = Written({key: value for key, value in fields.items() if value})
    entries: list[Written] = []
    for group in groups:
        entries += [instances[group.name]] if group.inner and group.name in instances else group.layers
    return blocks, entries


def _groups(layers: list[Written]) -> Iterator[_Group]:
    """The layers in runs that begin alike. A run that cannot be a block, or is met again, has no inner layers."""
    runs = [(name, list(run)) for name, run in groupby(layers, lambda layer: _begin(layer.fields["name"]))]
    times = Counter(name for name, _ in runs)
    for layer in layers:  # an instance may not be called like a layer or a blob
        times.update({layer.fields["name"], *_names(layer.fields.get("top", ()))})
    above: str | None = None
    for name, run in runs:
        inner, read = None, ""
        if name and times[name] == 1 and len(run) >= LEAST and not any(layer.notes for layer in run):
            inner, read = _relative(name, [layer.fields for layer in run], above)
        yield _Group(name, run, inner, read, above)
        above = _top(run[-1].fields)


def _begin(name: str) -> str:
    return name.partition("/")[0] if "/" in name else ""


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _top(fields: Mapping[str, Any]) -> str | None:
    tops = _names(fields.get("top", fields["name"]))
    return tops[0] if tops and not fields.keys() & {"include", "exclude"} else None


def _relative(
    prefix: str, run: Sequence[Mapping[str, Any]], above: str | None
) -> tuple[list[dict[str, Any]] | None, str]:
    """Layers in names without their beginning, and the one blob from outside that they read.

    None in place of the layers where they read several, or make blobs that are not called like them.
    """
    outside: dict[str, None] = {}
    inner: list[dict[str, Any]] = []
    for number, fields in enumerate(run):
        made = {**fields, "name": fields["name"].removeprefix(f"{prefix}/")}
        if any(not top.startswith(f"{prefix}/") for top in _names(fields.get("top", fields["name"]))):
            return None, ""
        if number == 0 and "bottom" not in fields:
            if above is None:
                return None, ""
            outside[above] = None
        for key in ("bottom", "top"):
            if key not in fields:
                continue
            names = _names(fields[key])
            outside |= dict.fromkeys(name for name in names if not name.startswith(f"{prefix}/"))
            own = [n.removeprefix(f"{prefix}/") if n.startswith(f"{prefix}/") else _variable("bottom") for n in names]
            made[key] = own[0] if len(own) == 1 else own
        if number == 0 and made.get("bottom") == _variable("bottom"):
            del made["bottom"]
        inner.append(made)
    return (inner, next(iter(outside))) if len(outside) == 1 else (None, "")


def _form(inner: list[dict[str, Any]]) -> str:
    """What layers have in common with others that could be instances of the same block."""
    return flow([[list(layer), {key: layer.get(key) for key in _OWN if key in layer}] for layer in inner])


def _merged(groups: list[list[dict[str, Any]]]) -> tuple[_Block, list[dict[str, Any]]]:
    """The block of groups that are alike, and the variables of each."""
    names: dict[str, str] = {}
    values: list[dict[str, Any]] = [{} for _ in groups]
    layers: list[dict[str, Any]] = []
    for alike in zip(*groups, strict=True):
        layer = dict(alike[0])
        for key in layer:
            held = [fields[key] for fields in alike]
            if all(value == held[0] for value in held):
                continue
            if flow(held) not in names:
                names[flow(held)] = f"{key}_{1 + sum(name.startswith(key) for name in names.values())}"
                for own, value in zip(values, held, strict=True):
                    own[names[flow(held)]] = value
            layer[key] = _variable(names[flow(held)])
        layers.append(layer)
    return _Block(layers, list(names.values())), values


def _block_name(names: list[str], taken: Mapping[str, Any]) -> str:
    """A name for a block: what the names of its instances begin with."""
    first, *rest = names
    length = next((n for n in range(len(first), 0, -1) if all(name.startswith(first[:n]) for name in rest)), 0)
    name = re.sub(r"[^a-z0-9_]", "_", first[:length].lower().rstrip("0123456789_-./")) or "block"
    return next(word for word in (name, *(f"{name}_{n}" for n in range(2, 1000))) if word not in taken)
