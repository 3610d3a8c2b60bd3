"""Encoders: from numbers to spikes."""

from bitspike.encoding._charging_latency import latency
from bitspike.encoding._delta import DeltaEncoder, delta
from bitspike.encoding._latency import LatencyEncoder
from bitspike.encoding._periodic import PeriodicEncoder
from bitspike.encoding._phase import WeightedPhaseEncoder
from bitspike.encoding._poisson import PoissonEncoder
from bitspike.encoding._poisson_sequences import PoissonSequences
from bitspike.encoding._population import (
    PopEncoder,
    PopSpikeEncoderDeterministic,
    PopSpikeEncoderRandom,
)
from bitspike.encoding._rate import rate
from bitspike.encoding._stateful import StatefulEncoder
from bitspike.encoding._stateless import StatelessEncoder

__all__ = [
    "DeltaEncoder",
    "LatencyEncoder",
    "PeriodicEncoder",
    "PoissonEncoder",
    "PoissonSequences",
    "PopEncoder",
    "PopSpikeEncoderDeterministic",
    "PopSpikeEncoderRandom",
    "StatefulEncoder",
    "StatelessEncoder",
    "WeightedPhaseEncoder",
    "delta",
    "latency",
    "rate",
]
