"""NumPy's files: .npy read by rows, .npz array by array; nothing is ever unpickled.

Source: numpy.lib.format.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.shape import count, text
from netspec.core.spelling import suggest
from netspec.formats.files import (
    MissingDataError,
    PickledDataError,
    Watched,
    WrongFormatError,
    check_size,
    opened,
)
from netspec.formats.rows import Rows, open_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_UNPICKLED = "save numbers: numpy.save(path, array.astype('float32'))"


def read_npy(path: Path) -> Array:
    """The array in a .npy file. Raises WrongFormatError, PickledDataError, WrongSizeError."""
    import numpy as np

    return np.asarray(open_npy(path)[0])


def open_npy(path: Path) -> tuple[Array | Rows, Watched]:
    """The array in a .npy file, its rows read as they are asked for where it is large, and the file.

    Raises WrongFormatError, PickledDataError, WrongSizeError.
    """
    import numpy as np
    from numpy.lib import format

    with opened(path) as file:
        watched = Watched(path, file)
        try:
            version = format.read_magic(file)
            header = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
            shape, fortran, dtype = header(file)
            if not _fits(shape, dtype):
                raise ValueError
        except OSError:
            raise
        except Exception:  # the header is a text of Python, which raises as many kinds of errors as Python knows
            raise WrongFormatError(f"'{path}' is not a .npy file", help="numpy.save writes one") from None
        if dtype.hasobject:
            raise PickledDataError(f"'{path}' holds Python objects, not numbers", help=_UNPICKLED)
        start, size = file.tell(), count(shape) * dtype.itemsize
        check_size(
            path,
            os.fstat(file.fileno()).st_size - start,
            size,
            f"after its header, which says {text(shape)} of {dtype}",
        )
        return (open_rows(watched, start, shape, dtype, fortran) if size else np.empty(shape, dtype)), watched


def _fits(shape: Any, dtype: Any) -> bool:
    """Whether NumPy can have an array of this shape and type at all: a damaged header may ask for any."""
    import numpy as np

    if not all(type(size) is int and size >= 0 for size in shape) or (not dtype.itemsize and dtype.kind in "SU"):
        return False
    np.broadcast_to(np.empty((), dtype), shape)  # raises ValueError where it is too large
    return True


def open_npz(path: Path, keys: tuple[str, ...] | None) -> tuple[list[tuple[str, Array]], Watched]:
    """Arrays of a .npz file with their keys, those of `keys` or all in the order they were saved, and the file."""
    import zipfile
    import zlib

    import numpy as np
    from numpy.lib.npyio import NpzFile

    with opened(path) as file:
        if not zipfile.is_zipfile(file):
            raise WrongFormatError(
                f"'{path}' is not a .npz file", help="numpy.savez writes one; a .npy file goes under `outputs`"
            )
        watched = Watched(path, file)
        try:
            with NpzFile(file, allow_pickle=False) as archive:
                for key in keys or ():
                    if key not in archive.files:
                        raise MissingDataError(f"'{path}' has no array '{key}'", help=suggest(key, archive.files))
                return [(key, np.asarray(archive[key])) for key in keys or archive.files], watched
        except (ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            if "allow_pickle" in str(error):
                raise PickledDataError(f"'{path}' holds Python objects, not numbers", help=_UNPICKLED) from None
            raise WrongFormatError(
                f"'{path}' cannot be read: {error}", help="the copy is damaged: fetch it again"
            ) from None
