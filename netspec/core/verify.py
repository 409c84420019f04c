"""Verification of stages: its switch, the error for a broken invariant, and the check that all verifiers call.

With NETSPEC_VERIFY=1 in the environment, as in all tests, every pass verifies the stage that it made. Otherwise a pass
only looks at the switch, and no verifier is imported.
"""

from __future__ import annotations

import os


class InvariantError(Exception):
    """A stage breaks an invariant: a bug of netspec, which no change of the user's files can mend.

    It is not a NetspecError, so no pass collects it, and it is not shown as a mistake in a file. It ends the program
    with exit code 1 and a traceback, which a bug report needs.
    """

    def __init__(self, stage: str, message: str, layer: str = "", blob: str = "") -> None:
        self.stage, self.message, self.layer, self.blob = stage, message, layer, blob
        where = [f"{word} '{name}'" for word, name in (("layer", layer), ("blob", blob)) if name]
        super().__init__(f"{stage}: {', '.join(where)}{': ' if where else ''}{message} (a bug of netspec)")


def verifying() -> bool:
    """Whether passes verify their results."""
    return os.environ.get("NETSPEC_VERIFY", "0") not in {"", "0"}


class Check:
    """Check of one stage: `check(holds, message, layer, blob)` raises InvariantError where `holds` is false."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def __call__(self, holds: object, message: str, layer: str = "", blob: str = "") -> None:
        """Raise InvariantError where `holds` is false."""
        if not holds:
            raise InvariantError(self.stage, message, layer, blob)
