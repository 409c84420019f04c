"""What tests share; nothing here is a test but `test_checks`, which tests the checker."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout."""
