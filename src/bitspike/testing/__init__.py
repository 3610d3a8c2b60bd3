"""What users test their own neurons with."""

from bitspike.testing._check_neuron import ConformanceError, Report, check_neuron

__all__ = ["ConformanceError", "Report", "check_neuron"]
