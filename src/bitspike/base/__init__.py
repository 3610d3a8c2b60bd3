"""What every module with a step mode or a state is made of."""

from bitspike.base._chain import calls_in_turn, is_chain
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
    "MemoryModule",
    "MultiStepModule",
    "SingleStepModule",
    "StateError",
    "StepModule",
    "calls_in_turn",
    "extract_memories",
    "has_hooks",
    "is_chain",
    "lending",
    "load_memories",
    "memories",
    "named_memories",
    "to_functional_forward",
    "wants_more_than_output",
]
