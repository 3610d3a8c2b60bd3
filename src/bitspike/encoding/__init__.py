"""Encoders: from numbers to spikes."""

from bitspike.encoding._base import StatefulEncoder, StatelessEncoder
from bitspike.encoding._delta import DeltaEncoder, delta
from bitspike.encoding._latency import LatencyEncoder, latency
from bitspike.encoding._periodic import PeriodicEncoder, WeightedPhaseEncoder
from bitspike.encoding._population import (
    PopEncoder,
    PopSpikeEncoderDeterministic,
    PopSpikeEncoderRandom,
)
from bitspike.encoding._rate import PoissonEncoder, PoissonSequences, rate

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
