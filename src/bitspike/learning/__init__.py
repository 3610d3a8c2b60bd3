"""Learning without backpropagation through time.

Local plasticity: `STDPLearner`, `MSTDPLearner` and `MSTDPETLearner` record a synapse and the
neurons behind it, and compute how its weight changes; the functions such as `stdp_linear_step` are
their equations for one time step. Online training, in memory that does not grow with the number of
time steps: the loops of `online_learning`, and `EPropNetwork`.
"""

from bitspike.learning import online_learning, plasticity
from bitspike.learning._eprop import EPropNetwork
from bitspike.learning._reward import (
    MSTDPETLearner,
    MSTDPLearner,
    mstdp_linear_step,
    mstdpet_linear_step,
    mstdpet_reward_step,
)
from bitspike.learning._stdp import (
    STDPLearner,
    stdp_conv1d_step,
    stdp_conv2d_step,
    stdp_linear_step,
)

__all__ = [
    "EPropNetwork",
    "MSTDPETLearner",
    "MSTDPLearner",
    "STDPLearner",
    "mstdp_linear_step",
    "mstdpet_linear_step",
    "mstdpet_reward_step",
    "online_learning",
    "plasticity",
    "stdp_conv1d_step",
    "stdp_conv2d_step",
    "stdp_linear_step",
]
