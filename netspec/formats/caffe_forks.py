"""Fields and messages that well-known forks of Caffe added: for detection, segmentation, recognition of faces.

They are written as those of `caffe_fields`. A field whose forks disagree about its number has `-` for one: it gets a
number of its own above all of theirs, as text needs none.
Source: the caffe.proto of SSD, DeepLab, SegNet, ENet, Fast R-CNN, R-FCN, ShuffleNet, Intel's and NVIDIA's Caffe.
"""

FIELDS = {
    "LayerParameter": "annotated_data_param 200 AnnotatedDataParameter; multibox_loss_param 201 MultiBoxLossParameter; "
    "permute_param 202 PermuteParameter; prior_box_param 203 PriorBoxParameter; "
    "detection_output_param 204 DetectionOutputParameter; detection_evaluate_param 205 DetectionEvaluateParameter; "
    "norm_param 206 NormalizeParameter; video_data_param 207 VideoDataParameter; "
    "roi_pooling_param - ROIPoolingParameter; psroi_pooling_param - PSROIPoolingParameter; "
    "roi_align_param - ROIPoolingParameter; proposal_param - ProposalParameter; "
    "box_annotator_ohem_param - BoxAnnotatorOHEMParameter; smooth_l1_loss_param - SmoothL1LossParameter; "
    "shuffle_channel_param - ShuffleChannelParameter; upsample_param - UpsampleParameter; "
    "interp_param - InterpParameter; resample_param - ResampleParameter; bn_param - BNParameter; "
    "relu6_param - ReLUParameter; reorg_param - ReorgParameter; region_loss_param - RegionLossParameter; "
    "spatial_dropout_param - SpatialDropoutParameter; batch_reduction_param - BatchReductionParameter; "
    "correlation_param - CorrelationParameter; flow_warp_param - FlowWarpParameter; l1_loss_param - L1LossParameter; "
    "normalize_bbox_param - NormalizeParameter; normalize_param - NormalizeParameter; "
    "margin_inner_product_param - MarginInnerProductParameter; triplet_loss_param - TripletLossParameter; "
    "center_loss_param - CenterLossParameter; label_specific_add_param - LabelSpecificAddParameter; "
    "transpose_param - TransposeParameter; pad_param - PadParameter; local_param - ConvolutionParameter; "
    "dense_image_data_param - ImageDataParameter; image_seg_data_param - ImageDataParameter; "
    "seg_accuracy_param - SegAccuracyParameter; mat_write_param - MatWriteParameter; "
    "weighted_softmax_loss_param - WeightedSoftmaxLossParameter; focal_loss_param - FocalLossParameter; "
    "maxout_param - MaxoutParameter; mish_param - MishParameter; pixel_shuffle_param - PixelShuffleParameter; "
    "engine - string; force_backward - bool; reshape_every_iter - bool true",
    "TransformationParameter": "crop_h - uint32 0; crop_w - uint32 0; resize_param 8 ResizeParameter; "
    "noise_param 9 NoiseParameter; emit_constraint 10 EmitConstraint; distort_param 13 DistortionParameter; "
    "expand_param 14 ExpansionParameter",
    "LossParameter": "weight_by_label_freqs - bool false; class_weighting - float*; pos_mult - float*; "
    "pos_cid - int32*",
    "AccuracyParameter": "ignore_labels - int32*",
    "BatchNormParameter": "scale_filler - FillerParameter; bias_filler - FillerParameter; scale_bias - bool false; "
    "engine - ConvolutionParameter.Engine DEFAULT",
    "ConvolutionParameter": "cudnn_convolution_algo_seeker - ConvolutionParameter.Seeker FINDEX",
    "CropParameter": "dimension - uint32*; crop_h - uint32; crop_w - uint32",
    "DataParameter": "side - uint32*; shuffle - bool false; label_map_file - string; cache - bool false",
    "DropoutParameter": "scale_train - bool true; sample_weights_test - bool false",
    "EltwiseParameter": "engine - ConvolutionParameter.Engine DEFAULT",
    "ConcatParameter": "engine - ConvolutionParameter.Engine DEFAULT",
    "ImageDataParameter": "label_type - ImageDataParameter.LabelType PIXEL; ignore_label - int32 255; "
    "label_divide - bool false",
    "PoolingParameter": "ceil_mode - bool true; torch_pooling - bool false",
    "PowerParameter": "engine - ConvolutionParameter.Engine DEFAULT",
    "SolverParameter": "eval_type - string classification; ap_version - string Integral; "
    "show_per_class_result - bool false; plateau_winsize - int32*; warmup_iter - int32 0; warmup_start_lr - float 0; "
    "min_lr - float 0",
    "AnnotatedDataParameter": "batch_sampler 1 BatchSampler*; label_map_file 2 string; "
    "anno_type 3 AnnotatedDatum.AnnotationType",
    "AnnotatedDatum": "datum 1 Datum; type 2 AnnotatedDatum.AnnotationType; annotation_group 3 AnnotationGroup*",
    "AnnotationGroup": "group_label 1 int32; annotation 2 Annotation*",
    "Annotation": "instance_id 1 int32 0; bbox 2 NormalizedBBox",
    "NormalizedBBox": "xmin 1 float; ymin 2 float; xmax 3 float; ymax 4 float; label 5 int32; difficult 6 bool; "
    "score 7 float; size 8 float",
    "BatchSampler": "use_original_image 1 bool true; sampler 2 Sampler; sample_constraint 3 SampleConstraint; "
    "max_sample 4 uint32; max_trials 5 uint32 100",
    "Sampler": "min_scale 1 float 1; max_scale 2 float 1; min_aspect_ratio 3 float 1; max_aspect_ratio 4 float 1",
    "SampleConstraint": "min_jaccard_overlap 1 float; max_jaccard_overlap 2 float; min_sample_coverage 3 float; "
    "max_sample_coverage 4 float; min_object_coverage 5 float; max_object_coverage 6 float",
    "EmitConstraint": "emit_type 1 EmitConstraint.EmitType CENTER; emit_overlap 2 float",
    "ResizeParameter": "prob 1 float 1; resize_mode 2 ResizeParameter.Resize_mode WARP; height 3 uint32 0; "
    "width 4 uint32 0; pad_mode 5 ResizeParameter.Pad_mode CONSTANT; pad_value 6 float*; "
    "interp_mode 7 ResizeParameter.Interp_mode*; height_scale 8 uint32 0; width_scale 9 uint32 0",
    "NoiseParameter": "prob 1 float 0; hist_eq 2 bool false; inverse 3 bool false; decolorize 4 bool false; "
    "gauss_blur 5 bool false; jpeg 6 float -1; posterize 7 bool false; erode 8 bool false; saltpepper 9 bool false; "
    "saltpepper_param 10 SaltPepperParameter; clahe 11 bool false; convert_to_hsv 12 bool false; "
    "convert_to_lab 13 bool false",
    "SaltPepperParameter": "fraction 1 float 0; value 2 float*",
    "DistortionParameter": "brightness_prob 1 float 0; brightness_delta 2 float 0; contrast_prob 3 float 0; "
    "contrast_lower 4 float 0; contrast_upper 5 float 0; hue_prob 6 float 0; hue_delta 7 float 0; "
    "saturation_prob 8 float 0; saturation_lower 9 float 0; saturation_upper 10 float 0; random_order_prob 11 float 0",
    "ExpansionParameter": "prob 1 float 1; max_expand_ratio 2 float 1",
    "MultiBoxLossParameter": "loc_loss_type 1 MultiBoxLossParameter.LocLossType SMOOTH_L1; "
    "conf_loss_type 2 MultiBoxLossParameter.ConfLossType SOFTMAX; loc_weight 3 float 1; num_classes 4 uint32; "
    "share_location 5 bool true; match_type 6 MultiBoxLossParameter.MatchType PER_PREDICTION; "
    "overlap_threshold 7 float 0.5; use_prior_for_matching 8 bool true; background_label_id 9 uint32 0; "
    "use_difficult_gt 10 bool true; do_neg_mining 11 bool; neg_pos_ratio 12 float 3; neg_overlap 13 float 0.5; "
    "code_type 14 PriorBoxParameter.CodeType CORNER; encode_variance_in_target 16 bool false; "
    "map_object_to_agnostic 17 bool false; ignore_cross_boundary_bbox 18 bool false; bp_inside 19 bool false; "
    "mining_type 20 MultiBoxLossParameter.MiningType MAX_NEGATIVE; nms_param 21 NonMaximumSuppressionParameter; "
    "sample_size 22 int32 64; use_prior_for_nms 23 bool false",
    "NonMaximumSuppressionParameter": "nms_threshold 1 float 0.3; top_k 2 int32; eta 3 float 1",
    "SaveOutputParameter": "output_directory 1 string; output_name_prefix 2 string; output_format 3 string; "
    "label_map_file 4 string; name_size_file 5 string; num_test_image 6 uint32; resize_param 7 ResizeParameter",
    "PermuteParameter": "order 1 uint32*",
    "PriorBoxParameter": "min_size 1 float*; max_size 2 float*; aspect_ratio 3 float*; flip 4 bool true; "
    "clip 5 bool false; variance 6 float*; img_size 7 uint32; img_h 8 uint32; img_w 9 uint32; step 10 float; "
    "step_h 11 float; step_w 12 float; offset 13 float 0.5",
    "DetectionOutputParameter": "num_classes 1 uint32; share_location 2 bool true; background_label_id 3 int32 0; "
    "nms_param 4 NonMaximumSuppressionParameter; save_output_param 5 SaveOutputParameter; "
    "code_type 6 PriorBoxParameter.CodeType CORNER; keep_top_k 7 int32 -1; variance_encoded_in_target 8 bool false; "
    "confidence_threshold 9 float; visualize 10 bool false; visualize_threshold 11 float; save_file 12 string",
    "DetectionEvaluateParameter": "num_classes 1 uint32; background_label_id 2 uint32 0; "
    "overlap_threshold 3 float 0.5; evaluate_difficult_gt 4 bool true; name_size_file 5 string; "
    "resize_param 6 ResizeParameter",
    "NormalizeParameter": "across_spatial 1 bool true; scale_filler 2 FillerParameter; channel_shared 3 bool true; "
    "eps 4 float 1e-10",
    "VideoDataParameter": "video_type 1 VideoDataParameter.VideoType WEBCAM; device_id 2 int32 0; video_file 3 string; "
    "skip_frames 4 uint32 0",
    "ROIPoolingParameter": "pooled_h 1 uint32 0; pooled_w 2 uint32 0; spatial_scale 3 float 1; pad_ratio 6 float 0; "
    "sampling_ratio - int32; bi_type - string; is_multi_interpolate - bool",
    "PSROIPoolingParameter": "spatial_scale 1 float; output_dim 2 int32; group_size 3 int32",
    "ProposalParameter": "feat_stride 1 uint32 16; base_size 2 uint32 16; min_size 3 uint32 16; ratio 4 float*; "
    "scale 5 float*; pre_nms_topn 6 uint32 6000; post_nms_topn 7 uint32 300; nms_thresh 8 float 0.7",
    "BoxAnnotatorOHEMParameter": "roi_per_img 1 uint32; ignore_label 2 int32 -1",
    "SmoothL1LossParameter": "sigma 1 float 1",
    "ShuffleChannelParameter": "group 1 uint32 1",
    "UpsampleParameter": "scale 1 uint32 2; scale_h 2 uint32; scale_w 3 uint32; pad_out_h 4 bool false; "
    "pad_out_w 5 bool false; upsample_h 6 uint32; upsample_w 7 uint32; height - int32; width - int32; "
    "stride - uint32; mode - string",
    "InterpParameter": "height 1 int32 0; width 2 int32 0; zoom_factor 3 int32 1; shrink_factor 4 int32 1; "
    "pad_beg 5 int32 0; pad_end 6 int32 0; factor - float",
    "ResampleParameter": "width 1 uint32; height 2 uint32; type 3 ResampleParameter.ResampleType LINEAR; "
    "antialias 4 bool true; factor 5 float 1",
    "BNParameter": "slope_filler - FillerParameter; scale_filler - FillerParameter; shift_filler - FillerParameter; "
    "bias_filler - FillerParameter; momentum - float 0.9; eps - float 1e-5; var_eps - float 1e-9; "
    "moving_average - bool; decay - float 0.95; frozen - bool false; bn_mode - BNParameter.BNMode LEARN; "
    "engine - ConvolutionParameter.Engine DEFAULT",
    "ReorgParameter": "stride 1 uint32; reverse 2 bool false",
    "RegionLossParameter": "side 1 uint32 13; num_class 2 uint32 20; bias_match 3 uint32 1; coords 4 uint32 4; "
    "num 5 uint32 5; softmax 6 uint32 1; jitter 7 float 0.2; rescore 8 uint32 1; object_scale 9 float 1; "
    "class_scale 10 float 1; noobject_scale 11 float 0.5; coord_scale 12 float 5; absolute 13 uint32 1; "
    "thresh 14 float 0.2; random 15 uint32 1; biases 16 float*; softmax_tree 17 string; class_map 18 string",
    "SpatialDropoutParameter": "dropout_ratio 1 float 0.5",
    "BatchReductionParameter": "level 1 int32*; reduction_param 2 ReductionParameter; pos 3 bool false",
    "CorrelationParameter": "pad 2 uint32 0; kernel_size 3 uint32; max_displacement 4 uint32; stride_1 5 uint32 1; "
    "stride_2 6 uint32 1; do_abs 7 bool false; single_direction 8 int32 0; "
    "correlation_type 15 CorrelationParameter.CorrelationType MULTIPLY",
    "FlowWarpParameter": "fill_value 1 FlowWarpParameter.FillParameter ZERO",
    "L1LossParameter": "l2_per_location 1 bool false; l2_prescale_by_channels 2 bool false; "
    "normalize_by_num_entries 3 bool false; epsilon 4 float 0.01; plateau - float 0",
    "MarginInnerProductParameter": "num_output 1 uint32; type 2 MarginInnerProductParameter.MarginType SINGLE; "
    "weight_filler 3 FillerParameter; axis 4 int32 1; base 5 float 1; gamma 6 float 0; power 7 float 1; "
    "iteration 8 int32 0; lambda_min 9 float 0",
    "TripletLossParameter": "margin 1 float 1; alpha - float; num_triplets - uint32",
    "CenterLossParameter": "num_output 1 uint32; center_filler 2 FillerParameter; axis 3 int32 1",
    "LabelSpecificAddParameter": "bias 1 float 0; transform_test 2 bool false",
    "TransposeParameter": "dim 1 int32*",
    "PadParameter": "padtype - string; pad - uint32; pad_h - uint32; pad_w - uint32; pad_l - uint32; pad_r - uint32; "
    "pad_t - uint32; pad_b - uint32",
    "SegAccuracyParameter": "ignore_label 3 int32*; reset 2 bool true",
    "MatWriteParameter": "prefix 1 string; source 2 string; strip 3 int32 0; period 4 int32 1",
    "WeightedSoftmaxLossParameter": "class_weight - float*",
    "FocalLossParameter": "alpha - float 0.25; gamma - float 2; type - string; beta - float",
    "MaxoutParameter": "num_units - uint32; num_output - uint32",
    "MishParameter": "engine 2 ConvolutionParameter.Engine DEFAULT",
    "PixelShuffleParameter": "upscale_factor - uint32",
}
"""The fields that forks added to messages of Caffe, and those of messages that are theirs alone."""

ENUMS = {
    "ConvolutionParameter.Seeker": "GET 0; FINDEX 1",
    "AnnotatedDatum.AnnotationType": "BBOX 0",
    "EmitConstraint.EmitType": "CENTER 0; MIN_OVERLAP 1",
    "ResizeParameter.Resize_mode": "WARP 1; FIT_SMALL_SIZE 2; FIT_LARGE_SIZE_AND_PAD 3",
    "ResizeParameter.Pad_mode": "CONSTANT 1; MIRRORED 2; REPEAT_NEAREST 3",
    "ResizeParameter.Interp_mode": "LINEAR 1; AREA 2; NEAREST 3; CUBIC 4; LANCZOS4 5",
    "ImageDataParameter.LabelType": "NONE 0; IMAGE 1; PIXEL 2",
    "MultiBoxLossParameter.LocLossType": "L2 0; SMOOTH_L1 1",
    "MultiBoxLossParameter.ConfLossType": "SOFTMAX 0; LOGISTIC 1",
    "MultiBoxLossParameter.MatchType": "BIPARTITE 0; PER_PREDICTION 1",
    "MultiBoxLossParameter.MiningType": "NONE 0; MAX_NEGATIVE 1; HARD_EXAMPLE 2",
    "PriorBoxParameter.CodeType": "CORNER 1; CENTER_SIZE 2; CORNER_SIZE 3",
    "VideoDataParameter.VideoType": "WEBCAM 0; VIDEO 1",
    "ResampleParameter.ResampleType": "NEAREST 1; LINEAR 2; CUBIC 3; AREA 4",
    "BNParameter.BNMode": "LEARN 0; INFERENCE 1",
    "CorrelationParameter.CorrelationType": "MULTIPLY 0; SUBTRACT 1",
    "FlowWarpParameter.FillParameter": "ZERO 1; NOT_A_NUMBER 2",
    "MarginInnerProductParameter.MarginType": "SINGLE 0; DOUBLE 1; TRIPLE 2; QUADRUPLE 3",
}
"""The enums of forks."""

WORDS = {
    "ConvolutionParameter.Engine": "CUDNN5 -; MKL2017 -; MKLDNN -; LIBDNN -; SPATIAL -; INTEL_SPATIAL -; FFT -",
    "PoolingParameter.Engine": "MKL2017 -; MKLDNN -; LIBDNN -",
    "LRNParameter.Engine": "MKL2017 -; MKLDNN -",
    "ReLUParameter.Engine": "MKL2017 -; MKLDNN -",
    "EltwiseParameter.EltwiseOp": "DIV -; SUB -; MIN -",
    "V1LayerParameter.LayerType": "PRELU -; RESHAPE -; CROP -; UPSAMPLE -; BN -; INTERP -; LOG -; NORMALIZE -; "
    "DENSE_IMAGE_DATA -; IMAGE_SEG_DATA -; SEG_ACCURACY -; MAT_WRITE -; SPP -; ROI_POOLING -; SMOOTH_L1_LOSS -; "
    "PYTHON -; TRANSPOSE -; PERMUTE -; REDUCTION -; TILE -; EMBED -; LOCAL -",
}
"""Words that forks added to enums of Caffe."""
