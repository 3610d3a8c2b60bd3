"""Layers for both step modes: PyTorch's own, and those of spiking networks.

PyTorch's stateless layers take the arguments of the ``torch.nn`` class of the same name, and
``step_mode``. In multi-step mode the input is ``[T, B, ...]``: time and batch are merged for one
call of the layer and separated again, so that BatchNorm takes its statistics over ``T * B``.
"""

from bitspike.layer._attention import MultiDimensionalAttention, TemporalWiseAttention
from bitspike.layer._containers import (
    ElementWiseRecurrentContainer,
    LinearRecurrentContainer,
    MultiStepContainer,
    SeqToANNContainer,
    StepModeContainer,
    TLastMultiStepContainer,
    TLastSeqToANNContainer,
)
from bitspike.layer._counts import PrintShapeModule, SpikeCountToBinary, TemporalBinSum, VotingLayer
from bitspike.layer._dropout import DropConnectLinear, Dropout, Dropout2d
from bitspike.layer._fuse_conv_bn import (
    fuse_conv_bn,
    fuse_conv_bn_eval_modules,
    pack_conv_bn_train_modules,
)
from bitspike.layer._fused_sequential import FusedSequential
from bitspike.layer._initialise import kaiming_normal_conv_linear_weight
from bitspike.layer._linear import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Linear,
    WSConv2d,
    WSLinear,
)
from bitspike.layer._normalisation import BatchNorm1d, BatchNorm2d, BatchNorm3d, GroupNorm
from bitspike.layer._online import GradwithTrace, OTTTSequential, ReplaceforGrad, SpikeTraceOp
from bitspike.layer._pooling import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    Flatten,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    MaxUnpool1d,
    MaxUnpool2d,
    MaxUnpool3d,
    Upsample,
)
from bitspike.layer._self_attention import (
    ChannelQKAttention,
    QKAttention,
    SpikeDrivenSelfAttention,
    SpikingSelfAttention,
    TokenQKAttention,
)
from bitspike.layer._stepwise import Stepwise
from bitspike.layer._temporal import (
    Delay,
    LearnableDelay,
    SynapseFilter,
    delay,
    delay_step,
    synapse_filter_step,
)
from bitspike.layer._temporal_norm import (
    BatchNormThroughTime1d,
    BatchNormThroughTime2d,
    BatchNormThroughTime3d,
    NeuNorm,
    TemporalEffectiveBatchNorm1d,
    TemporalEffectiveBatchNorm2d,
    TemporalEffectiveBatchNorm3d,
    ThresholdDependentBatchNorm1d,
    ThresholdDependentBatchNorm2d,
    ThresholdDependentBatchNorm3d,
    neunorm_step,
)

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "BatchNormThroughTime1d",
    "BatchNormThroughTime2d",
    "BatchNormThroughTime3d",
    "ChannelQKAttention",
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "Delay",
    "DropConnectLinear",
    "Dropout",
    "Dropout2d",
    "ElementWiseRecurrentContainer",
    "Flatten",
    "FusedSequential",
    "GradwithTrace",
    "GroupNorm",
    "LearnableDelay",
    "Linear",
    "LinearRecurrentContainer",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
    "MaxUnpool1d",
    "MaxUnpool2d",
    "MaxUnpool3d",
    "MultiDimensionalAttention",
    "MultiStepContainer",
    "NeuNorm",
    "OTTTSequential",
    "PrintShapeModule",
    "QKAttention",
    "ReplaceforGrad",
    "SeqToANNContainer",
    "SpikeCountToBinary",
    "SpikeDrivenSelfAttention",
    "SpikeTraceOp",
    "SpikingSelfAttention",
    "StepModeContainer",
    "Stepwise",
    "SynapseFilter",
    "TLastMultiStepContainer",
    "TLastSeqToANNContainer",
    "TemporalBinSum",
    "TemporalEffectiveBatchNorm1d",
    "TemporalEffectiveBatchNorm2d",
    "TemporalEffectiveBatchNorm3d",
    "TemporalWiseAttention",
    "ThresholdDependentBatchNorm1d",
    "ThresholdDependentBatchNorm2d",
    "ThresholdDependentBatchNorm3d",
    "TokenQKAttention",
    "Upsample",
    "VotingLayer",
    "WSConv2d",
    "WSLinear",
    "delay",
    "delay_step",
    "fuse_conv_bn",
    "fuse_conv_bn_eval_modules",
    "kaiming_normal_conv_linear_weight",
    "neunorm_step",
    "pack_conv_bn_train_modules",
    "synapse_filter_step",
]
