"""Functions on whole networks and on sequences."""

from bitspike.functional._backend import set_backend
from bitspike.functional._sequence import multi_step_forward, seq_to_ann_forward
from bitspike.functional._state import detach_net, reset_net
from bitspike.functional._step_mode import set_step_mode

__all__ = [
    "detach_net",
    "multi_step_forward",
    "reset_net",
    "seq_to_ann_forward",
    "set_backend",
    "set_step_mode",
]
