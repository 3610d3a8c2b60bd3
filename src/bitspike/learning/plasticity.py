"""Learners by spike-timing-dependent plasticity."""

from bitspike.learning._reward import MSTDPETLearner, MSTDPLearner
from bitspike.learning._stdp import STDPLearner

__all__ = ["MSTDPETLearner", "MSTDPLearner", "STDPLearner"]
