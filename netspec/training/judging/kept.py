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
    labels: list[int] | None = None
    predictions: list[int] | None = None
    probabilities: list[float] = []
    positions: int | None = None
    wrong: int | None = None
    target: list[float] | None = None


class _Calibration(_Part):
    accuracy: list[float]
    confidence: list[float]
    positions: list[int]


_NEEDED: dict[str, tuple[str, ...]] = {
    "classes": ("positions", "accuracy"),
    "labels": ("positions", "accuracy", "by_class"),
    "numbers": ("values", "rmse", "mae", "r2", "by_output"),
}
"""What a head always has, by its task."""
_SAID: dict[str, tuple[str, ...]] = {
    "classes": ("label", "prediction"),
    "labels": ("labels", "predictions"),
    "numbers": ("target", "prediction"),
}
"""What is said of a sample with a single position, by the task."""
_PREDICTED = {"classes": int, "numbers": list}
"""What a prediction is, by the task."""


class _Head(_Part):
    name: str
    task: Literal["classes", "labels", "numbers"]
    size: int = Field(ge=1)
    places: int
    classes: list[str] | None
    positions: int | None = None
    accuracy: float | None = None
    roc_auc: float | None = None
    roc_auc_exact: bool = False
    values: int | None = None
    rmse: float | None = None
    mae: float | None = None
    r2: float | None = None
    macro: _Quotients | None = None
    weighted: _Quotients | None = None
    micro: _Quotients | None = None
    by_class: list[_Class] | None = None
    by_output: list[_Output] | None = None
    points: list[list[Annotated[list[float], Field(min_length=2, max_length=2)]]] = []
    calibration: _Calibration | None = None
    confusion: list[list[int]] | None = None
    confused: list[Annotated[list[int], Field(min_length=3, max_length=3)]] = []
    worst: list[_Sample] = []

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = [name for name in _NEEDED[self.task] if getattr(self, name) is None]
        for one in self.worst:
            said = ("positions", "wrong") if one.wrong is not None else _SAID[self.task]
            missing += [f"worst.{name}" for name in said if name not in one.model_fields_set]
            missing += [f"worst.{name}" for name in said if name != "label" and getattr(one, name) is None]
        if missing:
            raise ValueError(f"'{missing[0]}' is missing")
        kind = _PREDICTED.get(self.task, object)
        if any(one.wrong is None and not isinstance(one.prediction, kind) for one in self.worst):
            raise ValueError("a sample has a prediction of another task")
        return self

    @model_validator(mode="after")
    def _is_sized(self) -> Self:
        """Lists of classes and of outputs are as long as there are some; a number of a class is one of them."""
        lists = [self.classes, self.by_class, self.confusion, *(self.confusion or ())]
        lists += [self.by_output] if self.by_output and len(self.by_output) > 1 else []
        if any(len(each) != self.size for each in lists if each is not None):
            raise ValueError(f"there are {self.size} classes or outputs, and a list of another length")
        numbers = [number for true, predicted, _ in self.confused for number in (true, predicted)]
        for one in self.worst:
            numbers += [*(one.labels or ()), *(one.predictions or ())]
            numbers += [number for number in (one.label, one.prediction) if isinstance(number, int)]
        if any(not 0 <= number < self.size for number in numbers):
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
    except (ValueError, RecursionError) as error:
        raise BrokenRunError(f"'{path}' is no evaluation of a test: {_why(error)}", help=_HELP) from None
    return {"set": path.stem, **values}


_HELP = "`netspec test RUN` writes it anew"


def _why(error: Exception) -> str:
    """What is wrong with a file, in a line."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error).partition("\n")[0]
