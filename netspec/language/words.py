"""Words that several passes of the language share, and the key that a user probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netspec.core.spelling import nearest

KEYS = {
    "if": "when",
    "model": "net",
    "network": "net",
    "optimizer": "type",
}
"""Other tools' names for keys that are no fields of a model. Names for fields stand at the fields (`Aka`)."""

NET_FIELDS = ("blocks", "cite", "defaults", "expect", "force_backward", "layers", "name", "state")
"""Fields that only a net has."""

EDITS = ("insert_before", "insert_after", "replace", "remove")
"""Keys by which an entry of `layers` edits the net that its own net extends."""

EDITS_ELSEWHERE = {
    "after": "insert_after",
    "append": "insert_after",
    "before": "insert_before",
    "delete": "remove",
    "drop": "remove",
    "insert": "insert_after",
}
"""Words that one might write for the keys in EDITS."""

POLICY_FIELDS = ("gamma", "power", "stepsize", "stepvalue", "max_lr", "min_lr", "pct_start", "div_factor", "timescale")
"""Fields that stand at the top of a solver of Caffe or a fork of it, and inside `lr_policy` in netspec."""


def meant(word: str, known: Iterable[str], others: Mapping[str, str] = KEYS) -> str | None:
    """The known field that a word probably stands for; `others` are names that other programs have for fields."""
    names = set(known)
    other = others.get(word) or KEYS.get(word)
    return other if other in names else nearest(word, names)


def hint(word: str, known: Iterable[str], others: Mapping[str, str] = KEYS) -> str | None:
    """A help line that names the field that was probably meant, or lists the known ones when they are few."""
    names = sorted(set(known))
    found = meant(word, names, others)
    if found is not None:
        return f"did you mean '{found}'?"
    return f"one of: {', '.join(names)}" if 0 < len(names) <= 40 else None
