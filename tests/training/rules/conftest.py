"""The fixture that judges a solver by `check --data` and by its training."""

from tests.helpers.judged import judged

__all__ = ["judged"]
