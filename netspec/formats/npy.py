"""NumPy's files: .npy mapped into memory, .npz read array by array; nothing is ever unpickled.

Source: numpy.lib.format.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.shape import count, text
from netspec.core.spelling import suggest
from netspec.formats.files import MissingDataError, PickledDataError, WrongFormatError, check_size, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_UNPICKLED = "save numbers: numpy.save(path, array.astype('float32'))"


def read_npy(path: Path) -> Array:
    """The array in a .npy file, mapped and not loaded. Raises WrongFormatError, PickledDataError, WrongSizeError."""
    import numpy as np
    from numpy.lib import format

    with opened(path) as file:
        try:
            version = format.read_magic(file)
            header = format.read_array_header_1_0 if version == (1, 0) else format.read_array_header_2_0
            shape, fortran, dtype = header(file)
        except ValueError:
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
        if not size:
            return np.empty(shape, dtype)
        return np.asarray(np.memmap(file, dtype, "r", start, shape, "F" if fortran else "C"))


def read_npz(path: Path, keys: tuple[str, ...] | None) -> list[tuple[str, Array]]:
    """Arrays of a .npz file with their keys: those of `keys`, or all in the order they were saved."""
    import zipfile
    import zlib

    import numpy as np
    from numpy.lib.npyio import NpzFile

    with opened(path) as file:
        if not zipfile.is_zipfile(file):
            raise WrongFormatError(
                f"'{path}' is not a .npz file", help="numpy.savez writes one; a .npy file goes under `outputs`"
            )
        try:
            with NpzFile(file, allow_pickle=False) as archive:
                for key in keys or ():
                    if key not in archive.files:
                        raise MissingDataError(f"'{path}' has no array '{key}'", help=suggest(key, archive.files))
                return [(key, np.asarray(archive[key])) for key in keys or archive.files]
        except (ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            if "allow_pickle" in str(error):
                raise PickledDataError(f"'{path}' holds Python objects, not numbers", help=_UNPICKLED) from None
            raise WrongFormatError(
                f"'{path}' cannot be read: {error}", help="the copy is damaged: fetch it again"
            ) from None
