"""Spiking neurons. Each is charge, fire, reset; times are in time steps."""

from bitspike.neuron._activation_aware import (
    ActivationAwareIFNode,
    activation_aware_if_multi_step,
    activation_aware_if_step,
)
from bitspike.neuron._adaptive import (
    AdaptBaseNode,
    AdaptiveLIFNode,
    ComplementaryLIFNode,
    IzhikevichNode,
    adaptive_lif_step,
    clif_step,
    izhikevich_multi_step,
    izhikevich_step,
)
from bitspike.neuron._arguments import Potential, Steps
from bitspike.neuron._base import BaseNode
from bitspike.neuron._catalogue import (
    Demo,
    catalogue,
    equations,
    is_base,
    pulse,
    step_functions,
    unit,
)
from bitspike.neuron._coloured_noise import powerlaw_psd_gaussian
from bitspike.neuron._dsr import DSRIFNode, DSRLIFNode
from bitspike.neuron._few_spike import (
    FewSpikeNode,
    FewSpikeTable,
    HGNode,
    OutlierAwareThresholdNode,
)
from bitspike.neuron._flex import FlexSN
from bitspike.neuron._gated_lif import GatedLIFNode, gated_lif_step
from bitspike.neuron._graded import (
    ILIFNode,
    LIAFNode,
    MultiSpikeLIFNode,
    ilif_multi_step,
    ilif_step,
    liaf_step,
)
from bitspike.neuron._if import HalfThresholdIFNode, IFNode, if_multi_step, if_step
from bitspike.neuron._ilc import ILCBaseNode, ILCCUBALIFNode, ILCIFNode, ILCLIFNode
from bitspike.neuron._implementation import neuron_implementation
from bitspike.neuron._lava import lava_cuba_lif_step
from bitspike.neuron._learned_lif import (
    KLIFNode,
    ParametricLIFNode,
    klif_step,
    plif_multi_step,
    plif_step,
)
from bitspike.neuron._lif import LapicqueNode, LIFNode, lif_multi_step, lif_step
from bitspike.neuron._mpbn import MPBNBaseNode, MPBNLIFNode
from bitspike.neuron._mutating import SimpleBaseNode, SimpleIFNode, SimpleLIFNode
from bitspike.neuron._neuron_linear import if_linear, lif_linear
from bitspike.neuron._noisy import (
    NoisyBaseNode,
    NoisyCUBALIFNode,
    NoisyILCBaseNode,
    NoisyILCCUBALIFNode,
    NoisyNonSpikingBaseNode,
    NoisyNonSpikingIFNode,
)
from bitspike.neuron._non_spiking import NonSpikingBaseNode, NonSpikingIFNode, NonSpikingLIFNode
from bitspike.neuron._nonlinear import (
    EIFNode,
    QIFNode,
    eif_multi_step,
    eif_step,
    qif_multi_step,
    qif_step,
)
from bitspike.neuron._online import OTTTLIFNode, SLTTLIFNode
from bitspike.neuron._psn import PSN, MaskedPSN, SlidingPSN, masked_psn_step, sliding_psn_step
from bitspike.neuron._raf import RAFNode, raf_step
from bitspike.neuron._recurrent import RecurrentLIFNode, RecurrentSynapticNode
from bitspike.neuron._run import step_key
from bitspike.neuron._stbif import STBIFNode, stbif_multi_step, stbif_step
from bitspike.neuron._synaptic import (
    AlphaNode,
    CUBALIFNode,
    SynapticNode,
    alpha_step,
    cuba_lif_step,
)
from bitspike.neuron._ternary import (
    TernaryIFNode,
    TernaryLIFNode,
    ternary_if_step,
    ternary_lif_step,
)

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
    "Demo",
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
    "Potential",
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
    "Steps",
    "SynapticNode",
    "TernaryIFNode",
    "TernaryLIFNode",
    "activation_aware_if_multi_step",
    "activation_aware_if_step",
    "adaptive_lif_step",
    "alpha_step",
    "catalogue",
    "clif_step",
    "cuba_lif_step",
    "eif_multi_step",
    "eif_step",
    "equations",
    "gated_lif_step",
    "if_linear",
    "if_multi_step",
    "if_step",
    "ilif_multi_step",
    "ilif_step",
    "is_base",
    "izhikevich_multi_step",
    "izhikevich_step",
    "klif_step",
    "lava_cuba_lif_step",
    "liaf_step",
    "lif_linear",
    "lif_multi_step",
    "lif_step",
    "masked_psn_step",
    "neuron_implementation",
    "plif_multi_step",
    "plif_step",
    "powerlaw_psd_gaussian",
    "pulse",
    "qif_multi_step",
    "qif_step",
    "raf_step",
    "sliding_psn_step",
    "stbif_multi_step",
    "stbif_step",
    "step_functions",
    "step_key",
    "ternary_if_step",
    "ternary_lif_step",
    "unit",
]
