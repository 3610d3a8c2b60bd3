"""Step modes, state, and the checks of arguments and inputs that all modules share."""

from bitspike.base._axes import (
    SPACE,
    check_channels,
    check_first,
    check_rank,
    step_axes,
    takes_time_for_batch,
    wrong_axes,
)
from bitspike.base._chain import calls_in_turn, is_chain
from bitspike.base._checks import (
    check_between,
    check_count,
    check_finite,
    check_positive,
    check_sequence,
    check_tau,
    name_of,
)
from bitspike.base._functional import to_functional_forward
from bitspike.base._hooks import has_hooks, wants_more_than_output
from bitspike.base._memory import (
    MemoryModule,
    StateError,
    extract_memories,
    load_memories,
    memories,
    named_memories,
)
from bitspike.base._states import lending
from bitspike.base._step import MultiStepModule, SingleStepModule, StepModule

__all__ = [
    "SPACE",
    "MemoryModule",
    "MultiStepModule",
    "SingleStepModule",
    "StateError",
    "StepModule",
    "calls_in_turn",
    "check_between",
    "check_channels",
    "check_count",
    "check_finite",
    "check_first",
    "check_positive",
    "check_rank",
    "check_sequence",
    "check_tau",
    "extract_memories",
    "has_hooks",
    "is_chain",
    "lending",
    "load_memories",
    "memories",
    "name_of",
    "named_memories",
    "step_axes",
    "takes_time_for_batch",
    "to_functional_forward",
    "wants_more_than_output",
    "wrong_axes",
]
