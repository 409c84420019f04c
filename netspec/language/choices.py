"""Words of other programs for a choice: a layer type, a filler, a solver type, a policy, a transform, a source.

`elsewhere.word_help` looks them up. Case, hyphens and underscores do not count, nor what stands before a dot (`nn.`),
nor a number of axes at the end (`2d`).
"""

from __future__ import annotations

RISE = "`warmup: {type: linear, length: 5 epochs, from: 0.1}`"
"""How a warm-up is written."""

WARMUP = f"say {RISE}, beside `lr_policy`"
"""The help line for words that mean a warm-up."""

_DEPTHWISE = "say Convolution with `group` equal to the channels"

KINDS: dict[str, dict[str, str]] = {
    "layer type": {
        **dict.fromkeys(("AveragePooling", "AvgPool", "LPPool", "MaxPool", "MaxPooling", "Subsampling"), "Pooling"),
        **dict.fromkeys(
            ("GlobalAveragePool", "GlobalAveragePooling", "GlobalAvgPool", "GlobalMaxPool", "GlobalMaxPooling"),
            "Pooling",
        ),
        **dict.fromkeys(("AdaptiveAvgPool", "AdaptiveMaxPool"), "AdaptivePooling"),
        **dict.fromkeys(("MaxUnpool", "MaxUnpooling"), "Unpooling"),
        **dict.fromkeys(("UpSampling", "UpsamplingBilinear", "UpsamplingNearest", "Interpolate", "Resize"), "Upsample"),
        **dict.fromkeys(("ZeroPadding", "ZeroPad", "ConstantPad", "ReflectionPad", "ReplicationPad"), "Pad"),
        "Cropping": "Crop",
        **dict.fromkeys(("Add", "Sum", "Sub", "Subtract", "Mul", "Multiply", "Maximum", "Average"), "Eltwise"),
        **dict.fromkeys(("Mean", "ReduceMean", "ReduceSum", "SumSquares"), "Reduction"),
        **dict.fromkeys(("BCEWithLogitsLoss", "BCELoss", "BinaryCrossEntropy"), "SigmoidCrossEntropyLoss"),
        "BatchNormalization": "BatchNorm",
        **dict.fromkeys(("Conv", "PointwiseConv"), "Convolution"),
        **dict.fromkeys(
            (
                "ConvTranspose",
                "Conv1DTranspose",
                "Conv2DTranspose",
                "Conv3DTranspose",
                "TransposedConvolution",
                "Deconv",
            ),
            "Deconvolution",
        ),
        **dict.fromkeys(("Local", "LocalConvolution"), "LocallyConnected"),
        "Unfold": "Im2col",
        **dict.fromkeys(
            ("CrossEntropy", "CrossEntropyLoss", "SoftmaxLoss", "SoftmaxCrossEntropy", "NLLLoss", "LogSoftmax"),
            "SoftmaxWithLoss",
        ),
        **dict.fromkeys(("CategoricalCrossentropy", "SparseCategoricalCrossentropy"), "SoftmaxWithLoss"),
        **dict.fromkeys(("Dense", "FullyConnected", "FC", "Gemm", "Linear", "MatMul"), "InnerProduct"),
        **dict.fromkeys(("MAE", "MAELoss", "MeanAbsoluteError"), "L1Loss"),
        **dict.fromkeys(("Huber", "HuberLoss"), "SmoothL1Loss"),
        **dict.fromkeys(("KLDiv", "KLDivergence"), "KLDivLoss"),
        **dict.fromkeys(("CTC", "WarpCTC"), "CTCLoss"),
        **dict.fromkeys(("L2Loss", "MSELoss", "MSE", "MeanSquaredError"), "EuclideanLoss"),
        **dict.fromkeys(("Hinge", "SquaredHinge", "CategoricalHinge"), "HingeLoss"),
        **dict.fromkeys(("LocalResponseNorm", "LocalResponseNormalization"), "LRN"),
        **dict.fromkeys(("Attention", "SelfAttention", "MultiHeadSelfAttention"), "MultiHeadAttention"),
        **dict.fromkeys(("PositionalEncoding", "PositionEmbedding", "SinusoidalEmbedding"), "PositionalEmbedding"),
        **dict.fromkeys(("Embedding", "EmbeddingBag", "LookupTable"), "Embed"),
        **dict.fromkeys(("BiLSTM", "LSTMLayer", "CuDNNLSTM"), "LSTM"),
        **dict.fromkeys(("Recurrent", "SimpleRNN", "ElmanRNN"), "RNN"),
        **dict.fromkeys(("BiGRU", "CuDNNGRU"), "GRU"),
        "LSTMCell": "LSTMUnit",
        "GRUCell": "GRU",
        "RNNCell": "RNN",
        **dict.fromkeys(("Dropout1d", "Dropout2d", "Dropout3d", "FeatureDropout"), "SpatialDropout"),
        "StochasticDepth": "DropPath",
        **dict.fromkeys(("Clamp", "ClipByValue"), "Clip"),
        **dict.fromkeys(("Affine", "Rescaling"), "Scale"),
        **dict.fromkeys(("Recurrent", "SimpleRNN"), "RNN"),
        "BiasAdd": "Bias",
        **dict.fromkeys(("AUC", "AUROC", "ROC", "RocAucScore"), "RocAuc"),
        **dict.fromkeys(("mAP", "MeanAveragePrecision", "PrecisionRecallCurve"), "AveragePrecision"),
        **dict.fromkeys(("IoU", "mIoU", "Jaccard", "JaccardIndex"), "MeanIoU"),
        **dict.fromkeys(("F1", "F1Score", "Precision", "Recall", "PrecisionRecall"), "PrecisionRecallF1"),
        **dict.fromkeys(("TopKAccuracy", "TopKCategoricalAccuracy"), "TopK"),
        **dict.fromkeys(("R2", "R2Score", "RMSE", "RootMeanSquaredError"), "RegressionScores"),
        **dict.fromkeys(("ECE", "CalibrationError", "ExpectedCalibrationError"), "Calibration"),
        "ConfMat": "ConfusionMatrix",
        "Abs": "AbsVal",
        "ChannelShuffle": "ShuffleChannel",
        "Chunk": "Slice",
        "Concatenate": "Concat",
        **dict.fromkeys(("Squeeze", "Unsqueeze", "ExpandDims", "View"), "Reshape"),
        "RepeatVector": "Tile",
        "Gather": "BatchReindex",
        "DepthToSpace": "PixelShuffle",
        "Lambda": "Python",
        "MultiMarginLoss": "MultiClassHingeLoss",
        "PoissonNLLLoss": "PoissonLoss",
        "SigmoidFocalLoss": "FocalLoss",
        "TripletMarginLoss": "TripletLoss",
        "Pow": "Power",
        "SpaceToDepth": "PixelUnshuffle",
        "SpatialPyramidPooling": "SPP",
        "Transpose": "Permute",
    },
    "filler": {
        **dict.fromkeys(("glorot", "glorot_uniform", "glorot_normal", "xavier_uniform", "xavier_normal"), "xavier"),
        **dict.fromkeys(("he", "he_normal", "he_uniform", "kaiming", "kaiming_normal", "kaiming_uniform"), "msra"),
        **dict.fromkeys(("normal", "random_normal", "truncated_normal"), "gaussian"),
        **dict.fromkeys(("zeros", "zero", "ones"), "constant"),
        "random_uniform": "uniform",
    },
    "solver type": {
        "Momentum": "SGD",
        **dict.fromkeys(("BFGS", "L-BFGS", "L-BFGS-B"), "LBFGS"),
        **dict.fromkeys(("AdamWeightDecay", "DecoupledAdam", "FusedAdamW"), "AdamW"),
        "FusedAdam": "Adam",
        "iRprop": "Rprop",
        "NAG": "Nesterov",
        "QHM": "QHAdam",
    },
    "lr policy": {
        **dict.fromkeys(("polynomial", "PolynomialLR", "PolynomialDecay"), "poly"),
        **dict.fromkeys(("exponential", "ExponentialLR", "ExponentialDecay"), "exp"),
        **dict.fromkeys(("constant", "ConstantLR", "none"), "fixed"),
        **dict.fromkeys(("StepLR", "steps"), "step"),
        "MultiStepLR": "multistep",
        **dict.fromkeys(
            ("cos", "cosine_annealing", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "CosineDecay", "SGDR"),
            "cosine",
        ),
        **dict.fromkeys(("OneCycleLR", "1cycle"), "one_cycle"),
        **dict.fromkeys(("CyclicLR", "cyclic", "CLR", "triangular2", "exp_range"), "triangular"),
        **dict.fromkeys(("ReduceLROnPlateau", "reduce_on_plateau"), "plateau"),
        **dict.fromkeys(("noam", "inverse_square_root", "inv_sqrt", "rsqrt"), "inverse_sqrt"),
        **dict.fromkeys(("InverseTimeDecay", "1/t", "inv_time"), "inverse_time"),
        **dict.fromkeys(("PiecewiseConstantDecay", "PiecewiseConstant", "PiecewiseLinear"), "piecewise"),
    },
    "regularizer": {
        **dict.fromkeys(("elastic", "l1_l2", "L1L2"), "ElasticNet"),
        **dict.fromkeys(("ridge", "weight_decay"), "L2"),
        "lasso": "L1",
        **dict.fromkeys(("soft_orthogonality", "OrthogonalRegularizer"), "Orthogonal"),
        **dict.fromkeys(("max_norm_constraint", "kernel_constraint"), "MaxNorm"),
    },
    "average of weights": {
        **dict.fromkeys(("ExponentialMovingAverage", "ModelEma", "moving_average"), "ema"),
        **dict.fromkeys(("StochasticWeightAveraging", "AveragedModel"), "swa"),
    },
    "transform": {
        **dict.fromkeys(("RandomHorizontalFlip", "HorizontalFlip", "Flip", "RandomFlip"), "Mirror"),
        "RandomCrop": "Crop",
        **dict.fromkeys(("RandomVerticalFlip", "VerticalFlip"), "Mirror"),
        **dict.fromkeys(("RandomRotation", "RandomRotate", "SafeRotate"), "Rotate"),
        **dict.fromkeys(("Translate", "RandomTranslation", "RandomShift"), "Shift"),
        **dict.fromkeys(("RandomZoom", "RandomScale"), "Zoom"),
        **dict.fromkeys(("RandomShear", "ShearX", "ShearY"), "Shear"),
        "RandomPerspective": "Perspective",
        **dict.fromkeys(("OpticalDistortion", "BarrelDistortion", "FishEye"), "LensDistortion"),
        **dict.fromkeys(("ElasticTransform", "ElasticDeformation"), "Elastic"),
        **dict.fromkeys(("SmallestMaxSize", "Resizing"), "Resize"),
        "Mean": "SubtractMean",
        **dict.fromkeys(("StandardScaler", "Normalization", "ZScore"), "Normalize"),
        **dict.fromkeys(("PerImageStandardization", "per_image_standardization"), "Standardize"),
        **dict.fromkeys(("RandomErasing", "Cutout", "CoarseDropout", "RandomErase"), "Erase"),
        **dict.fromkeys(("GaussianBlur", "RandomGaussianBlur"), "Blur"),
        **dict.fromkeys(("GaussNoise", "GaussianNoise", "SaltAndPepper"), "Noise"),
        **dict.fromkeys(("ToGray", "RandomGrayscale", "Grey"), "Grayscale"),
        **dict.fromkeys(("RGBToBGR", "ChannelShuffle", "SwapChannels"), "ChannelOrder"),
        **dict.fromkeys(("RandomBrightness", "RandomContrast", "HueSaturationValue"), "ColorJitter"),
        **dict.fromkeys(("CategoryEncoding", "to_categorical", "OneHotEncoder"), "OneHot"),
        **dict.fromkeys(("SelectKBest", "VarianceThreshold", "f_classif"), "SelectFeatures"),
        **dict.fromkeys(("pad_sequence", "pad_sequences", "PadSequence"), "Pad"),
        **dict.fromkeys(("Rescale", "ToTensor", "Rescaling"), "Scale"),
        **dict.fromkeys(("Imputer", "SimpleImputer", "Impute", "FillNA"), "FillMissing"),
    },
    "source": {
        **dict.fromkeys(("EMNIST", "KMNIST"), "Idx"),
        "MNIST": "Mnist",
        **dict.fromkeys(("CIFAR", "CIFAR-10"), "Cifar10"),
        "CIFAR-100": "Cifar100",
        **dict.fromkeys(("HDF5", "HDF5Data", "H5", "h5py"), "Hdf5"),
        "Data": "Lmdb",
        **dict.fromkeys(("make_moons", "make_circles", "make_blobs", "two_moons", "spiral"), "Toy"),
        **dict.fromkeys(("Numpy", "npy", "npz", "Tensor"), "Arrays"),
        **dict.fromkeys(("TSV", "Table", "Tabular", "TabularDataset", "DataFrame", "Pandas"), "Csv"),
        **dict.fromkeys(("Arrow", "PyArrow"), "Parquet"),
        **dict.fromkeys(("folder", "ImageDirectory", "image_dataset_from_directory", "ImageNet"), "ImageFolder"),
        "ImageData": "ImageList",
    },
}
"""Other programs' words for a choice, to netspec's, for each kind of choice."""

ABSENT: dict[str, dict[str, str]] = {
    "layer type": {
        **dict.fromkeys(("DepthwiseConv", "ConvolutionDepthwise", "DepthwiseConvolution"), _DEPTHWISE),
        **dict.fromkeys(
            ("TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoderLayer"),
            "write it in `blocks:`, around MultiHeadAttention: see `netspec zoo show transformer_fashion`",
        ),
        "Bidirectional": "it is a field: {name: lstm, type: LSTM, bidirectional: true, num_output: 64}",
        "TimeDistributed": "it is a field: {name: scores, type: InnerProduct, axis: 2, num_output: 10} reads T x N x D",
        "Masking": "LSTM, GRU and RNN take `lengths: true`, and the lengths as the last bottom",
        **dict.fromkeys(
            ("Residual", "ResidualBlock", "BasicBlock", "Bottleneck", "Sequential"), "write it in `blocks:`"
        ),
        **dict.fromkeys(("Identity", "Noop"), "it does nothing; leave it out"),
        "Activation": "name the function: `type: ReLU`, Sigmoid, TanH, Softmax, ...",
        "SeparableConv": "two layers: Convolution with `group` equal to the channels, then one of kernel_size 1",
    },
    "solver type": {
        **dict.fromkeys(
            ("AdaBelief", "AdaBound", "AMSGrad", "ASGD", "Ftrl", "Muon", "Prodigy", "Shampoo", "Sophia"),
            "netspec does not have it; Adam, AdamW and RAdam are kin",
        )
    },
    "lr policy": {
        **dict.fromkeys(
            ("get_linear_schedule_with_warmup", "linear_with_warmup", "warmup_linear", "WarmupLinear"),
            f"say `lr_policy: linear`, and beside it {RISE}",
        ),
        **dict.fromkeys(
            ("get_cosine_schedule_with_warmup", "cosine_with_warmup", "warmup_cosine", "LinearWarmupCosineAnnealingLR"),
            f"say `lr_policy: cosine`, and beside it {RISE}",
        ),
        **dict.fromkeys(
            ("constant_with_warmup", "get_constant_schedule_with_warmup"),
            f"say `lr_policy: fixed`, and beside it {RISE}",
        ),
        **dict.fromkeys(("warmup", "LinearLR", "GradualWarmup"), WARMUP),
        **dict.fromkeys(
            ("LambdaLR", "SequentialLR", "ChainedScheduler"),
            "say `lr_policy: {type: piecewise, points: [{at: 0, rate: 0.1}, {at: 5 epochs, rate: 0.01}]}`",
        ),
    },
    "source": {
        "LevelDB": "netspec reads LMDB: convert_imageset writes it with `-backend lmdb`",
    },
    "transform": {
        **dict.fromkeys(
            ("RandomAffine", "Affine", "ShiftScaleRotate"),
            "it is several transforms: Rotate, Shift, Zoom, Shear; written one below the other they resample once",
        ),
        "ZeroPadding": "Crop has a border of zeros: {type: Crop, size: 32, pad: 4}",
    },
}
"""Words of other programs that netspec has no equal for, to a help line, for each kind of choice."""
