"""Blame: which layer and blob was the first that is not finite."""

from __future__ import annotations

from netspec.core.errors import DivergedError


class NotFiniteLossError(DivergedError):
    """A loss or gradient stopped being finite; the message names the first layer and blob that went bad."""

    code = "NS504"
