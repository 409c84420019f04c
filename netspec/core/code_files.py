"""Code files: Python files that a user names (`--code FILE.py`), whose classes become members of rooms.

A file is loaded as a module whose name ends in the digest of its text. An edited file is therefore another module, and
never uses kernels that were compiled from the old text. A run records the name and digest of each file that it was
trained with. That record is only compared with the files that the user gives: no code is loaded because a YAML file or
a run names it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from netspec.core.changes import Changes, compare
from netspec.core.errors import SpecError, UsageError
from netspec.core.places import Place, SourceText
from netspec.core.plugins import complete, reason
from netspec.core.rooms import Room
from netspec.core.visible import visible

C = TypeVar("C", bound=type[Any])
Record = list[dict[str, str]]
"""Code files as a run remembers them: [{name, sha256}]."""


class MissingCodeError(UsageError):
    """There is no such code file, or a run was trained with a code file that is not given."""

    code = "NS012"


class CodeFileError(SpecError):
    """A code file cannot be loaded, holds nothing that a net can use, or takes a word that has an owner."""

    code = "NS013"


@dataclass(frozen=True)
class CodeFile:
    """A file whose classes are members of rooms: its path, the digest of its text, and the words of its classes."""

    path: Path
    sha256: str
    words: tuple[str, ...]


LOADED: dict[str, CodeFile] = {}
"""All code files of this process, by the name of their module."""

_BASES = "Layer, Filler, Policy, UpdateRule, Regularizer, Average, Source or Transform"


def load_code(path: str | Path) -> tuple[str, ...]:
    """Run a Python file and let YAML use its layers, fillers, policies, ..., as `--code FILE.py` does.

    Returns the words of its classes. A file runs once, and again when its text has changed: then its new classes
    replace the old. Raises MissingCodeError, CodeFileError.
    """
    file = Path(os.path.realpath(os.path.expanduser(path)))
    try:
        text = file.read_bytes()
    except OSError as error:
        said = f"the code file '{path}' cannot be read: {error.strerror}"
        if isinstance(error, FileNotFoundError):
            said = f"there is no code file '{path}'"
        raise MissingCodeError(said, help="name a Python file with layers of your own") from None
    digest = hashlib.sha256(text).hexdigest()
    stem = re.sub(r"\W", "_", file.stem)
    name = f"{stem}_{digest[:12]}"
    if name in LOADED:
        return LOADED[name].words
    source = SourceText(str(path), text.decode("utf-8", "replace"))
    try:
        module = _run(name, file, text, digest, source)
        classes = [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == name]
        words = _take_in(classes, file, source)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    LOADED[name] = CodeFile(file, digest, words)
    return words


def register(cls: C) -> C:
    """Let YAML use a class of a script or notebook: a layer, filler, policy, ... Also a decorator.

    A class of the same name and module replaces the one that was registered before. Raises CodeFileError.
    """
    path = getattr(sys.modules.get(cls.__module__), "__file__", None)
    file = Path(path).resolve() if path else Path(cls.__module__)
    words = _take_in([cls], file, SourceText(str(file), ""))
    if file.is_file():
        before = LOADED[cls.__module__].words if cls.__module__ in LOADED else ()
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        LOADED[cls.__module__] = CodeFile(file, digest, tuple(sorted({*before, *words})))
    return cls


def loaded_module(word: str) -> ModuleType | None:
    """The module of a code file, by the file's name without its ending; of a script also by the module's name."""
    names = (name for name, one in LOADED.items() if word in {name, one.path.stem})
    return sys.modules.get(next(names, ""))


def in_pycaffe_style(cls: type[Any]) -> bool:
    """Whether a class has the methods of a Python layer of Caffe."""
    return all(callable(getattr(cls, name, None)) for name in ("setup", "reshape", "forward", "backward"))


def _run(name: str, file: Path, text: bytes, digest: str, source: SourceText) -> ModuleType:
    """Run a file as a module. No `.pyc` is kept: its time stamp could not tell two quick edits apart."""
    module = ModuleType(name)
    module.__file__ = str(file)
    module.__dict__["__sha256__"] = digest
    sys.modules[name] = module
    try:
        exec(compile(text, str(file), "exec", dont_inherit=True), module.__dict__)
    except SyntaxError as error:
        if error.filename == str(file):
            at = Place(source, error.lineno or 0, error.offset or 1)
            raise CodeFileError(f"'{source.name}' is not Python: {error.msg}", at=at) from None
        raise _broken(error, file, source) from None
    except (Exception, SystemExit) as error:
        raise _broken(error, file, source) from None
    return module


_PYCAFFE = "a class needs no base here: write `class X:`, and leave `import caffe` out"
"""Help for a layer that was written for pycaffe."""


def _broken(error: BaseException, file: Path, source: SourceText) -> CodeFileError:
    """The error for an exception that was raised while a file ran: in its own lines, or in code that they call."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(file)), None) or 0
    length = len(source.line(line).strip()) or 1
    column = len(source.line(line)) - len(source.line(line).lstrip()) + 1
    return CodeFileError(
        f"'{source.name}' cannot be loaded: {reason(error, str(file))}",
        at=Place(source, line, column, length),
        help=_PYCAFFE
        if isinstance(error, ModuleNotFoundError) and error.name == "caffe"
        else "the file is run before a net is read",
    )


def _take_in(classes: Sequence[type[Any]], file: Path, source: SourceText) -> tuple[str, ...]:
    """Make classes members of their rooms, and remove those of an earlier text of the file. Returns their words.

    A class whose name begins with an underscore is a base class and does not become a member; nor does a class in the
    style of pycaffe, which the layer type Python finds in its module. Raises CodeFileError.
    """
    found: dict[tuple[Room[Any], str], type[Any]] = {}
    for cls in classes:
        for room in Room.every:
            if not issubclass(cls, room.base) or cls is room.base or cls.__name__.startswith("_"):
                continue
            word = room.word(cls)
            before = room.added[word][0] if word in room.added else None
            owner = None if before is not None and _replaces(cls, before, file) else room.owner(word)
            owner = "the file itself" if (room, word) in found else owner
            if owner:
                text = f"'{source.name}' defines the {room.kind} '{word}', which {owner} has already"
                raise CodeFileError(text, at=_place(cls, source), help="give the class another name")
            try:
                complete(cls)
            except Exception as error:
                text = f"the class {cls.__name__} is not complete: {error}"
                raise CodeFileError(text, at=_place(cls, source)) from None
            found[room, word] = cls
    if not found and not any(map(in_pycaffe_style, classes)):
        text = f"'{source.name}' holds nothing that a net can use: no class in it derives from {_BASES}"
        raise CodeFileError(text, at=Place(source), help="like `class SquarePlus(Layer):`")
    module = classes[0].__module__
    for name in [name for name, one in LOADED.items() if one.path == file and name != module]:
        for room in Room.every:
            room.added = {word: each for word, each in room.added.items() if each[0].__module__ != name}
        del LOADED[name]
    for (room, word), cls in found.items():
        room.added[word] = (cls, file.name)
    return tuple(sorted(word for _, word in found))


def _replaces(cls: type[Any], before: type[Any], file: Path) -> bool:
    """Whether a class may replace `before`: both come from the same module, file or notebook."""
    known = LOADED.get(before.__module__)
    return before.__module__ == cls.__module__ or (known is not None and known.path == file)


def _place(cls: type[Any], source: SourceText) -> Place:
    """The place of a class definition in a text; the text as a whole where it cannot be found."""
    found = re.search(rf"^([ \t]*class\s+){cls.__name__}\b", source.text, re.MULTILINE)
    if found is None:
        return Place(source)
    return Place(source, source.text.count("\n", 0, found.start()) + 1, len(found[1]) + 1, len(cls.__name__))


def is_file(module: str) -> bool:
    """Whether `load_code` made a module; False for a script that registered its classes itself."""
    return hasattr(sys.modules.get(module), "__sha256__")


def recorded() -> Record:
    """The code files of this process, as a run records them."""
    files = ({"name": visible(file.path.name), "sha256": file.sha256} for file in LOADED.values())
    return sorted(files, key=lambda file: (file["name"], file["sha256"]))


def ask_for(folder: Path) -> None:
    """Raises MissingCodeError when the run in a folder was trained with a code file that is not given."""
    try:
        record: Record = json.loads((folder / "env.json").read_text(encoding="utf-8")).get("code", [])
        names = {one["name"] for one in record} - {one["name"] for one in recorded()}
    except (OSError, ValueError, RecursionError, AttributeError, TypeError, KeyError):
        return
    if names:
        listed = " and ".join(f"'{name}'" for name in sorted(names))
        flags = " ".join(f"--code {name}" for name in sorted(names))
        text = f"the run '{folder}' was trained with the code of {listed}, which is not given"
        raise MissingCodeError(text, help=f"say {flags}, with the path from here; in Python, netspec.load_code")


def changes(then: Any, now: Record) -> Changes:
    """What has changed between a run's code files `then` and `now`: the beginnings of their digests."""
    before, after = ({one["name"]: one["sha256"][:12] for one in record or ()} for record in (then, now))
    return compare(dict(sorted(before.items())), dict(sorted(after.items())), ("code",))


def preamble() -> str:
    """Python text that prepares another process like this one: it sets `sys.path` and loads the code files."""
    files = [str(one.path) for name, one in LOADED.items() if is_file(name)]
    load = f"from netspec.core.code_files import load_code; [load_code(p) for p in {files!r}]; " if files else ""
    path = [one for one in sys.path if isinstance(one, str)]
    return f"import sys; sys.path[:] = {path!r}; {load}"
