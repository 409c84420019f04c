"""How many random variations a test tries: a small slice by default, more if NETSPEC_MUTATIONS says so."""

from __future__ import annotations

import os


def seeds(slice: int) -> range:
    """The seeds of a test's variations."""
    return range(int(os.environ.get("NETSPEC_MUTATIONS", slice)))
