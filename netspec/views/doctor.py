"""What the doctor finds, as text, JSON, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.core.errors import NetspecError, render
from netspec.core.shape import counted
from netspec.core.snippet import folded
from netspec.core.visible import visible
from netspec.study.doctor import Examination
from netspec.study.machine import EXTRAS, Machine
from netspec.views.columns import Columns
from netspec.views.errors import as_json
from netspec.views.probe import probe_lines, probe_values
from netspec.views.tables import View
from netspec.views.terminal import size


def examination(one: Examination, width: int | None = None) -> View:
    """The answer of `netspec doctor` for a solver or a run."""

    def table(_: int | None) -> Columns:
        return _table(one.name, one.findings)

    def values() -> dict[str, Any]:
        seen = {"probe": probe_values(one.probe)} if one.probe is not None else {}
        return {"name": one.name, "findings": _values(one.findings), **seen}

    lines = probe_lines(one.probe) if one.probe is not None else []
    return View(
        table, values, lambda: _values(one.findings), lambda: _plain(visible(one.name), lines, one.findings, width)
    )


def examined_machine(one: Machine, width: int | None = None) -> View:
    """The answer of `netspec doctor` without a solver; as Markdown it is a block for reports of bugs."""
    lines = [f"{name:<10}  {text}" for name, text in _facts(one)]

    def table(_: int | None) -> Columns:
        table = Columns(("what", "here"), "netspec doctor", notes=[_sentence(each) for each in one.findings])
        for name, text in _facts(one):
            table.add_row(name, text)
        return table

    def values() -> dict[str, Any]:
        return {**one.facts, "findings": _values(one.findings)}

    def records() -> list[dict[str, Any]]:
        return [{"what": name, "here": text} for name, text in _facts(one)]

    return View(table, values, records, lambda: _plain("this machine", lines, one.findings, width))


def _values(findings: tuple[NetspecError, ...]) -> list[dict[str, Any]]:
    """Findings as plain values."""
    found = as_json(findings)
    return [{"severity": word, **each} for word in ("error", "warning") for each in found[f"{word}s"]]


def _table(name: str, findings: tuple[NetspecError, ...]) -> Columns:
    table = Columns(("code", "finding", "what to try"), name)
    for finding in findings:
        table.add_row(finding.code, finding.message, finding.help or "")
    return table


def _sentence(finding: NetspecError) -> str:
    return f"{finding.severity}[{finding.code}]: {finding.message}" + (f" ({finding.help})" if finding.help else "")


def _plain(head: str, lines: list[str], findings: tuple[NetspecError, ...], width: int | None) -> str:
    """A line that counts the findings, further lines, and the findings."""
    first = f"{head}: {counted(len(findings), 'finding') if findings else 'nothing to find fault with'}"
    body = [text for line in lines for text in ([line] if width is None else folded(line, width, " " * 12))]
    return "\n\n".join(["\n".join([first, *body]), *(render(each, width) for each in findings)])


def _facts(one: Machine) -> Iterator[tuple[str, str]]:
    """The facts in words, a line each."""
    own, system, cpu, memory = (one.facts[name] for name in ("netspec", "system", "cpu", "memory"))
    yield "netspec", f"{own['version']}, Python {own['python']}"
    yield "system", system["platform"] + (", in a container" if system["container"] else "")
    words = [cpu["model"], f"{cpu['usable']} of {cpu['logical']} cores"]
    words += [f"a limit of {cpu['limit']:.3g} CPUs' time"] if cpu["limit"] is not None else []
    words += [f"governor {cpu['governor']}"] if cpu["governor"] else []
    words += [f"load {cpu['load']:g}"] if cpu["load"] is not None else []
    yield "CPU", ", ".join(words)
    limit = "" if memory["limit"] is None else f", limit {size(memory['limit'])}"
    yield "memory", f"{size(memory['bytes'])}, {size(memory['free'])} free{limit}"
    if "kernels" in one.facts:
        kernels, cache = one.facts["kernels"], one.facts["cache"]
        sets = f" ({', '.join(kernels['vector_sets'])})" if kernels["vector_sets"] else ""
        yield "kernels", f"for {kernels['target']}, vectors of {kernels['vector_bytes']} bytes{sets}"
        there = "there" if kernels["libgomp"] else "not there"
        yield "threads", f"{kernels['threads']}, {kernels['threading']}; libgomp is {there}, and not needed"
        yield "BLAS", str(kernels["blas"])
        yield "cache", f"{counted(cache['kernels'], 'kernel')}, {size(cache['bytes'])} in {visible(cache['folder'])}"
    versions = one.facts["libraries"]
    yield "libraries", ", ".join(f"{name} {version or 'missing'}" for name, version in versions.items())
    optional = one.facts["optional"]
    have = [f"{name} {version}" for name, version in optional.items() if version]
    lack = [f"{name} (extra {EXTRAS[name]})" for name, version in optional.items() if not version]
    yield "optional", "; not installed: ".join(", ".join(part) for part in (have, lack) if part) or "none"
    if one.facts["variables"]:
        yield "variables", ", ".join(f"{name}={visible(value)}" for name, value in one.facts["variables"].items())
