"""The table of Caffe's messages: sound in itself, and a descriptor pool for protobuf; some numbers by hand."""

from __future__ import annotations

import pytest

from netspec.formats import caffe_fields, caffe_forks, wire
from netspec.formats.caffe_messages import descriptors, fields, message_class, words

MESSAGES = sorted({*caffe_fields.FIELDS, *caffe_forks.FIELDS})


@pytest.mark.parametrize("message", MESSAGES)
def test_numbers_are_given_once_and_types_exist(message: str) -> None:
    held = list(fields(message).values())
    assert len({field.number for field in held}) == len(held)
    assert all(words(field.type) for field in held if field.is_enum)
    known = set(descriptors().FindMessageTypeByName(f"caffe.{message}").fields_by_name)
    assert known == {field.name for field in held}


@pytest.mark.parametrize(
    ("message", "name", "number", "type", "default"),
    [
        ("LayerParameter", "convolution_param", 106, "ConvolutionParameter", None),
        ("LayerParameter", "clip_param", 148, "ClipParameter", None),
        ("LayerParameter", "blobs", 7, "BlobProto", None),
        ("V1LayerParameter", "blobs", 6, "BlobProto", None),
        ("V0LayerParameter", "blobs", 50, "BlobProto", None),
        ("NetParameter", "layer", 100, "LayerParameter", None),
        ("ConvolutionParameter", "dilation", 18, "uint32", None),
        ("LRNParameter", "beta", 3, "float", 0.75),
        ("BatchNormParameter", "eps", 3, "float", 1e-5),
        ("SolverParameter", "random_seed", 20, "int64", -1),
        ("SolverParameter", "snapshot_format", 37, "SolverParameter.SnapshotFormat", "BINARYPROTO"),
    ],
)
def test_known_fields(message: str, name: str, number: int, type: str, default: object) -> None:
    field = fields(message)[name]
    assert (field.number, field.type, field.default, field.fork) == (number, type, default, False)


def test_words_of_enums() -> None:
    assert words("V1LayerParameter.LayerType")["DECONVOLUTION"] == 39
    assert words("HingeLossParameter.Norm") == {"L1": 1, "L2": 2}
    assert words("LossParameter.NormalizationMode")["BATCH_SIZE"] == 2


def test_fields_of_forks_are_told_apart() -> None:
    assert fields("PoolingParameter")["ceil_mode"].fork
    assert fields("LayerParameter")["permute_param"].number == 202
    assert not fields("NoSuchParameter")


def test_bytes_are_those_of_caffe() -> None:
    layer = message_class("LayerParameter")(name="ip", type="InnerProduct")
    layer.inner_product_param.num_output = 10
    layer.loss_weight.append(1)
    inner = b"\x08\x0a"  # field 1, a number: 10
    loss = wire.varint(5 << 3 | wire.FIXED32) + b"\x00\x00\x80\x3f"  # not packed in Caffe
    want = wire.row(1, b"ip") + wire.row(2, b"InnerProduct") + loss + wire.row(117, inner)
    assert layer.SerializeToString() == want
    blob = message_class("BlobProto")(data=[1.0, 2.0])
    assert blob.SerializeToString() == wire.row(5, b"\x00\x00\x80\x3f\x00\x00\x00\x40")  # packed


def test_defaults_are_those_of_protobuf_too() -> None:
    assert message_class("LRNParameter")().local_size == 5
    assert message_class("PoolingParameter")().pool == 0
    assert message_class("FillerParameter")().type == "constant"
    assert message_class("SolverParameter")().test_initialization
