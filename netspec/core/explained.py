"""What is known of each error code: written by scripts/docs.py, so that no code needs to be imported to explain one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from netspec.core.errors import UsageError

FILE = Path(__file__).resolve().parent.parent / "bundled" / "errors.json"


class UnknownCodeError(UsageError):
    """No error has this code."""

    code = "NS006"


@dataclass(frozen=True)
class Explained:
    """An error code: its class, the exit code, the docstring, and an example: a command and what it says."""

    code: str
    name: str
    exit_code: int
    meaning: str
    command: str = ""
    said: str = ""

    @property
    def summary(self) -> str:
        """The first paragraph of the meaning, on one line."""
        return " ".join(self.meaning.split("\n\n")[0].split())


def explained() -> list[Explained]:
    """Every error code, in order."""
    return [Explained(**each) for each in json.loads(FILE.read_text(encoding="utf-8"))]


def find(word: str) -> Explained:
    """The explanation of a code: NS302, ns302, 302, or `error[NS302]` as it is printed. Raises UnknownCodeError."""
    known = {each.code: each for each in explained()}
    digits = re.search(r"\d+", word)
    code = f"NS{digits.group():0>3}" if digits else word.upper()
    if code not in known:
        raise UnknownCodeError(f"there is no error code '{word}'", help="`netspec explain` lists them all")
    return known[code]
