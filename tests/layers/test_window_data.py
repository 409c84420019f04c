"""WindowData says the source Windows in Caffe's words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from netspec.data.feed import open_feed
from tests.helpers.checks import make_layer

FIELDS = {"type": "WindowData", "top": ["data", "label"], "source": "list.txt", "batch_size": 2, "fg_fraction": 0.5}


def test_a_batch(tmp_path: Path) -> None:
    pixels = np.full((9, 7, 3), [10, 20, 30], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("# 0\na.png\n3\n9\n7\n2\n4 0.7 1 1 5 5\n4 0.2 0 2 6 8\n")
    param = {"crop_size": 3, "mean_value": [1, 2, 3], "scale": 0.5, "mirror": True}
    layer = make_layer(**FIELDS | {"source": str(tmp_path / "list.txt")}, transform_param=param)
    assert layer.top_shapes(()) == ((2, 3, 3, 3), (2,))
    data, label = open_feed(layer.brings, "TRAIN", 1).batch(0, 2)
    assert label.tolist() == [0, 4]
    wanted = np.array([(30 - 1) / 2, (20 - 2) / 2, (10 - 3) / 2])
    np.testing.assert_array_equal(data, np.broadcast_to(wanted[:, None, None], (2, 3, 3, 3)))


def test_what_is_wrong() -> None:
    with pytest.raises(ValidationError, match="no `crop_size`"):
        make_layer(**FIELDS)
    with pytest.raises(ValidationError, match="leaves nothing of the window"):
        make_layer(**FIELDS, context_pad=2, transform_param={"crop_size": 4})
