"""Predictions: the answers of trained nets for new samples, in the order of the inputs.

Several nets answer together by the mean of their answers, which for classes is that of their probabilities. With ten
crops a sample is answered by the mean over the four corners and the middle of the image, and their mirror images
(Krizhevsky, Sutskever & Hinton 2012, section 4.1). While the nets compute, the next samples are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, NamedTuple

from netspec.core.errors import DataError, NetspecError, SpecError, UsageError
from netspec.core.shape import counted, text
from netspec.data.computed import Arrays, Computed
from netspec.training.answering.inputs import Images, Part, Rows, Samples, Unread, parts
from netspec.training.answering.trained import Trained, UnfitNetError, WrongInputError

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.dataset import Dataset
    from netspec.data.pipeline import Pipeline
    from netspec.formats.images import Color


class EnsembleError(UsageError):
    """Nets that are to answer together do not answer the same question."""

    code = "NS661"


Kind = Literal["classes", "values"]
CROPS = (1, 10)
_CUTS = frozenset({"Crop", "CenterCrop"})
"""Transforms in whose place the ten windows are cut."""
_READERS = 2
"""Threads that read inputs."""
_FEW = 8
"""Images that a thread reads in a row: small ones take less time than to hand them over."""


@dataclass
class Predictions:
    """Answers to inputs.

    `names` are the inputs. `values` has the answer to each, in the same order, and None where there is an error in
    `errors`. Of `classes`, an answer is a value for each class, a probability where `probable`; `labels` are their
    names, where they have any. Other answers are values. `blob` is the blob that answered.
    """

    kind: Kind
    probable: bool
    labels: tuple[str, ...] | None
    blob: str
    names: list[str] = field(default_factory=list)
    values: list[Array | None] = field(default_factory=list)
    errors: dict[int, NetspecError] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def label(self, number: int) -> str:
        """The name of a class; its number where it has none."""
        return self.labels[number] if self.labels is not None and number < len(self.labels) else str(number)

    def top(self, index: int, most: int) -> list[tuple[int, float]]:
        """The classes with the highest values for an input, each with its value; equal ones by number.

        Of an answer for each place of an image, the value of a class is the share of places where it is the highest.
        """
        import numpy as np

        values = self.values[index]
        if values is None:
            return []
        if values.ndim > 1:
            best = values.reshape(-1, values.shape[-1]).argmax(axis=1)
            values = np.bincount(best, minlength=values.shape[-1]) / len(best)
        order = np.argsort(-values, kind="stable")[:most]
        return [(int(number), float(values[number])) for number in order]

    def array(self) -> Array:
        """All answers, (N, ...); NaN where there is none. Raises UsageError where they differ in shape."""
        import numpy as np

        there = [values for values in self.values if values is not None]
        shapes = {values.shape for values in there}
        if len(shapes) > 1:
            raise UsageError("the answers differ in shape, so they are no single array")
        blank = np.full(shapes.pop() if shapes else (), np.nan, there[0].dtype if there else np.float32)
        return np.stack([blank if values is None else values for values in self.values] or [blank])


class Predictor:
    """Trained nets that answer together."""

    def __init__(self, nets: Sequence[Trained], crops: int = 1, batch: int | None = None) -> None:
        if crops not in CROPS:
            raise UsageError(f"--crops {crops} is not known", help="one of: 1, 10")
        self.nets, self.crops = tuple(nets), crops
        self.first = self.nets[0]
        for net in self.nets:
            if batch is not None:
                net.batch = batch
            self._check(net)
        self._ten = {id(net): TenCrops(net) for net in self.nets} if crops > 1 else {}
        self.color: Color = self._color()

    def _check(self, net: Trained) -> None:
        """Raise EnsembleError where a net does not answer as the first does."""
        first = self.first
        net.wanted  # noqa: B018 - raises for a net of several inputs
        mine, theirs = (_answered(each) for each in (net, first))
        if mine != theirs:
            raise EnsembleError(f"'{net.path}' answers with {mine}, and '{first.path}' with {theirs}")
        if net.classes != first.classes and net.classes and first.classes:
            pairs = zip(net.classes, first.classes, strict=False)
            number, (own, other) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
            fault = f"class {number} is '{own}' in '{net.path}', and '{other}' in '{first.path}'"
            raise EnsembleError(fault, help="nets that answer together are trained on the same classes")

    def _color(self) -> Color:
        """The colour in which images are read: that of the source, or the one that the net takes."""
        color = getattr(self.first.source, "color", None)
        if color is not None:
            return color  # type: ignore[no-any-return]
        order = "rgb" if self.first.source is None else self.first.source.order
        shapes = [one.shape for one in self.first.facts.outputs[:1]] or [self.first.wanted]
        return "gray" if len(shapes[0]) == 3 and shapes[0][0] == 1 else order

    def predictions(self) -> Predictions:
        """No predictions yet, of the kind that these nets make."""
        answer = self.first.answer
        kind: Kind = "classes" if answer.axis is not None else "values"
        return Predictions(kind, answer.probable, self.first.classes, answer.blob)

    def predict(self, words: Sequence[str], stdin: BinaryIO | None = None) -> Predictions:
        """The answers for the inputs that words name: files, folders, and `-` for standard input."""
        result = self.predictions()
        for names, read in self._chunks(parts(words, self.table, stdin)):
            self._add(result, names, read)
        return result

    def predict_arrays(self, samples: Iterable[Array]) -> Predictions:
        """The answers for samples in memory."""
        result, chunk = self.predictions(), list[Any]()
        for sample in samples:
            chunk.append(sample)
            if len(chunk) == self.first.batch:
                self._add(result, [f"[{len(result) + i}]" for i in range(len(chunk))], chunk)
                chunk = []
        if chunk:
            self._add(result, [f"[{len(result) + i}]" for i in range(len(chunk))], chunk)
        return result

    def table(self, path: Path) -> Dataset | None:
        """The rows of a table, as the source of the training reads them."""
        first = self.first
        return None if first.source is None else first.source.unlabelled(path, first.facts.source)

    def _chunks(self, found: Iterable[Part]) -> Iterator[tuple[list[str], list[Array | NetspecError]]]:
        """The inputs in chunks of a batch, read by some threads, a chunk ahead."""
        pieces = (
            (part, range(start, min(start + self.first.batch, len(part))))
            for part in map(self._fitting, found)
            for start in range(0, len(part), self.first.batch)
        )
        with ThreadPoolExecutor(_READERS) as pool:
            before: tuple[list[str], list[Future[list[Array | NetspecError]]]] | None = None
            for part, index in pieces:
                some = _FEW if isinstance(part, Images) else len(index)  # to decode images costs much, rows nothing
                tasks = (index[i : i + some] for i in range(0, len(index), some))
                coming = [pool.submit(_read, part, task, self.color) for task in tasks]
                if before is not None:
                    yield before[0], [each for done in before[1] for each in done.result()]
                before = [part.name(i) for i in index], coming
            if before is not None:
                yield before[0], [each for done in before[1] for each in done.result()]

    def _fitting(self, part: Part) -> Part:
        """A part; one error in place of an array or a table, all samples of which have a shape that no net takes."""
        if not isinstance(part, Rows | Samples):
            return part
        try:
            for net in self.nets:
                net.pipeline(part.shape)
        except (SpecError, DataError) as error:
            return Unread(part.title, error)
        return part

    def _add(self, result: Predictions, names: list[str], read: Sequence[Array | NetspecError]) -> None:
        """Add the answers of a chunk to the result: the mean over the nets."""
        total: list[Any] = list(read)
        for number, net in enumerate(self.nets):
            answers = self._answers(net, read)
            for i, answer in enumerate(answers):
                if number == 0 or isinstance(answer, NetspecError):
                    total[i] = answer if number == 0 or not isinstance(total[i], NetspecError) else total[i]
                elif not isinstance(total[i], NetspecError):
                    total[i] = total[i] + answer
        for name, each in zip(names, total, strict=True):
            if isinstance(each, NetspecError):
                result.errors[len(result)] = _named(each, name)
                each = None
            result.names.append(name)
            result.values.append(each if each is None or len(self.nets) == 1 else each / len(self.nets))

    def _answers(self, net: Trained, read: Sequence[Array | NetspecError]) -> list[Array | NetspecError]:
        """What a net answers to each sample; those of a shape go through the transforms together."""
        import numpy as np

        result: list[Array | NetspecError] = list(read)
        groups: dict[tuple[int, ...], list[int]] = {}
        for i, sample in enumerate(read):
            if not isinstance(sample, NetspecError):
                groups.setdefault(sample.shape, []).append(i)
        ready: list[Array] = []
        order: list[int] = []
        for members in groups.values():
            x = np.stack([read[i] for i in members])  # type: ignore[misc]
            try:
                ready.append(self._transformed(net, x))
                order += members
            except (SpecError, DataError) as error:
                result = [error if i in members else each for i, each in enumerate(result)]
        if not order:
            return result
        done = net.run(np.concatenate(ready))
        done = done.reshape(len(order), self.crops, *done.shape[1:]).mean(axis=1) if self.crops > 1 else done
        first = read[order[0]]
        assert not isinstance(first, NetspecError)
        done = net.own_units(done, net.pipeline(first.shape))
        for i, answer in zip(order, done, strict=True):
            result[i] = answer
        return result

    def _transformed(self, net: Trained, x: Array) -> Array:
        """Samples (N, *shape) as the net takes them, (N * crops, *wanted). Raises DataError, ShapeError."""
        if self.crops > 1:
            return self._ten[id(net)](x)
        return net.transformed(x, net.pipeline(x.shape[1:]))


class TenCrops:
    """The transforms of a net's data, with ten windows in the place of the last that cuts one."""

    def __init__(self, net: Trained) -> None:
        self.net = net
        places = [i for i, step in enumerate(net.transforms) if type(step).__name__ in _CUTS]
        self.place = places[-1] if places else None
        if self.place is None and len(net.wanted) != 3:
            raise UnfitNetError(f"the net takes samples of {text(net.wanted)}, and ten crops are of images")
        if self.place is None:
            help = "train with larger images, and a Crop or CenterCrop among the transforms"
            raise UnfitNetError("the data have no Crop, so that there is nothing to cut ten windows from", help=help)
        self._bound: dict[tuple[int, ...], _Cut] = {}

    def __call__(self, x: Array) -> Array:
        """Images (N, C, H, W) to ten windows of each in turn, (N * 10, *wanted)."""
        import numpy as np

        shape = x.shape[1:]
        if shape not in self._bound:
            self._bound[shape] = self._bind(shape)
        cut = self._bound[shape]
        image, pad = self.net.transformed(x, cut.before), cut.pad
        image = np.pad(image, ((0, 0), (0, 0), (pad, pad), (pad, pad))) if pad else image
        windows = ten_windows(image, cut.height, cut.width)
        return self.net.transformed(windows.reshape(-1, *windows.shape[2:]), cut.after)

    def _bind(self, shape: tuple[int, ...]) -> _Cut:
        """The transforms below and above the windows. What they ask for is known by the whole chain: by its order."""
        net, place = self.net, self.place
        assert place is not None
        net.pipeline(shape)  # raises where the net does not take what comes out
        asked = Computed(net.state.computed)
        net.bind(net.transforms, shape, asked)
        values = list(asked.used.values())
        replayed = _Replayed(iter(values))
        before = net.bind(net.transforms[:place], shape, replayed)
        crop = net.transforms[place]
        c, h, w = crop.output_shapes(before.shapes)[0]
        after = net.bind(net.transforms[place + 1 :], (c, h, w), _Replayed(iter(values[len(replayed.known) :])))
        return _Cut(before, after, h, w, getattr(crop, "pad", 0))


class _Cut(NamedTuple):
    """Transforms before and after ten windows (height, width) are cut out of an image with `pad` zeros around it."""

    before: Pipeline
    after: Pipeline
    height: int
    width: int
    pad: int


class _Replayed(Computed):
    """Gives what was computed in the order in which it was asked for, whatever it is called now."""

    def __init__(self, values: Iterator[Arrays]) -> None:
        super().__init__()
        self._values = values

    def of(self, name: str, *how: Any) -> Arrays:
        """The next arrays, or those that the name has got before."""
        if name not in self.known:
            self.known[name] = next(self._values)
        return self.known[name]


def ten_windows(x: Array, h: int, w: int) -> Array:
    """The corners and the middle of images (N, C, H, W), then their mirror images: (N, 10, C, h, w)."""
    import numpy as np

    bottom, right = x.shape[2] - h, x.shape[3] - w
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    five = [x[:, :, top : top + h, left : left + w] for top, left in places]
    return np.stack([*five, *(window[..., ::-1] for window in five)], axis=1)


def _read(part: Part, index: range, color: Color) -> list[Array | NetspecError]:
    """Some samples of a part; where they cannot be read, the error in place of each. Images are read one by one."""
    if isinstance(part, Images) and len(index) > 1:
        return [_read(part, range(i, i + 1), color)[0] for i in index]
    try:
        return list(part.read(index, color))
    except NetspecError as error:
        return [error] * len(index)


def _named(error: NetspecError, name: str) -> NetspecError:
    """An error about an input, which names it."""
    first = error.errors()[0]
    message = first.message if name in first.message else f"'{name}': {first.message}"
    if isinstance(first, DataError):
        return first.changed(message=message, at=None)
    return WrongInputError(message, help=first.help)


def _answered(net: Trained) -> str:
    """What a net answers with, in words."""
    blob = net.written.graph.named[net.answer.blob].index
    if net.answer.axis is not None:
        return counted(net.written.blobs[blob][net.answer.axis], "class", "classes")
    return text(net.written.sample_shape(blob))
