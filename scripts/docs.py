"""Writes the generated pages of docs/ and the JSON Schemas: `python scripts/docs.py [--check] [PAGE...]`.

A page is a function that returns its text; with --check nothing is written, and a page that is out of date is a
failure.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import netspec
from netspec.core.errors import (
    CheckFailed,
    DataError,
    DivergedError,
    MachineError,
    NetspecError,
    SnapshotError,
    SpecError,
    UsageError,
)
from netspec.core.explained import Explained
from netspec.core.rooms import Room
from netspec.data.sources.base import SOURCES
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import TRANSFORMS
from netspec.fillers.base import FILLERS
from netspec.interop.onnx_files import OPSET
from netspec.interop.to_onnx.writing import written
from netspec.layers.base import Layer, ParamSpec, StateRule
from netspec.training.averages.base import AVERAGES
from netspec.training.policies.base import POLICIES
from netspec.training.regularizers.base import REGULARIZERS
from netspec.training.solvers.base import SOLVERS
from netspec.training.spec import SolverSpec
from netspec.views import json_schema, reference
from netspec.views.fields import described

ROOT = Path(__file__).resolve().parent.parent

os.environ["NETSPEC_PLUGINS"] = "off"  # the pages are about netspec alone

HEAD = "<!-- Written by scripts/docs.py; do not edit. -->\n"

FAMILIES = {
    "NS0": "Command line, plug-ins and code files",
    "NS1": "Documents",
    "NS2": "Fields",
    "NS3": "Graph and shapes",
    "NS4": "Plan and program",
    "NS5": "Solver, snapshot and run",
    "NS6": "Data",
    "NS7": "Foreign files",
    "NS8": "Seeing and judging trainings",
}


def errors() -> str:
    """docs/errors.md: every code with its meaning and exit code."""
    lines = [
        HEAD,
        "# Errors",
        "",
        "Every mistake has a code, a place where there is one, and mostly a help line:",
        "",
        "```",
        "error[NS302]: layer 'pool1' reads blob 'con1', which nothing above it produces",
        "  --> models/lenet.yaml:14:14",
        "   |",
        "14 |     bottom: con1",
        "   |             ^^^^",
        "   = help: did you mean 'conv1'?",
        "```",
        "",
        "`netspec check --format json` and `--format github` say the same to machines. "
        "`tests/cli/broken/` holds an example of nearly each.",
        "",
        "| exit code | meaning |",
        "|---:|---|",
        *(f"| {code} | {meaning} |" for code, meaning in sorted(_exit_codes().items())),
    ]
    coded = _coded()
    for prefix, title in FAMILIES.items():
        lines += ["", f"## {prefix}xx: {title}", "", "| code | error | exit code | meaning |", "|---|---|---:|---|"]
        for code, cls in coded.items():
            if code.startswith(prefix):
                ends = cls.exit_code if cls.severity == "error" else "warning"
                lines.append(f"| {code} | {cls.__name__} | {ends} | {_first_line(cls)} |")
    return "\n".join(lines) + "\n"


def _exit_codes() -> dict[int, str]:
    families = (UsageError, SpecError, DataError, DivergedError, CheckFailed, SnapshotError, MachineError)
    return {
        0: "Fine.",
        1: "A bug of netspec.",
        **{family.exit_code: _first_line(family) for family in families},
        8: "A budget, `max_time` or `max_rss`, is used up; a snapshot was written.",
        129: "Stopped by SIGHUP; a snapshot was written.",
        130: "Stopped by SIGINT (Ctrl-C); a snapshot was written.",
        143: "Stopped by SIGTERM; a snapshot was written.",
    }


def _coded() -> dict[str, type[NetspecError]]:
    """The error class of every code. Ends the script when a code is used twice, or belongs to no family."""
    for module in pkgutil.walk_packages(netspec.__path__, "netspec."):
        if module.name != "netspec.__main__":
            importlib.import_module(module.name)
    found: dict[str, type[NetspecError]] = {}
    for cls in _below(NetspecError):
        code = cls.__dict__.get("code")
        if code is None:
            continue
        if found.get(code, cls) is not cls:
            sys.exit(f"{code} is both {found[code].__qualname__} and {cls.__qualname__}")
        if code[:3] not in FAMILIES or not re.fullmatch(r"NS\d{3}", code):
            sys.exit(f"{cls.__qualname__} has the code {code}, of no family")
        found[code] = cls
    return dict(sorted(found.items()))


def _below(cls: type[NetspecError]) -> Iterator[type[NetspecError]]:
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)


def explained() -> str:
    """netspec/bundled/errors.json: what `netspec explain` says of each code."""
    examples = _examples()
    records = []
    for code, cls in _coded().items():
        _first_line(cls)
        command, said = examples.get(code, ("", ""))
        meaning = inspect.getdoc(cls) or ""
        one = Explained(code, cls.__name__, cls.exit_code, meaning, command, said)
        records.append(asdict(one))
    return json.dumps(records, indent=1, ensure_ascii=False) + "\n"


def _examples() -> dict[str, tuple[str, str]]:
    """For each code the shortest error of the transcripts in tests/cli/broken: the command, and what it says."""
    found: dict[str, tuple[str, str]] = {}
    for path in sorted((ROOT / "tests" / "cli" / "broken").glob("*.txt")):
        first, *lines, _ = path.read_text(encoding="utf-8").splitlines()
        for said in re.findall(r"(?:^|\n\n)(error\[NS\d{3}\].*?)(?=\n\n|\Z)", "\n".join(lines), re.S):
            code = said[len("error[") : len("error[NS000")]
            if code not in found or len(said) < len(found[code][1]):
                found[code] = (first.removeprefix("$ "), said)
    return found


def _first_line(cls: type[Any]) -> str:
    doc = inspect.getdoc(cls) if cls.__dict__.get("__doc__") else None
    if not doc:
        sys.exit(f"{cls.__qualname__} has no docstring")
    return doc.split("\n\n")[0].replace("\n", " ")


def layers() -> str:
    """docs/layers.md: every layer type, and every other choice of a word with fields of its own."""
    listed = reference.entries()
    parts = [
        HEAD,
        "# Layers and what goes with them",
        "",
        "Whatever has settings is written `{type: X, ...}`; the bare word `X` is short for `{type: X}`. "
        "`netspec layers` shows the layers in a terminal. Where a layer departs from Caffe, its section says so.",
        "",
        "## Layers by purpose",
        "",
        *reference.index(listed),
        "",
        "## Layers",
        "",
        "Every layer has a `type` and these fields:",
        "",
        *_table(Layer),
        "",
        "`param`, one for each param blob of the layer, weight first:",
        "",
        *_table(ParamSpec),
        "",
        "`include` and `exclude`, all conditions of a rule together:",
        "",
        *_table(StateRule),
    ]
    for one in sorted(listed, key=lambda one: one.name.lower()):
        parts += ["", *reference.markdown(one)]
    rooms: list[tuple[str, str, Room[Any]]] = [
        ("Fillers", "Initial values of a param: `weight_filler: {type: gaussian, std: 0.01}`.", FILLERS),
        (
            "Learning-rate policies",
            "The rate as a function of the iteration: `lr_policy: {type: step, gamma: 0.1, stepsize: 1000}`.",
            POLICIES,
        ),
        ("Solver types", "How a gradient changes a weight: `type: SGD` in a solver, its fields beside it.", SOLVERS),
        ("Regularizers", "What `weight_decay` pulls the weights towards: `regularization_type: L2`.", REGULARIZERS),
        (
            "Averages of weights",
            "Weights averaged over the iterations, beside those that learn: `average: {type: ema, decay: 0.999}`.",
            AVERAGES,
        ),
        ("Sources", "Where samples come from: `source:` in a solver's `data:`.", SOURCES),
        ("Transforms", "What is done to each image: `transform:` in a solver's `data:`, a list.", TRANSFORMS),
    ]
    for title, words, room in rooms:
        parts += ["", f"## {title}", "", words, *_members(room)]
    parts += [
        "",
        "## Solvers",
        "",
        "The fields of a solver file, beside `net`, `type` and the fields of the type:",
        "",
        *_table(SolverSpec),
    ]
    parts += ["", "`data: {train: ..., test: ...}`, each:", "", *_table(FeedSpec)]
    return "\n".join(parts) + "\n"


def _members(room: Room[Any]) -> list[str]:
    lines = []
    for member in room.members():
        lines += ["", f"### {room.word(member)}", "", *inspect.cleandoc(member.__doc__ or "").splitlines()]
        table = _table(member)
        lines += ["", *table] if table else []
    return lines


def _table(cls: type[BaseModel]) -> list[str]:
    """A row for each field of a class. Ends the script where a field has no description."""
    fields = [*described(cls)]
    for field in fields:
        if not field.meaning:
            sys.exit(f"{cls.__qualname__}: the field `{field.name}` has no description")
    return reference.fields_table(fields)


def net_schema() -> str:
    """models/net.schema.json, as `netspec schema net` prints it."""
    return json.dumps(json_schema.net_schema(), indent=1) + "\n"


def solver_schema() -> str:
    """solvers/solver.schema.json, as `netspec schema solver` prints it."""
    return json.dumps(json_schema.solver_schema(), indent=1) + "\n"


def onnx_layers() -> str:
    """docs/onnx-layers.md: the layer types that have an ONNX form, and what it is."""
    known = {kind.__name__: (write.__doc__ or "").strip().splitlines()[0] for kind, write in written().items()}
    parts = [
        HEAD,
        "# Layers as ONNX",
        "",
        f"What `netspec export onnx` writes for each layer type, in operator set {OPSET}. Losses, scores, labels and "
        "layers that bring data are not in the deploy view, which is what is written.",
        "",
        "| type | nodes |",
        "|---|---|",
        *(f"| {name} | {known[name]} |" for name in sorted(known, key=str.lower)),
    ]
    return "\n".join(parts) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "docs/errors.md": errors,
    "netspec/bundled/errors.json": explained,
    "docs/layers.md": layers,
    "docs/onnx-layers.md": onnx_layers,
    "models/net.schema.json": net_schema,
    "solvers/solver.schema.json": solver_schema,
}


def main() -> None:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"{', '.join(PAGES)}; left out: all")
    parser.add_argument("--check", action="store_true", help="fail if a page is out of date")
    wanted = parser.parse_args()
    unknown = set(wanted.pages) - set(PAGES)
    if unknown:
        parser.error(f"there is no page {', '.join(sorted(unknown))}")
    stale = []
    for name in wanted.pages or PAGES:
        path, text = ROOT / name, PAGES[name]()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if not wanted.check:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    if stale and wanted.check:
        sys.exit(f"out of date: {', '.join(stale)}; run python scripts/docs.py")


if __name__ == "__main__":
    main()
