"""Pictures of a trained net: what stands in the figures, where they go, and that equal nets give equal bytes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.core.errors import UsageError
from netspec.core.outputs import ExistsError, WriteError
from netspec.pictures import activations as activation_picture
from netspec.pictures import embedding as embedding_picture
from netspec.pictures import filters as filter_picture
from netspec.pictures import regions as region_picture
from netspec.pictures import saliency as saliency_picture
from netspec.pictures.images import shown_image
from netspec.pictures.mosaic import filter_grid
from netspec.pictures.palette import style
from netspec.pictures.saving import NothingToPlotError, save, settings
from netspec.pictures.showing import Asked, show
from netspec.study.activations import activations
from netspec.study.embedding import Embedding, embedding
from netspec.study.filters import filters
from netspec.study.regions import Regions
from netspec.study.saliency import saliency
from netspec.study.shown import Shown
from tests.helpers.looked_at import trained

pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> Shown:
    return Shown(str(trained(tmp_path_factory.mktemp("showing") / "tiny", arrays)))


def words(figure: Any) -> str:
    """All texts of a figure."""
    from matplotlib.text import Text

    return "\n".join(one.get_text() for one in figure.findobj(Text))


def test_every_weight_is_a_square_of_pixels(shown: Shown, tmp_path: Path) -> None:
    found = filters(shown, "conv")
    with settings():
        figure = filter_picture.figure(found)
        save(figure, tmp_path / "f.png")
    with Image.open(tmp_path / "f.png") as file:
        pixels = np.asarray(file.convert("L")).astype(float) / 255
    picture, said = filter_grid(found)
    box = figure.axes[0].get_position()
    high, wide = pixels.shape
    times = round(box.width * wide / picture.shape[1])
    top, left = round((1 - box.y1) * high), round(box.x0 * wide)
    middles = pixels[top + times // 2 :: times, left + times // 2 :: times][: picture.shape[0], : picture.shape[1]]
    np.testing.assert_allclose(middles, picture, atol=1 / 250)
    assert "conv (Convolution) of tiny" in words(figure) and said.split(";")[0] in words(figure)


def test_activations_have_a_row_for_every_layer(shown: Shown) -> None:
    found = activations(shown, shown.sample("1"))
    with settings():
        figure = activation_picture.figure(found)
    assert len(figure.axes) == 1 + len(found.layers)
    image, conv, *_ = (np.asarray(axes.get_images()[0].get_array().filled(np.nan)) for axes in figure.axes)
    np.testing.assert_allclose(image, shown_image(found.sample.inputs[0]))
    np.testing.assert_array_equal(conv[:, :3], found.layers[0].maps[0])
    np.testing.assert_array_equal(conv[:, 4:], found.layers[0].maps[1])
    assert np.isnan(conv[:, 3]).all()
    said = words(figure)
    assert all(one.layer in said for one in found.layers) and "Convolution 2x4x3" in said
    assert f"answers {found.answer}" in said and f"should be {found.truth}" in said
    boxes = sorted((axes.get_position().y0, axes.get_position().y1) for axes in figure.axes)
    assert all(below[1] < above[0] for below, above in itertools.pairwise(boxes))


def test_saliency_stands_beside_the_sample(shown: Shown) -> None:
    found = saliency(shown, [shown.sample("0"), shown.sample("3")], "2")
    with settings():
        figure = saliency_picture.figure(found)
    assert len(figure.axes) == 6
    for n, one in enumerate(found.found):
        row = [axes.get_images()[0] for axes in figure.axes[3 * n : 3 * n + 3]]
        np.testing.assert_allclose(row[1].get_array(), one.strength)
        np.testing.assert_allclose(row[2].get_array(), one.share)
        assert row[1].get_clim()[0] == 0 and sum(row[2].get_clim()) == 0  # 0 is dark, and in the middle
    assert f"class 2: {found.found[0].score:.3g}" in words(figure) and "|gradient|" in words(figure)


def test_classes_have_colours_and_markers(shown: Shown) -> None:
    found = embedding(shown)
    with settings():
        figure = embedding_picture.figure(found)
    (axes,) = figure.axes
    truth = np.asarray(found.truth)
    for collection, number in zip(axes.collections, np.unique(truth), strict=True):
        np.testing.assert_allclose(np.asarray(collection.get_offsets()), found.points[truth == number])
        assert collection.get_label() == f"class {int(number)}"
        from matplotlib.colors import to_hex

        assert to_hex(collection.get_facecolor()[0]).upper() == style(int(number)).color.upper()
    assert f"({100 * found.explained[0]:.1f} % of the variance)" in axes.get_xlabel()
    assert len(axes.get_legend().get_texts()) == len(axes.collections)


def test_classes_beyond_the_colours_are_hollow_and_no_name_lies_on_another() -> None:
    rows = np.repeat(np.arange(9), 3)
    points = np.stack([rows // 2 * 10.0, rows % 3 * 1.0], 1)
    names = tuple(f"a long name {number}" for number in range(9))
    with settings():
        figure = embedding_picture.figure(Embedding("net", "f", (4,), "data", points, (0.5, 0.2), rows, names))
        figure.draw_without_rendering()
    (axes,) = figure.axes
    assert [len(each.get_facecolor()) > 0 for each in axes.collections] == [True] * 7 + [False] * 2
    shown = [one.get_window_extent() for one in axes.texts if one.get_visible()]
    assert 2 <= len(shown) <= len(axes.texts) == 9
    assert not any(one.overlaps(other) for number, one in enumerate(shown) for other in shown[:number])


def test_points_without_classes(tmp_path: Path) -> None:
    points = np.random.default_rng(1).standard_normal((7, 2))
    with settings():
        plain = Embedding("net", "fc", (4,), "data", points, (0.5, 0.2), None, None)
        assert embedding_picture.figure(plain).axes[0].get_legend() is None
        values = Embedding("net", "fc", (4,), "data", points, (0.5, 0.2), np.arange(7.0), None)
        assert len(embedding_picture.figure(values).axes) == 2  # and a bar of the colours
        many = Embedding(
            "net", "$f", (4,), "<data>", points, (0.5, 0.2), np.arange(7), tuple(f"${n}" for n in range(40))
        )
        save(embedding_picture.figure(many), tmp_path / "many.png")  # names are no formulas


def plane(kind: Any, answer: np.ndarray, classes: tuple[str, ...] | None) -> Regions:
    """Answers at three places along x and two along y."""
    points = np.array([[0.0, 0.0], [1.0, 1.0]])
    x, y = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0])
    return Regions("net", "data", ("x1", "$x2"), x, y, kind, kind != "value", answer, classes, points, np.array([0, 1]))


def test_regions_have_the_colour_of_their_class_the_surer_the_darker() -> None:
    from matplotlib.colors import to_rgb

    share = np.array([[0.99, 0.6, 0.2], [0.5, 0.4, 0.01]])
    with settings():
        figure = region_picture.figure(plane("class", np.stack([share, 1 - share], 2), ("a", "b")))
    axes = figure.axes[0]
    picture = np.asarray(axes.get_images()[0].get_array())
    assert axes.get_images()[0].origin == "lower" and picture.shape == (2, 3, 3)
    far = 1 - picture  # how far from white
    for place, number in (((0, 0), 0), ((0, 2), 1), ((1, 2), 1)):
        own = 1 - np.array(to_rgb(style(number).color))
        np.testing.assert_allclose(far[place] / far[place].sum(), own / own.sum(), rtol=1e-6)
    assert far[0, 0].sum() > far[0, 1].sum() and far[1, 2].sum() > far[0, 2].sum()
    assert axes.get_ylabel() == r"\$x2" and [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize("kind", ["probability", "value"])
def test_single_answers_are_shades_with_a_scale(kind: str) -> None:
    answer = np.array([[0.9, 0.6, 0.2], [0.5, 0.4, 0.0]])[..., None]
    with settings():
        figure = region_picture.figure(plane(kind, answer, ("no", "yes") if kind == "probability" else None))
    shades, scale = figure.axes
    np.testing.assert_array_equal(shades.get_images()[0].get_array(), answer[..., 0])
    assert ("probability of 'yes'" in scale.get_ylabel()) == (kind == "probability")
    assert (shades.get_images()[0].get_clim() == (0, 1)) == (kind == "probability")


def test_a_picture_of_a_run_goes_into_its_folder(shown: Shown, tmp_path: Path) -> None:
    path, said = show(shown, "filters", None, Asked(layer=("conv",)))
    assert shown.folder is not None and path == shown.folder / "show" / "filters-conv.png"
    assert said.startswith("conv (Convolution): weights 2x1x3x3, of at most ")
    before = path.read_bytes()
    assert show(shown, "filters", tmp_path / "f.png", Asked(layer=("conv",)))[0].read_bytes() == before
    path.write_bytes(b"mine")
    with pytest.raises(ExistsError):
        show(shown, "filters", None, Asked(layer=("conv",)))
    path.unlink()


def test_numbers_in_place_of_a_picture(shown: Shown, tmp_path: Path) -> None:
    file = tmp_path / "n.npz"
    show(shown, "filters", file, Asked())
    np.testing.assert_array_equal(np.load(file)["weights"], filters(shown).weights)
    show(shown, "activations", file, Asked(input=("1",)))
    assert {"0.maps", "1.maps"} <= {*np.load(file)}
    show(shown, "saliency", file, Asked(input=("1",)))
    assert np.load(file)["0.gradient"].shape == (1, 6, 5)


def test_what_is_asked_wrongly(shown: Shown, tmp_path: Path) -> None:
    for kind, asked, message in (
        ("filtres", Asked(), "'filtres' is nothing to show"),
        ("filters", Asked(blob="ip"), "--blob does not go with filters"),
        ("regions", Asked(class_="1"), "--class does not go with regions"),
        ("filters", Asked(layer=("conv", "ip")), "--layer may be said once"),
        ("saliency", Asked(input=("0",) * 21), "room for 20 samples"),
    ):
        with pytest.raises(UsageError, match=message):
            show(shown, kind, tmp_path / "x.png", asked)
    with pytest.raises(NothingToPlotError, match="draws no files like 'x"):
        show(shown, "filters", tmp_path / "x.doc", Asked())
    with pytest.raises(WriteError):
        show(shown, "filters", tmp_path / "no" / "x.png", Asked())
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(shown.path.read_bytes())
    with pytest.raises(UsageError, match="into which file"):
        show(Shown(str(alone)), "filters", None, Asked())


def test_images_are_shown_from_their_least_to_their_greatest_value() -> None:
    x = np.arange(3 * 2 * 4, dtype=float).reshape(3, 2, 4) * 5 - 3
    image = shown_image(x)
    assert image is not None and image.shape == (2, 4, 3) and (image.min(), image.max()) == (0, 1)
    np.testing.assert_array_equal(shown_image(x, "bgr"), image[..., ::-1])
    assert shown_image(x[:1] * 0) is not None and shown_image(x[:2]) is None and shown_image(x[0]) is None
