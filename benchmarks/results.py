"""Results that are kept: a file of benchmarks/results/ for each kind of CPU, and the tables of benchmarks/README.md.

`python -m benchmarks.results` writes the tables anew from the files. Nets that are raced again replace their rows; the
others stay as they are.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import modes, tables
from benchmarks.modes import Mode
from benchmarks.nets import ENTRIES, MEAN

FOLDER = Path(__file__).parent / "results"
Row = dict[str, Any]
Record = dict[str, Any]
"""What is kept of one mode on one kind of CPU: the `machine` of the last run, and `rows`."""


def keep(mode: Mode, facts: Mapping[str, Any], rows: Iterable[Row]) -> None:
    """Merge rows into the file of this kind of CPU, and write the tables."""
    path = FOLDER / f"{kind(facts)}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[mode.name] = merged(kept.get(mode.name), facts, rows)
    FOLDER.mkdir(exist_ok=True)
    path.write_text(text(kept))
    write()


def text(kept: Mapping[str, Record]) -> str:
    """A file as JSON, each row on a line of its own."""
    modes = []
    for name, record in kept.items():
        rows = ",\n  ".join(json.dumps(row) for row in record["rows"])
        modes.append(f'"{name}": {{"machine": {json.dumps(record["machine"])}, "rows": [\n  {rows}]}}')
    return "{" + ",\n ".join(modes) + "}\n"


def kind(facts: Mapping[str, Any]) -> str:
    """The file name of a kind of CPU with so many threads."""
    return re.sub(r"[^a-z0-9]+", "_", f"{facts['cpu']} {facts['threads']} threads".lower())


def merged(kept: Record | None, facts: Mapping[str, Any], rows: Iterable[Row]) -> Record:
    """The record with these rows in place of those of the same net and batch or case, in the order of the nets."""
    found = {_key(row): row for row in kept["rows"]} if kept else {}
    versions = {**(kept["machine"]["versions"] if kept else {}), **facts["versions"]}
    found |= {_key(row): {**rounded(row), "date": facts["date"]} for row in rows}
    return {"machine": {**facts, "versions": versions}, "rows": [found[key] for key in sorted(found)]}


def _key(row: Row) -> tuple[int, int, str]:
    """What a row is of: a net and a batch, or a layer alone."""
    return (0, 0, row["case"]) if "case" in row else (list(ENTRIES).index(row["net"]), row["batch"], "")


def rounded(value: Any) -> Any:
    """Numbers with six digits, also those inside."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def write() -> None:
    """Write the tables of the page anew."""
    tables.README.write_text(page(tables.README.read_text(), stored()))


def stored() -> list[dict[str, Record]]:
    """The files, in the order of their names."""
    return [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]


def page(written: str, files: Sequence[Mapping[str, Record]]) -> str:
    """The page with the tables of these files; a table stays as it is where there is none."""
    for mode in modes.WRITTEN:
        if records := [each[mode.name] for each in files if mode.name in each]:
            written = tables.between(written, mode.name, section(mode, records))
    return written


def section(mode: Mode, records: Sequence[Record]) -> str:
    """The ratios of all CPUs side by side, if there are several; then the table of each."""
    parts = [_side_by_side(mode, records)] if len(records) > 1 else []
    for record in records:
        table = tables.markdown(mode.columns, record["rows"])
        parts += [wrapped(sentence(record)), table, *map(wrapped, notes(mode, record["rows"]))]
    return "\n\n".join(parts)


def wrapped(words: str) -> str:
    """A paragraph in lines of at most 120 columns."""
    return textwrap.fill(words, 120, break_long_words=False, break_on_hyphens=False)


def _side_by_side(mode: Mode, records: Sequence[Record]) -> str:
    columns = list(mode.columns[:2])
    rows: dict[tuple[int, int, str], Row] = {}
    for number, record in enumerate(records):
        for key, heading, form in mode.compared:
            columns.append(tables.Column(f"{number} {key}", f"{record['machine']['cpu']}: {heading}", form))
            for row in record["rows"]:
                shared = rows.setdefault(_key(row), {column.key: row.get(column.key) for column in mode.columns[:2]})
                shared[f"{number} {key}"] = row.get(key)
    return tables.markdown(columns, [rows[key] for key in sorted(rows)])


def sentence(record: Record) -> str:
    """The machine of the last run, and the nets whose rows are of another day."""
    facts = record["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    said = (
        f"{facts['cpu']}, {facts['cores']} logical CPUs, {facts['threads']} threads, {facts['lanes']} float32 lanes, "
        f"peak {facts['peak_gflops']:.0f} GFLOP/s as measured, load average before {facts['load']}, "
        f"{facts['system']}, {versions}, {facts['date']}."
    )
    others = {row["date"]: None for row in record["rows"] if row["date"] != facts["date"]}
    for day in others:
        nets = dict.fromkeys(row.get("net") or row["case"] for row in record["rows"] if row["date"] == day)
        said += f" Of {day}: {', '.join(nets)}."
    return said


def notes(mode: Mode, rows: Sequence[Row]) -> list[str]:
    """The geometric mean of a race, and what was not raced, and why."""
    said = []
    if mode is modes.RACE and (means := mean(rows)):
        nets = counted()
        said.append(
            f"Geometric mean of {means['nets']} of the {len(nets)} nets from {nets[0]} to {nets[-1]}: "
            f"{means['eager']:.2f} x eager PyTorch (wanted: {MEAN}), {means['channels_last']:.2f} x channels_last."
        )
    reasons: dict[str, list[str]] = {}
    for row in rows:
        for reason in filter(None, (row.get("note"), row.get("refused"))):
            reasons.setdefault(reason, []).append(row["net"])
    return said + [f"{', '.join(dict.fromkeys(nets))}: {reason}." for reason, nets in reasons.items()]


def counted() -> list[str]:
    """The nets whose mean has a target."""
    return [entry.net for entry in ENTRIES.values() if entry.counted]


def mean(rows: Iterable[Row]) -> dict[str, Any]:
    """Geometric means of the ratios of the counted nets among these, and their number; empty without any."""
    found = [row for row in rows if row["net"] in counted() and "over_eager" in row]
    if not found:
        return {}
    means = {
        peer: math.exp(sum(math.log(row[f"over_{peer}"]) for row in found) / len(found))
        for peer in ("eager", "channels_last")
    }
    return {"nets": len(found), **means, "missed": len(found) == len(counted()) and means["eager"] < MEAN}


def main() -> None:
    """Write the tables."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    write()


if __name__ == "__main__":
    main()
