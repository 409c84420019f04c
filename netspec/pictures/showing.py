"""Showing: what is asked to be seen of a trained net, found out, and drawn into a file or written as numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.core.outputs import writing
from netspec.core.spelling import suggest
from netspec.pictures import activations as activation_picture
from netspec.pictures import embedding as embedding_picture
from netspec.pictures import filters as filter_picture
from netspec.pictures import regions as region_picture
from netspec.pictures import saliency as saliency_picture
from netspec.pictures.saving import ask_for_library, refuse_foreign, save, settings
from netspec.study.activations import activations
from netspec.study.embedding import SAMPLES, embedding
from netspec.study.filters import filters
from netspec.study.regions import POINTS, regions
from netspec.study.saliency import saliency
from netspec.study.shown import Shown

if TYPE_CHECKING:
    from netspec.core.calls import Array

FOLDER = "show"
"""The folder of pictures in a run folder."""
NUMBERS = ".npz"
"""The suffix of a file that gets the numbers in place of a picture."""
_FEW = 4
"""Samples of which the saliency is shown, where none is named."""
_MOST = 20
"""Samples that a picture has room for."""


@dataclass(frozen=True)
class Asked:
    """What of a kind is asked for, by the names of the options; what is left out is None or empty."""

    layer: tuple[str, ...] = ()
    blob: str | None = None
    input: tuple[str, ...] = ()
    class_: str | None = None
    samples: int | None = None
    on: str | None = None
    each: bool = False


@dataclass(frozen=True)
class Kind:
    """Something to show: the options that it takes, how it is found out, and how it is drawn."""

    options: frozenset[str]
    find: Callable[[Shown, Asked], Any]
    figure: Callable[[Any, Asked], Any]


def _filters(shown: Shown, asked: Asked) -> Any:
    return filters(shown, _one(asked.layer, "--layer"))


def _activations(shown: Shown, asked: Asked) -> Any:
    return activations(shown, shown.sample(_one(asked.input, "--input") or "0", asked.on), asked.layer)


def _saliency(shown: Shown, asked: Asked) -> Any:
    if len(asked.input) > _MOST:
        raise UsageError(f"a picture has room for {_MOST} samples, and --input names {len(asked.input)}")
    feed = None if asked.input else shown.feed(asked.on)
    words = asked.input or [str(n) for n in range(min(_FEW, len(feed or ())))]
    return saliency(shown, [shown.sample(word, asked.on) for word in words], asked.class_)


KINDS = {
    "filters": Kind(
        frozenset({"layer", "each"}), _filters, lambda found, asked: filter_picture.figure(found, asked.each)
    ),
    "activations": Kind(
        frozenset({"layer", "input", "on"}), _activations, lambda found, _: activation_picture.figure(found)
    ),
    "saliency": Kind(frozenset({"input", "on", "class_"}), _saliency, lambda found, _: saliency_picture.figure(found)),
    "embedding": Kind(
        frozenset({"blob", "on", "samples"}),
        lambda shown, asked: embedding(shown, asked.blob, asked.on, asked.samples or SAMPLES),
        lambda found, _: embedding_picture.figure(found),
    ),
    "regions": Kind(
        frozenset({"on", "samples"}),
        lambda shown, asked: regions(shown, asked.on, asked.samples or POINTS),
        lambda found, _: region_picture.figure(found),
    ),
}
"""What there is to show, by its name."""


def show(shown: Shown, kind: str, file: Path | None, asked: Asked) -> tuple[Path, str]:
    """Draw something of a net into a file, or write its numbers into a .npz; the file, and what is to be seen.

    Without a file it is RUN/show/KIND.png of a run folder. Raises UsageError, WriteError, ExistsError, NoLibraryError,
    SnapshotError, DataError.
    """
    known = _kind(kind)
    _check(kind, known, asked)
    path = file or _place(shown, kind, asked)
    numbers = path.suffix.lower() == NUMBERS
    if not numbers:
        ask_for_library(path, f"show {kind}", f"-o FILE{NUMBERS} writes the numbers")
        refuse_foreign(path)
    found = known.find(shown, asked)
    if file is None:
        with writing(path.parent):
            path.parent.mkdir(exist_ok=True)
    if numbers:
        _write(path, arrays(found))
    else:
        with settings():
            save(known.figure(found, asked), path)
    return path, found.said


def _kind(word: str) -> Kind:
    if word not in KINDS:
        raise UsageError(f"'{word}' is nothing to show", help=suggest(word, KINDS) or f"one of: {', '.join(KINDS)}")
    return KINDS[word]


def _check(kind: str, known: Kind, asked: Asked) -> None:
    """Raise UsageError for an option that a kind does not take."""
    for field in fields(asked):
        if getattr(asked, field.name) != field.default and field.name not in known.options:
            takes = ", ".join(f"--{name.strip('_')}" for name in sorted(known.options))
            raise UsageError(f"--{field.name.strip('_')} does not go with {kind}", help=f"{kind} takes {takes}")


def _place(shown: Shown, kind: str, asked: Asked) -> Path:
    """The file of a picture in a run folder: its name says what is shown. Raises UsageError where there is no run."""
    if shown.folder is None:
        raise UsageError("into which file?", help=f"say -o {kind}.png; only a run folder has a place for pictures")
    word = "-".join([kind, *asked.layer, *([asked.blob] if asked.blob else [])])
    name = re.sub(r"[^\w.-]", "_", word)[:100]  # names of layers may hold slashes
    return shown.folder / FOLDER / f"{name}.png"


def _one(words: tuple[str, ...], option: str) -> str | None:
    """The only word of an option, or None. Raises UsageError where there are several."""
    if len(words) > 1:
        raise UsageError(f"{option} may be said once here, and names {', '.join(words)}")
    return words[0] if words else None


def arrays(found: Any) -> dict[str, Array]:
    """All arrays in what was found out, by their names; those of several parts under NUMBER.NAME."""
    import numpy as np

    result: dict[str, Array] = {}
    for field in fields(found):
        value = getattr(found, field.name)
        if isinstance(value, np.ndarray):
            result[field.name] = value
        elif isinstance(value, tuple) and value and is_dataclass(value[0]):
            parts = ((number, arrays(part)) for number, part in enumerate(value))
            result |= {f"{number}.{name}": array for number, part in parts for name, array in part.items()}
    return result


def _write(path: Path, numbers: dict[str, Array]) -> None:
    """Write arrays into a .npz. Raises WriteError."""
    import numpy as np

    with writing(path), path.open("wb") as file:
        np.savez(file, allow_pickle=False, **numbers)
