"""Layer types of forks that netspec does not have, each with what it is: for the errors of nets that hold them."""

from __future__ import annotations

_SSD = "it is SSD's, whose boxes netspec does not have; its trunk is a net of its own, up to the last Convolution"
_RCNN = "it is of Faster R-CNN and its kin, whose regions netspec does not have"
_FLOW = "it is FlowNet's, for pairs of images"
_FACES = "it is a loss of a fork for faces; say SoftmaxWithLoss, TripletLoss or CosineEmbeddingLoss"
_YOLO = "it is of a fork for YOLO, whose boxes netspec does not have"
_DATA = "it is a source of data of a fork: say Input, and give the data in the solver"

ABSENT: dict[str, str] = {
    **dict.fromkeys(
        ("AnnotatedData", "DetectionEvaluate", "DetectionOutput", "MultiBoxLoss", "PriorBox", "VideoData"), _SSD
    ),
    **dict.fromkeys(
        ("BoxAnnotatorOHEM", "PSROIAlign", "PSROIPooling", "Proposal", "ROIAlign", "ROIPooling", "SmoothL1LossOHEM"),
        _RCNN,
    ),
    **dict.fromkeys(("Correlation", "Correlation1D", "CustomData", "DataAugmentation", "FlowWarp", "Resample"), _FLOW),
    **dict.fromkeys(("CenterLoss", "LabelSpecificAdd", "LargeMarginInnerProduct", "MarginInnerProduct"), _FACES),
    **dict.fromkeys(
        ("DetectionLoss", "EvalDetection", "RegionLoss", "RegionOutput", "Reorg", "YoloDetectionOutput"), _YOLO
    ),
    **dict.fromkeys(("BoxData", "DenseImageData", "ImageLabelData", "ImageSegData", "MultiImageData"), _DATA),
    "CReLU": "say Power with `scale: -1`, Concat and ReLU",
    "CTCLoss": "forks order its bottoms otherwise; netspec's CTCLoss reads scores, labels, and the steps of each row",
    "MatWrite": "it writes files: leave it out, and read the blob in Python",
    "SegAccuracy": "say MeanIoU or ConfusionMatrix",
    "SoftmaxLoss": "say SoftmaxWithLoss",
}
"""A help line for each."""
