"""The conformance suite by which users test their own neurons."""

from bitspike.testing._check_neuron import ConformanceError, Report, check_neuron

__all__ = ["ConformanceError", "Report", "check_neuron"]
