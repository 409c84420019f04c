"""Kept evaluations: those that a run folder holds, read back. `evaluation.py` documents their values.

They are checked as far as others rely on them, since any program may have written the files.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from netspec.training.judging.evaluation import FOLDER
from netspec.training.runs import BrokenRunError


class _Part(BaseModel):
    """Base of the parts of a file. What this version does not know is let through."""

    model_config = ConfigDict(extra="allow", strict=True)


class _Quotients(_Part):
    precision: float
    recall: float
    f1: float


class _Class(_Quotients):
    support: int
    roc_auc: float | None


class _Output(_Part):
    rmse: float
    mae: float
    r2: float


class _Sample(_Part):
    sample: int
    name: str | None
    loss: float
    thumbnail: str | None
    label: int | None = None
    prediction: int | list[float] | None = None
    probability: float | None = None
    labels: list[int] = []
    predictions: list[int] = []
    probabilities: list[float] = []
    positions: int | None = None
    wrong: int | None = None
    target: list[float] = []


class _Calibration(_Part):
    accuracy: list[float]
    confidence: list[float]
    positions: list[int]


class _Head(_Part):
    name: str
    task: Literal["classes", "labels", "numbers"]
    size: int = Field(ge=1)
    places: int
    classes: list[str] | None
    positions: int = 0
    accuracy: float | None = None
    macro: _Quotients | None = None
    weighted: _Quotients | None = None
    micro: _Quotients | None = None
    by_class: list[_Class] | None = None
    by_output: list[_Output] = []
    points: list[list[Annotated[list[float], Field(min_length=2, max_length=2)]]] = []
    calibration: _Calibration | None = None
    confusion: list[list[int]] | None = None
    confused: list[Annotated[list[int], Field(min_length=3, max_length=3)]] = []
    worst: list[_Sample] = []

    @model_validator(mode="after")
    def _sized(self) -> Self:
        """Whatever stands for a class is the number of one."""
        rows = self.by_output if self.task == "numbers" else self.by_class
        lengths = [len(each) for each in (self.classes, rows, self.confusion) if each is not None]
        lengths += [len(row) for row in self.confusion or ()]
        if any(length != self.size for length in lengths):
            raise ValueError(f"there are {self.size} classes or outputs, and a list of another length")
        numbers = [number for one in self.worst for number in (one.label, *one.labels, *one.predictions)]
        numbers += [one.prediction for one in self.worst if isinstance(one.prediction, int)]
        numbers += [number for true, predicted, _ in self.confused for number in (true, predicted)]
        if any(number is not None and not 0 <= number < self.size for number in numbers):
            raise ValueError(f"there are {self.size} classes, and the number of another")
        return self


class _Evaluation(_Part):
    format: Literal[1]
    data: str | None
    samples: int
    weights: str
    average: str | None
    scores: dict[str, float | list[Any] | None]
    heads: list[_Head]
    overrides: list[str] = []


def kept(folder: Path) -> dict[str, dict[str, Any]]:
    """The evaluations in a run folder, by the name of the data that were tested. Raises BrokenRunError."""
    return {path.stem: _read(path) for path in sorted((folder / FOLDER).glob("*.json"))}


def file(folder: Path, on: str) -> Path:
    """The file of the evaluation on the data of a name."""
    return folder / FOLDER / f"{on}.json"


def _read(path: Path) -> dict[str, Any]:
    """The values in a file. Raises BrokenRunError."""
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text)
        _Evaluation.model_validate(values)
    except OSError as error:
        raise BrokenRunError(f"'{path}' cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, ValidationError, ValueError) as error:
        raise BrokenRunError(f"'{path}' is no evaluation of a test: {_why(error)}", help=_HELP) from None
    return {"set": path.stem, **values}


_HELP = "`netspec test RUN` writes it anew"


def _why(error: Exception) -> str:
    """What is wrong with a file, in a line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0]
