"""What Python callers hand in, checked at the border: numbers, words, paths, number types, arrays.

NumPy's scalars are taken wherever Python's are.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from netspec.core.calls import Phase
from netspec.core.errors import DataError, UsageError
from netspec.core.nodes import Document
from netspec.core.shape import Shape, text
from netspec.core.spelling import shown

if TYPE_CHECKING:
    from netspec.core.calls import Array


class BadArgumentError(UsageError):
    """A call without meaning: an unknown phase, a batch of 0, backward before forward."""

    code = "NS005"


class WrongShapeError(DataError):
    """An array does not have the shape of its blob, or is no array of numbers."""

    code = "NS622"


_MOST = 2**63 - 1


def whole(value: Any, word: str, least: int | None = None) -> int:
    """A whole number, of Python or NumPy. Raises BadArgumentError; `word` says what it is the number of."""
    import numpy as np

    try:
        number = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        number = None
    if number is None or not (-_MOST if least is None else least) <= number <= _MOST:
        help = "a whole number" if least is None else f"a whole number from {least}"
        raise BadArgumentError(f"a {word} of {shown(value)} is none", help=help)
    return number


def threads_of(value: Any) -> int | None:
    """A number of threads, or None for all cores. Raises BadArgumentError."""
    return None if value is None else whole(value, "number of threads", 1)


def flag(value: Any, name: str) -> bool:
    """True or False. Raises BadArgumentError."""
    import numpy as np

    if not isinstance(value, (bool, np.bool_)):
        raise BadArgumentError(f"`{name}` is True or False, not {shown(value)}")
    return bool(value)


def keep_of(value: Any) -> bool | tuple[str, ...]:
    """Which blobs stay readable: True for all, or the names of some besides inputs and outputs; False is no name.

    Raises BadArgumentError.
    """
    import numpy as np

    if isinstance(value, (bool, np.bool_)):
        return bool(value) or ()
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping)):
        return words_of(value, "blobs to keep", '["conv1", "pool1"]')
    raise BadArgumentError(f"`keep` is True, False or a list of blobs, not {shown(value)}", help='like ["conv1"]')


def words_of(value: Any, name: str, example: str) -> tuple[str, ...]:
    """A list of words. Raises BadArgumentError, also for a text where a list is meant."""
    if not isinstance(value, Iterable) or isinstance(value, (str, bytes, Mapping)):
        raise BadArgumentError(f"{name} are a list, not {shown(value)}", help=f"like {example}")
    items = tuple(value)
    for item in items:
        if not isinstance(item, str):
            raise BadArgumentError(f"{name} are words, not {shown(item)}", help=f"like {example}")
    return tuple(map(str, items))


def overrides_of(value: Any) -> tuple[str, ...]:
    """A list of overrides. Raises BadArgumentError."""
    return words_of(value, "overrides", '["base_lr=0.1", "max_iter=100"]')


def path_of(value: Any, what: str) -> Path:
    """A path, as text or as an object that stands for one. Raises BadArgumentError."""
    if not isinstance(value, (str, os.PathLike)):
        raise BadArgumentError(f"{what} is named by a path, not {shown(value)}")
    return Path(os.fsdecode(value))


def spec_of(value: Any, what: str) -> str | Path | dict[str, Any] | Document:
    """A net or a solver: a path, a zoo name, plain values or a Document. Raises BadArgumentError."""
    if isinstance(value, (str, Document)):
        return value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return path_of(value, what)
    raise BadArgumentError(f"{what} is a path, a zoo name or a dict, not {shown(value)}")


def phase_of(value: Any) -> Phase:
    """A phase, by name or by Caffe's number. Raises BadArgumentError."""
    if isinstance(value, int) and not isinstance(value, bool) and value in (0, 1):
        return "TEST" if value else "TRAIN"
    if not isinstance(value, str) or value not in get_args(Phase):
        raise BadArgumentError(f"there is no phase {shown(value)}", help="TRAIN or TEST")
    return cast(Phase, str(value))


def number_type(value: Any) -> Literal["float32", "float64"]:
    """The name of a number type, also where NumPy's own type is given. Raises BadArgumentError."""
    import numpy as np

    try:
        name = None if value is None else np.dtype(value).name
    except TypeError:
        name = None
    if name not in ("float32", "float64"):
        raise BadArgumentError(f"a net of {shown(value)} is none", help="float32 or float64")
    return cast(Literal["float32", "float64"], name)


def fitting(name: str, array: Array, value: Any, batch_axis: int | None = None) -> Array:
    """A value as an array of the shape and number type of a blob's `array`. Raises WrongShapeError.

    `batch_axis` is the axis of an input's batch, for the help where nothing else differs.
    """
    import numpy as np

    try:
        given = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise WrongShapeError(f"what was given for blob '{name}' is no array of numbers: {error}") from None
    if given.dtype.kind not in "biuf":
        kind = {"O": "Python objects", "U": "texts", "S": "texts", "c": "complex numbers"}.get(given.dtype.kind)
        found = f"what was given for blob '{name}' is no array of real numbers"
        raise WrongShapeError(f"{found}, but of {kind or given.dtype.name}: {shown(value)}")
    if given.shape != array.shape:
        shapes = (text(shape) if shape else "() of a single number" for shape in (array.shape, given.shape))
        message = "blob '{}' has the shape {}, not {}".format(name, *shapes)
        raise WrongShapeError(message, help=_hint(array.shape, given.shape, batch_axis))
    with np.errstate(over="raise", under="ignore", invalid="ignore"):
        try:
            return given.astype(array.dtype, copy=False)
        except FloatingPointError:
            raise WrongShapeError(f"blob '{name}' is of {array.dtype.name}, and too small for the values") from None


def _hint(wanted: Shape, given: Shape, batch_axis: int | None) -> str | None:
    """What to do about another shape, as far as the shapes tell."""
    if len(wanted) != len(given):
        alike = [size for size in wanted if size != 1] == [size for size in given if size != 1]
        way = f", as x.reshape({', '.join(map(str, wanted))}) has" if alike else ""
        return f"{len(wanted)} {'axis is' if len(wanted) == 1 else 'axes are'} wanted{way}"
    differing = [axis for axis, pair in enumerate(zip(wanted, given, strict=True)) if pair[0] != pair[1]]
    if differing == [batch_axis]:
        return "say batch=... for another batch"
    if len(wanted) == 4 and (given[0], given[3], given[1], given[2]) == wanted:
        return "a blob is N, C, H, W: say x.transpose(0, 3, 1, 2)"
    return "a blob is N, C, H, W" if len(wanted) == 4 else None
