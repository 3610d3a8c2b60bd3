"""Spiking neurons. Each is charge, fire, reset; times are in time steps."""

from bitspike.neuron._base import BaseNode
from bitspike.neuron._if import IFNode
from bitspike.neuron._lif import LIFNode
from bitspike.neuron._plif import ParametricLIFNode

__all__ = ["BaseNode", "IFNode", "LIFNode", "ParametricLIFNode"]
