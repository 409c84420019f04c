"""The reference of layer types, sources and transforms: their docstrings and fields, for a terminal and docs/."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, get_args

from netspec.core.errors import UsageError
from netspec.core.model import Model
from netspec.core.rooms import Room, UnknownWord
from netspec.core.snippet import folded
from netspec.data.sources.base import SOURCES
from netspec.data.transforms.base import TRANSFORMS
from netspec.language import elsewhere
from netspec.layers.base import LAYERS, Layer, Purpose
from netspec.views.columns import Columns
from netspec.views.fields import REQUIRED, Described, described
from netspec.views.tables import View

TITLES: dict[Purpose, str] = {
    "data": "Data",
    "product": "Products with weights",
    "activation": "Activations",
    "pooling": "Pooling",
    "normalization": "Normalization",
    "noise": "Noise",
    "sequence": "Sequences",
    "shape": "Shapes and places",
    "arithmetic": "Arithmetic",
    "loss": "Losses",
    "score": "Scores",
    "other": "Others",
}
WIDE = 100
"""Width of text where nobody says how wide a line may be."""
DATA: tuple[Room[Any], ...] = (SOURCES, TRANSFORMS)
"""What a solver's data are made of. A word that is a layer type too is asked for by its kind: transform.Crop."""


class UnknownLayerTypeError(UsageError):
    """`netspec layers` is asked for a layer type that nobody has."""

    code = "NS007"


@dataclass(frozen=True)
class Entry:
    """A layer type in words, or a source or transform, which has no bottoms, tops and example.

    `summary` is the first sentence of its docstring, `about` the rest.
    """

    name: str
    purpose: Purpose | str
    summary: str
    about: str
    formula: str
    source: str
    bottoms: str
    tops: str
    fields: tuple[Described, ...]
    example: str


def entry(cls: type[Layer]) -> Entry:
    """A layer type in words; where a layer of a plug-in or of `--code` says nothing, its words are empty."""
    summary, _, about = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\n\n")
    formula, source = _formula(cls)
    name, fields = LAYERS.word(cls), tuple(described(cls, Layer.model_fields))
    arity = (str(cls.bottoms), str(cls.tops))
    return Entry(name, cls.purpose, _line(summary), about, formula, source, *arity, fields, cls.example.strip("\n"))


def _data_entry(room: Room[Any], cls: type[Model]) -> Entry:
    """A source or a transform in words."""
    summary, _, about = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("\n\n")
    formula, source = _formula(cls)
    fields = tuple(described(cls))
    return Entry(room.word(cls), room.kind, _line(summary), about, formula, source, "", "", fields, "")


def _formula(cls: type[Model]) -> tuple[str, str]:
    """What the docstring of a type's file says of the formula, and of its source."""
    text = inspect.cleandoc(getattr(sys.modules.get(cls.__module__), "__doc__", None) or "")
    kept: list[str] = []
    sources: list[str] = []
    for paragraph in text.split("\n\n"):
        before, *after = re.split(r"\bSource:\s+", paragraph)
        kept.append(before.strip())
        sources += map(_line, after)
    formula = "\n\n".join(filter(None, kept)).removeprefix(f"{cls.__name__}:").strip()
    return formula, " ".join(sources)


def _line(paragraph: str) -> str:
    return " ".join(paragraph.split())


def entries() -> list[Entry]:
    """All layer types, by purpose and then by name."""
    order = get_args(Purpose)
    return sorted(map(entry, LAYERS.members()), key=lambda one: (order.index(one.purpose), one.name.lower()))


def find(word: str) -> Entry:
    """The layer type, source or transform of a word, in whichever case. Raises UnknownLayerTypeError."""
    words = LAYERS.words()
    try:
        return entry(LAYERS.get(_known(word, words)))
    except UnknownWord as unknown:
        for room in DATA:
            name = _known(word.removeprefix(f"{room.kind}."), room.words())
            if name in room.words():
                return _data_entry(room, room.get(name))
        help = elsewhere.word_help(LAYERS.kind, word, words) or "`netspec layers` lists them"
        raise UnknownLayerTypeError(str(unknown), help=help) from None


def _known(word: str, words: list[str]) -> str:
    """A word as it is written where it is one of `words` in another case."""
    return word if word in words else next((one for one in words if one.lower() == word.lower()), word)


def by_purpose(listed: list[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    """(title, types) of each purpose that some type has."""
    for purpose, title in TITLES.items():
        found = [one for one in listed if one.purpose == purpose]
        if found:
            yield title, found


def overview(listed: list[Entry], width: int | None) -> View:
    """The answer of `netspec layers`: each type with its summary, under its purpose."""

    def table(_: int | None) -> Columns:
        columns = Columns(("purpose", "layer", "summary"))
        for one in listed:
            columns.add_row(one.purpose, one.name, one.summary)
        return columns

    records = [{"purpose": one.purpose, "name": one.name, "summary": one.summary} for one in listed]
    return View(table, lambda: records, lambda: records, lambda: "\n".join(_overview(listed, width or WIDE)))


def _overview(listed: list[Entry], width: int) -> Iterator[str]:
    longest = max((len(one.name) for one in listed), default=0) + 2
    for number, (title, types) in enumerate(by_purpose(listed)):
        yield from ["", title] if number else [title]
        for one in types:
            yield from folded(f"  {one.name:<{longest}}" + one.summary, width, " " * (longest + 2))


def page(one: Entry, width: int | None) -> View:
    """The answer of `netspec layers NAME`: all that is known of a type."""

    def table(_: int | None) -> Columns:
        columns = Columns(("field", "value", "default", "meaning"), one.name)
        for field in one.fields:
            columns.add_row(*field)
        return columns

    values = asdict(one) | {"fields": [field._asdict() for field in one.fields]}
    return View(table, lambda: values, lambda: values["fields"], lambda: "\n".join(_page(one, width or WIDE)))


def _page(one: Entry, width: int) -> Iterator[str]:
    def part(title: str, text: str) -> Iterator[str]:
        if text:
            yield from ["", title]
            for paragraph in text.split("\n\n"):
                yield from folded("  " + _line(paragraph), width, "  ")

    yield from folded(f"{one.name}: {one.summary}", width, "  ")
    if one.tops:
        yield from part("Formula", one.formula)
        yield from part(f"Bottoms ({one.bottoms}) and tops ({one.tops})", one.about)
    else:
        is_formula = re.match(r"\w+ = ", one.formula)
        details = one.formula if is_formula else one.formula[:1].upper() + one.formula[1:]
        yield from part("Details", "\n\n".join(filter(None, (one.about, details))))
    yield from part("Source", one.source)
    yield from ["", "Fields, beside those of every layer" if one.tops else "Fields"] if one.fields else []
    for field in one.fields:
        default = f" ({REQUIRED})" if field.default == REQUIRED else field.default and f", default {field.default}"
        yield from folded(f"  {field.name}: {field.value}{default}", width, "    ")
        yield from folded(f"    {field.meaning}", width, "    ") if field.meaning else []
    yield from ["", "Example", *(f"  {line}" for line in one.example.splitlines())] if one.example else []
    for room in DATA if one.tops else ():
        if one.name in room.words():
            yield from ["", f"The {room.kind} of this name: netspec layers {room.kind}.{one.name}"]


def markdown(one: Entry) -> list[str]:
    """A type as a section of a page."""
    lines = [f"### {one.name}", "", one.summary, *(["", one.about] if one.about else [])]
    lines += ["", "```text", one.formula, "```"] if one.formula else []
    lines += ["", f"Number of bottoms: {one.bottoms}; of tops: {one.tops}."]
    lines += ["", *fields_table(one.fields)] if one.fields else []
    lines += ["", f"Source: {one.source}"] if one.source else []
    return [*lines, "", "```yaml", one.example, "```"] if one.example else lines


def fields_table(fields: Iterable[Described]) -> list[str]:
    """A row of Markdown for each field; nothing where there is none."""

    def row(field: Described) -> str:
        default = f"`{field.default}`" if field.default not in {"", REQUIRED} else field.default
        value, meaning = (text.replace("|", "\\|") for text in (field.value, field.meaning))
        return f"| `{field.name}` | {value} | {default} | {meaning} |"

    rows = [*map(row, fields)]
    return ["| field | value | default | meaning |", "|---|---|---|---|", *rows] if rows else []


def index(listed: list[Entry]) -> list[str]:
    """A line of Markdown for each purpose, with a link to each of its types."""
    lines = ["| purpose | layers |", "|---|---|"]
    for title, types in by_purpose(listed):
        links = ", ".join(f"[{one.name}](#{one.name.lower()})" for one in types)
        lines.append(f"| {title} | {links} |")
    return lines
