import pytest

from netspec.data.transforms.base import TRANSFORMS


def test_the_room_lists_its_transforms():
    assert {"Crop", "Mirror", "Scale", "SubtractMean"} <= set(TRANSFORMS.words())


@pytest.mark.parametrize("cls", TRANSFORMS.members())
def test_every_transform_and_field_says_what_it_is(cls):
    assert cls.__doc__
    assert all(field.description for field in cls.model_fields.values())
