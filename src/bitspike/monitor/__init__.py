"""Monitors: record inputs, outputs, attributes and gradients of the modules of a network.

A monitor hooks every module of a class and appends to ``records``. The hooks are removed when the
monitor is closed, when its ``with`` block ends, or when nothing refers to the monitor any more.
"""

from bitspike.monitor._base import BaseMonitor
from bitspike.monitor._gpu import GPUMonitor, GPUSample
from bitspike.monitor._monitors import (
    AttributeMonitor,
    GradInputMonitor,
    GradOutputMonitor,
    InputMonitor,
    OutputMonitor,
)

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
