"""The settings of a run, as parts of a page: what was overridden, the whole configuration, data, environment."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core.errors import NetspecError
from netspec.core.locate import RUN_CONFIG
from netspec.core.nodes import Document, Node
from netspec.core.nodes import Mapping as Fields
from netspec.core.nodes import Sequence as Items
from netspec.language.document import dump
from netspec.language.files import read
from netspec.language.override import Override, parse_override
from netspec.report.page import part, table
from netspec.training.job import Job
from netspec.training.runs import RunRecord
from netspec.views.columns import Columns
from netspec.views.terminal import size

if TYPE_CHECKING:
    from markupsafe import Markup


class Line(NamedTuple):
    """A line of the configuration, and whether a value on it was overridden."""

    text: str
    overridden: bool


def configuration(record: RunRecord) -> Markup:
    """The overrides of a run's command line, and its configuration with these marked."""
    document = read(record.path / RUN_CONFIG)
    overrides = list(_overrides(record.environment))
    marked = {line for one in overrides if (line := _line(document, one)) is not None}
    text = document.source.text.rstrip("\n").split("\n")
    rows = Columns(("key", "value"), "overridden on the command line")
    for one in overrides:
        key, _, value = one.source.text.partition("=")
        rows.add_row(key, value)
    return part(
        "configuration",
        overrides=table(rows) if overrides else None,
        lines=[Line(line, number in marked) for number, line in enumerate(text, 1)],
    )


def _overrides(environment: Mapping[str, Any]) -> Iterator[Override]:
    """The overrides among the words of a run's command."""
    for word in _command(environment):
        if "=" in word and not word.startswith("-"):
            try:
                yield parse_override(word)
            except NetspecError:  # a word that only holds a =, like a path
                continue


def _command(environment: Mapping[str, Any]) -> list[str]:
    """The words of a run's command behind the name of the program; none where it is not recorded."""
    words = environment.get("command")
    return [str(word) for word in words[1:]] if isinstance(words, list) else []


def _line(document: Document, one: Override) -> int | None:
    """The line of an overridden value in a configuration; None where it is not there, as of a variable."""
    node: Node = document.root
    for step in one.steps:
        found = _below(node, step.name)
        if found is None:
            return None
        node = found
    return node.at.line


def _below(node: Node, name: str) -> Node | None:
    """The value under a key, or of the layer of a name in a list."""
    if isinstance(node, Fields):
        return node.items.get(name)
    if isinstance(node, Items):
        named = (item for item in node.items if isinstance(item, Fields) and "name" in item.items)
        return next((item for item in named if item.value("name") == name), None)
    return None


def data(record: RunRecord, job: Job) -> Markup:
    """The data of a run: each feed, and the classes by their numbers."""
    said = record.environment.get("data")
    names = ["train", *job.spec.data.scored] if job.spec.data.train else list(job.spec.data.scored)
    found = said if isinstance(said, list) and len(said) == len(names) else [""] * len(names)
    feeds = []
    for name, words in zip(names, found, strict=True):
        feed = record.config.get("data", {})
        feed = feed.get(name) or feed.get("tests", {}).get(name)
        feeds.append((name, str(words), dump(feed).rstrip("\n") if feed else ""))
    return part("data", feeds=feeds, classes=list(_classes(record.environment)))


def _classes(environment: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Of each output with classes its title, and their names."""
    known = environment.get("classes")
    outputs: Mapping[str, Any] = known if isinstance(known, dict) else {}
    for number, names in outputs.items():
        if isinstance(names, Sequence):
            title = f"{len(names):,} classes" + (f" of input {number}" if len(outputs) > 1 else "")
            yield title, [str(name) for name in names]


def environment(record: RunRecord) -> Markup:
    """The environment of a run, the command that made it, and the one that makes it again."""
    values = record.environment
    rows = Columns(("what", "value"))
    for key in ("started", "cpu", "cores", "threads", "platform", "python"):
        if key in values:
            rows.add_row(key, str(values[key]))
    memory = values.get("memory_bytes")
    if isinstance(memory, int) and 0 <= memory < 2**63:
        rows.add_row("memory", size(memory))
    versions = values.get("versions")
    for name, version in versions.items() if isinstance(versions, dict) else ():
        rows.add_row(name, str(version))
    code = values.get("code")
    for one in (each for each in code if isinstance(each, dict)) if isinstance(code, list) else ():
        rows.add_row(f"code {one.get('name', '')}", f"SHA-256 {one.get('sha256', '')}")
    words = _command(values)
    return part(
        "environment",
        rows=table(rows),
        command=shlex.join(["netspec", *words]) if words else None,
        again=shlex.join(["netspec", "train", _shown(record.path / RUN_CONFIG)]),
    )


def _shown(path: Path) -> str:
    """A path with its separators, so that it is taken for no name of the zoo."""
    return str(path) if path.is_absolute() else f"./{path}"
