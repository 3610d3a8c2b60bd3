"""Monitors: record what the modules of a network take in, give out, hold, and learn from.

A monitor hooks every module of a kind and appends what it sees to ``records``. The hooks go when
the monitor is closed, when its ``with`` block ends, or when nobody holds the monitor any more.
"""

from bitspike.monitor._attribute import AttributeMonitor
from bitspike.monitor._base import BaseMonitor
from bitspike.monitor._forward import InputMonitor, OutputMonitor
from bitspike.monitor._gpu import GPUMonitor, GPUSample
from bitspike.monitor._gradient import GradInputMonitor, GradOutputMonitor

__all__ = [
    "AttributeMonitor",
    "BaseMonitor",
    "GPUMonitor",
    "GPUSample",
    "GradInputMonitor",
    "GradOutputMonitor",
    "InputMonitor",
    "OutputMonitor",
]
