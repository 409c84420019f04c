"""Verifying stages: the switch, the error that a broken invariant raises, and the question that all verifiers ask.

Every pass verifies the stage it made where the environment says NETSPEC_VERIFY=1, as all tests do. Without it a pass looks at the switch
and nothing else is imported.
"""

from __future__ import annotations

import os


class InvariantError(Exception):
    """A stage breaks an invariant: a bug of netspec, which nothing that a user writes can mend.

    No NetspecError, so that no pass collects it and nothing shows it as a mistake in a file: it ends the program with its traceback, which
    a report of the bug needs, and with exit code 1.
    """

    def __init__(self, stage: str, message: str, layer: str = "", blob: str = "") -> None:
        self.stage, self.message, self.layer, self.blob = stage, message, layer, blob
        where = [f"{word} '{name}'" for word, name in (("layer", layer), ("blob", blob)) if name]
        super().__init__(f"{stage}: {', '.join(where)}{': ' if where else ''}{message} (a bug of netspec)")


def verifying() -> bool:
    """Whether passes verify what they made."""
    return os.environ.get("NETSPEC_VERIFY", "0") not in {"", "0"}


class Check:
    """Judges one stage: `check(holds, message, layer, blob)` raises InvariantError unless something holds."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __call__(self, holds: object, message: str, layer: str = "", blob: str = "") -> None:
        """Raise InvariantError where it does not hold."""
        if not holds:
            raise InvariantError(self.stage, message, layer, blob)
