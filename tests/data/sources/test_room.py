import pytest

from netspec.data.sources.base import SOURCES


def test_the_room_lists_its_sources():
    assert {"Arrays", "Cifar10", "FashionMNIST", "Idx"} <= set(SOURCES.words())


@pytest.mark.parametrize("cls", SOURCES.members())
def test_every_source_and_field_says_what_it_is(cls):
    assert cls.__doc__
    assert all(field.description for field in cls.model_fields.values())
