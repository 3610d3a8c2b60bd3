"""Spiking neurons. Each is charge, fire, reset; times are in time steps."""

from bitspike.base import StepModule
from bitspike.neuron._activation_aware import ActivationAwareIFNode
from bitspike.neuron._adaptive import AdaptBaseNode, AdaptiveLIFNode, IzhikevichNode
from bitspike.neuron._base import BaseNode
from bitspike.neuron._clif import ComplementaryLIFNode
from bitspike.neuron._dsr import DSRIFNode, DSRLIFNode
from bitspike.neuron._eif import EIFNode
from bitspike.neuron._few_spike import (
    FewSpikeNode,
    FewSpikeTable,
    HGNode,
    OutlierAwareThresholdNode,
)
from bitspike.neuron._flex import FlexSN
from bitspike.neuron._gated_lif import GatedLIFNode
from bitspike.neuron._half_threshold import HalfThresholdIFNode
from bitspike.neuron._if import IFNode
from bitspike.neuron._ilc import ILCBaseNode, ILCCUBALIFNode, ILCIFNode, ILCLIFNode
from bitspike.neuron._ilif import ILIFNode
from bitspike.neuron._klif import KLIFNode
from bitspike.neuron._lapicque import LapicqueNode
from bitspike.neuron._liaf import LIAFNode
from bitspike.neuron._lif import LIFNode
from bitspike.neuron._mpbn import MPBNBaseNode, MPBNLIFNode
from bitspike.neuron._multi_spike import MultiSpikeLIFNode
from bitspike.neuron._noise import powerlaw_psd_gaussian
from bitspike.neuron._noisy import (
    NoisyBaseNode,
    NoisyCUBALIFNode,
    NoisyILCBaseNode,
    NoisyILCCUBALIFNode,
    NoisyNonSpikingBaseNode,
    NoisyNonSpikingIFNode,
)
from bitspike.neuron._non_spiking import NonSpikingBaseNode, NonSpikingIFNode, NonSpikingLIFNode
from bitspike.neuron._older import accept_backend
from bitspike.neuron._online import OTTTLIFNode, SLTTLIFNode
from bitspike.neuron._plif import ParametricLIFNode
from bitspike.neuron._psn import PSN, MaskedPSN, SlidingPSN
from bitspike.neuron._qif import QIFNode
from bitspike.neuron._raf import RAFNode
from bitspike.neuron._recurrent import RecurrentLIFNode, RecurrentSynapticNode
from bitspike.neuron._simple import SimpleBaseNode, SimpleIFNode, SimpleLIFNode
from bitspike.neuron._stbif import STBIFNode
from bitspike.neuron._synaptic import AlphaNode, CUBALIFNode, SynapticNode
from bitspike.neuron._ternary import TernaryIFNode, TernaryLIFNode

__all__ = [
    "PSN",
    "ActivationAwareIFNode",
    "AdaptBaseNode",
    "AdaptiveLIFNode",
    "AlphaNode",
    "BaseNode",
    "CUBALIFNode",
    "ComplementaryLIFNode",
    "DSRIFNode",
    "DSRLIFNode",
    "EIFNode",
    "FewSpikeNode",
    "FewSpikeTable",
    "FlexSN",
    "GatedLIFNode",
    "HGNode",
    "HalfThresholdIFNode",
    "IFNode",
    "ILCBaseNode",
    "ILCCUBALIFNode",
    "ILCIFNode",
    "ILCLIFNode",
    "ILIFNode",
    "IzhikevichNode",
    "KLIFNode",
    "LIAFNode",
    "LIFNode",
    "LapicqueNode",
    "MPBNBaseNode",
    "MPBNLIFNode",
    "MaskedPSN",
    "MultiSpikeLIFNode",
    "NoisyBaseNode",
    "NoisyCUBALIFNode",
    "NoisyILCBaseNode",
    "NoisyILCCUBALIFNode",
    "NoisyNonSpikingBaseNode",
    "NoisyNonSpikingIFNode",
    "NonSpikingBaseNode",
    "NonSpikingIFNode",
    "NonSpikingLIFNode",
    "OTTTLIFNode",
    "OutlierAwareThresholdNode",
    "ParametricLIFNode",
    "QIFNode",
    "RAFNode",
    "RecurrentLIFNode",
    "RecurrentSynapticNode",
    "SLTTLIFNode",
    "STBIFNode",
    "SimpleBaseNode",
    "SimpleIFNode",
    "SimpleLIFNode",
    "SlidingPSN",
    "SynapticNode",
    "TernaryIFNode",
    "TernaryLIFNode",
    "powerlaw_psd_gaussian",
]

for _name in __all__:
    _class = globals()[_name]
    if isinstance(_class, type) and issubclass(_class, StepModule):
        accept_backend(_class)
