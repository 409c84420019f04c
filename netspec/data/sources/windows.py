"""Windows: parts of images that a list names, each of a class by how much it overlaps an object, as R-CNN is trained.

The list says of each image `# NUMBER`, its path, channels, height, width and the number of its windows, each of these
on a line of its own, and then a line `class overlap x1 y1 x2 y2` for each window. A window that overlaps enough is of
its class, one that overlaps little is background, class 0. A batch holds background first, then a fraction of objects.
Caffe draws each window at random; here background and objects each come in a random order, all once before any comes
again, so that an epoch, the batches after which every window of background was seen, can be counted and repeated.
Source: Girshick, Donahue, Darrell & Malik 2014, appendix A; Caffe window_data_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from netspec.core import rng
from netspec.core.errors import DataError
from netspec.core.locate import beside
from netspec.core.model import Listed, SpecPath, wrong
from netspec.core.shape import Shapes, counted, text
from netspec.data.dataset import Dataset
from netspec.data.sources.base import EmptyDataError, Source, load_array
from netspec.formats.files import FileError, about, opened
from netspec.formats.images import read_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


_ORDERS = 8
"""Orders that are kept."""


class WindowLineError(FileError):
    """A line of a list of windows is not what should stand there."""

    code = "NS639"


class WindowMeanError(DataError):
    """A mean that is subtracted from windows has another number of channels, or is smaller than a window."""

    code = "NS642"
    field = "mean_file"


class Windows(Source):
    """Window (3, size, size) in the order blue, green, red, less the mean, and its class."""

    order: ClassVar[Literal["rgb", "bgr"]] = "bgr"

    file: SpecPath = Field(description="The list of images and of the windows in each.")
    size: int = Field(gt=0, description="Height and width that windows are resized to.")
    root: SpecPath | None = Field(None, description="The folder that paths start from; left out: that of the list.")
    fg_threshold: float = Field(0.5, ge=0, description="Overlap from which on a window shows an object.")
    bg_threshold: float = Field(0.5, ge=0, description="Overlap below which a window shows background.")
    fg_fraction: float = Field(0.25, ge=0, le=1, description="Share of objects in a batch, rounded down.")
    context_pad: int = Field(0, ge=0, description="Pixels around the window, of those it is resized to.")
    crop_mode: Literal["warp", "square"] = Field("warp", description="Change proportions, or take a square around.")
    mean: Listed[float] = Field((), description="The mean: one value, or one of each channel.")
    mean_file: SpecPath | None = Field(
        None, description="The mean of each pixel, whose middle is subtracted: Caffe's .binaryproto, or .npy."
    )
    seed: Annotated[int, Field(ge=0)] = Field(1, description="Seed of the order of windows.")

    @model_validator(mode="after")
    def _leaves_a_window(self) -> Self:
        if 2 * self.context_pad >= self.size:
            help = "take less than half of `size`"
            raise wrong(f"a `context_pad` of {self.context_pad} leaves nothing", field="context_pad", help=help)
        return self

    def open(self, base: Path | None) -> Dataset:
        """The windows; images are opened as they are read. Raises DataError."""
        import numpy as np

        path = beside(base, self.file)
        root = path.parent if self.root is None else beside(base, self.root)
        with about("file"):
            images, windows = _read(path)
        overlap = windows[:, 2]
        objects = np.flatnonzero((overlap >= self.fg_threshold) & (windows[:, 1] > 0))
        ground = np.setdiff1d(np.flatnonzero(overlap < self.bg_threshold), objects)
        windows[ground, 1] = 0
        return _Windows(self, path, root, images, windows, ground, objects, self._mean(base))

    def _mean(self, base: Path | None) -> Array:
        """The mean (3, size, size), or (3, 1, 1). Raises DataError."""
        import numpy as np

        if self.mean_file is None:
            mean = np.array(self.mean or (0.0,), np.float32)
            if len(mean) not in (1, 3):
                raise WindowMeanError(f"{counted(len(mean), 'value')} of `mean` for 3 channels").changed(field="mean")
            return np.broadcast_to(mean[:, None, None], (3, 1, 1))
        with about("mean_file"):
            whole = load_array(base, self.mean_file)
        if whole.ndim != 3 or len(whole) != 3 or min(whole.shape[1:]) < self.size:
            raise WindowMeanError(f"the mean is {text(whole.shape)}, windows are 3x{self.size}x{self.size}")
        top, left = ((side - self.size) // 2 for side in whole.shape[1:])
        return whole[:, top : top + self.size, left : left + self.size].astype(np.float32)


@dataclass(frozen=True, eq=False)
class _Windows(Dataset):
    """Windows (M, 7): image, class, overlap, x1, y1, x2, y2; `ground` and `objects` are numbers of them."""

    spec: Windows
    path: Path
    root: Path
    images: tuple[str, ...]
    windows: Array
    ground: Index
    objects: Index
    mean: Array
    batch: int = 1
    orders: dict[tuple[str, int], Index] = field(default_factory=dict)
    """Orders that were drawn, by what they are of and how often all have come."""

    ordered = True

    @property
    def shapes(self) -> Shapes:
        """A square window of three channels, and a label."""
        return (3, self.spec.size, self.spec.size), ()

    def in_batches(self, size: int) -> Dataset:
        """These windows in batches of background and objects. Raises EmptyDataError."""
        data = replace(self, batch=size)
        for windows, wanted, what in ((self.ground, data.behind, "background"), (self.objects, data.front, "objects")):
            if wanted and not len(windows):
                raise EmptyDataError(f"'{self.path}' has no windows of {what}", help="look at the thresholds")
        return data

    @property
    def front(self) -> int:
        """Objects in a batch."""
        return int(self.batch * self.spec.fg_fraction)

    @property
    def behind(self) -> int:
        """Windows of background in a batch."""
        return self.batch - self.front

    def __len__(self) -> int:
        return self.batch * max(1, -(-len(self.ground) // self.behind) if self.behind else len(self.objects))

    def window(self, index: int) -> int:
        """The number of the window at a place of the epoch."""
        number, place = divmod(index, self.batch)
        if place < self.behind:
            return self._drawn(self.ground, "background", number * self.behind + place)
        return self._drawn(self.objects, "objects", number * self.front + place - self.behind)

    def _drawn(self, windows: Index, purpose: str, place: int) -> int:
        turn, within = divmod(place, len(windows))
        order = self.orders.get((purpose, turn))
        if order is None:
            if len(self.orders) > _ORDERS:
                self.orders.clear()
            order = self.orders[purpose, turn] = rng.permutation(len(windows), self.spec.seed, purpose, turn)
        return int(windows[order[within]])

    def read(self, index: Index) -> tuple[Array, ...]:
        """Windows (N, 3, size, size), float32, and classes (N,). Raises DataError."""
        import numpy as np

        chosen = [self.window(i) for i in index.tolist()]
        x = np.zeros((len(chosen), *self.shapes[0]), np.float32)
        for row, number, i in zip(x, chosen, index.tolist(), strict=True):
            self._fill(row, self.windows[number], i)
        return x, self.windows[chosen, 1].astype(np.int64)

    def _fill(self, into: Array, window: Array, index: int) -> None:
        """Write one window (3, size, size), less the mean, where it shows the image; elsewhere zeros stay.

        Raises WindowLineError.
        """
        import numpy as np
        from PIL import Image

        image = read_image(self.root / self.images[int(window[0])], "bgr")
        place = placed(self.spec, window[3:], image.shape[1:])
        if place.x2 <= place.x1 or place.y2 <= place.y1:
            raise WindowLineError(f"{self.name(index)} shows nothing of the image, which is {text(image.shape[1:])}")
        rows = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)[place.y1 : place.y2, place.x1 : place.x2]))
        resized = np.asarray(rows.resize((place.width, place.height), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
        at = np.s_[:, place.top : place.top + place.height, place.left : place.left + place.width]
        into[at] = resized - np.broadcast_to(self.mean, into.shape)[at]

    def describe(self) -> str:
        """The list, and how many windows of which kind."""
        kinds = f"{len(self.objects):,} of objects, {len(self.ground):,} of background"
        return f"windows {self.path}: {counted(len(self.images), 'image')}, {kinds}, {text(self.shapes[0])}"

    def name(self, index: int, output: int = 0) -> str:
        """The window and its image."""
        image, _, _, *corners = self.windows[self.window(index)].tolist()
        return f"window {', '.join(f'{corner:g}' for corner in corners)} of {self.images[int(image)]}"


class Place(NamedTuple):
    """The part of an image that a window shows, its size in the window, and where it begins there."""

    x1: int
    y1: int
    x2: int
    y2: int
    height: int
    width: int
    top: int
    left: int


def placed(spec: Windows, corners: Array, size: tuple[int, ...]) -> Place:
    """Where a window of corners x1, y1, x2, y2, which it includes, lies in an image (H, W), with its context."""
    x1, y1, x2, y2 = corners.tolist()
    across, down = (x2 - x1 + 1) / 2, (y2 - y1 + 1) / 2
    if spec.crop_mode == "square":
        across, down = max(across, down), max(across, down)
    if spec.context_pad or spec.crop_mode == "square":
        wider = spec.size / (spec.size - 2 * spec.context_pad)
        x, y = x1 + (x2 - x1 + 1) / 2, y1 + (y2 - y1 + 1) / 2
        x1, x2 = _round(x - across * wider), _round(x + across * wider)
        y1, y2 = _round(y - down * wider), _round(y + down * wider)
    left, width = _along(int(x1), int(x2), size[1], spec.size)
    top, height = _along(int(y1), int(y2), size[0], spec.size)
    return Place(
        max(0, int(x1)), max(0, int(y1)), min(int(x2) + 1, size[1]), min(int(y2) + 1, size[0]), height, width, top, left
    )


def _along(first: int, last: int, length: int, size: int) -> tuple[int, int]:
    """Along one axis: where the visible part of first..last begins in `size` pixels, and how many it gets."""
    scale = size / (last - first + 1)
    begin = _round(max(0, -first) * scale)
    shown = min(last + 1, length) - max(0, first)
    return begin, max(1, min(_round(shown * scale), size - begin))


def _round(value: float) -> int:
    """The nearest whole number; a half goes away from zero, as C's round has it."""
    return int(value + 0.5) if value >= 0 else -int(-value + 0.5)


def _read(path: Path) -> tuple[tuple[str, ...], Array]:
    """The images of a list, and all windows (M, 7). Raises WindowLineError."""
    import numpy as np

    with opened(path) as file:
        lines = enumerate(file.read().decode("utf-8", "replace").splitlines(), 1)
    used = ((number, line.strip()) for number, line in lines if line.strip())
    images: list[str] = []
    windows: list[list[float]] = []
    for number, line in used:
        if not line.startswith("#"):
            raise _wrong(path, number, line, "`# NUMBER`, which begins an image")
        _, name = _next(path, used, "the path of an image")
        channels, *_, held = (
            int(_numbers(path, used, 1, what)[0]) for what in ("channels", "height", "width", "windows")
        )
        if channels not in (1, 3):
            raise WindowLineError(f"'{name}' in '{path}' has {counted(channels, 'channel')}, not 1 or 3")
        for _ in range(held):
            windows.append([len(images), *_window(path, used)])
        images.append(name)
    if not windows:
        raise EmptyDataError(f"'{path}' names no windows")
    return tuple(images), np.array(windows)


Lines = Iterator[tuple[int, str]]


def _next(path: Path, lines: Lines, what: str) -> tuple[int, str]:
    found = next(lines, None)
    if found is None:
        raise WindowLineError(f"'{path}' ends where {what} should follow", help="the list is cut short")
    return found


def _window(path: Path, lines: Lines) -> list[float]:
    """The line of a window: a class, an overlap, and corners in their order. Raises WindowLineError."""
    what = "`class overlap x1 y1 x2 y2`"
    number, line = _next(path, lines, what)
    values = _parsed(line, 6)
    if not values or values[0] < 0 or values[0] % 1 or values[2] > values[4] or values[3] > values[5]:
        raise _wrong(path, number, line, what)
    return values


def _numbers(path: Path, lines: Lines, many: int, what: str) -> list[float]:
    """Whole numbers from 0 on in the next line. Raises WindowLineError."""
    number, line = _next(path, lines, what)
    values = _parsed(line, many)
    if not values or any(value < 0 or value % 1 for value in values):
        raise _wrong(path, number, line, what)
    return values


def _parsed(line: str, many: int) -> list[float]:
    """So many finite numbers in a line; none where something else stands there."""
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        return []
    return values if len(values) == many and all(map(isfinite, values)) else []


def _wrong(path: Path, number: int, line: str, what: str) -> WindowLineError:
    return WindowLineError(f"line {number} of '{path}' is {line!r}, where {what} should stand")
