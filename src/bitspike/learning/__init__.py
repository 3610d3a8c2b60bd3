"""Learning without backpropagation through time.

Local plasticity: `STDPLearner`, `MSTDPLearner`, `MSTDPETLearner` watch a synapse and the neurons
behind it, and tell how its weight changes. Online training, in memory that does not grow with
the number of time steps: the loops of `online_learning`, and `EPropNetwork`.
"""

from bitspike.learning import online_learning, plasticity
from bitspike.learning._eprop import EPropNetwork
from bitspike.learning.plasticity import MSTDPETLearner, MSTDPLearner, STDPLearner

__all__ = [
    "EPropNetwork",
    "MSTDPETLearner",
    "MSTDPLearner",
    "STDPLearner",
    "online_learning",
    "plasticity",
]
