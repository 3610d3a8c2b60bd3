"""Layers for both step modes: PyTorch's own, and those of spiking networks.

PyTorch's stateless layers take the arguments of the ``torch.nn`` class of the same name, and
``step_mode``. In multi-step mode the input is ``[T, B, ...]``: time and batch are merged for one
call of the layer and separated again, so that BatchNorm takes its statistics over ``T * B``.
"""

from bitspike.layer._attention import MultiDimensionalAttention, TemporalWiseAttention
from bitspike.layer._container import (
    MultiStepContainer,
    SeqToANNContainer,
    StepModeContainer,
    TLastMultiStepContainer,
    TLastSeqToANNContainer,
)
from bitspike.layer._conv_bn_graph import fuse_conv_bn_eval_modules, pack_conv_bn_train_modules
from bitspike.layer._counts import SpikeCountToBinary, TemporalBinSum, VotingLayer
from bitspike.layer._delay_line import Delay, LearnableDelay, delay, delay_step
from bitspike.layer._drop_connect import DropConnectLinear
from bitspike.layer._dropout import Dropout, Dropout2d
from bitspike.layer._fuse_conv_bn import fuse_conv_bn
from bitspike.layer._fused_sequential import FusedSequential
from bitspike.layer._initialise import kaiming_normal_conv_linear_weight
from bitspike.layer._neunorm import NeuNorm, neunorm_step
from bitspike.layer._online import GradwithTrace, OTTTSequential, ReplaceforGrad, SpikeTraceOp
from bitspike.layer._print_shape import PrintShapeModule
from bitspike.layer._recurrent import ElementWiseRecurrentContainer, LinearRecurrentContainer
from bitspike.layer._self_attention import (
    ChannelQKAttention,
    QKAttention,
    SpikeDrivenSelfAttention,
    SpikingSelfAttention,
    TokenQKAttention,
)
from bitspike.layer._standardised import WSConv2d, WSLinear
from bitspike.layer._stateless import (
    AdaptiveAvgPool1d,
    AdaptiveAvgPool2d,
    AdaptiveAvgPool3d,
    AvgPool1d,
    AvgPool2d,
    AvgPool3d,
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Flatten,
    GroupNorm,
    Linear,
    MaxPool1d,
    MaxPool2d,
    MaxPool3d,
    Upsample,
)
from bitspike.layer._stepwise import Stepwise
from bitspike.layer._synapse_filter import SynapseFilter, synapse_filter_step
from bitspike.layer._temporal_norm import (
    BatchNormThroughTime1d,
    BatchNormThroughTime2d,
    BatchNormThroughTime3d,
    TemporalEffectiveBatchNorm1d,
    TemporalEffectiveBatchNorm2d,
    TemporalEffectiveBatchNorm3d,
    ThresholdDependentBatchNorm1d,
    ThresholdDependentBatchNorm2d,
    ThresholdDependentBatchNorm3d,
)
from bitspike.layer._unpool import MaxUnpool1d, MaxUnpool2d, MaxUnpool3d

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
