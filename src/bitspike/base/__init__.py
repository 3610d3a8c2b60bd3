"""Step modes, state, sequences, and the checks of arguments and inputs that all modules share."""

from bitspike.base._axes import (
    SPACE,
    check_channels,
    check_first,
    check_rank,
    step_axes,
    takes_time_for_batch,
    wrong_axes,
)
from bitspike.base._checks import (
    check_between,
    check_count,
    check_finite,
    check_positive,
    check_sequence,
    check_tau,
    name_of,
)
from bitspike.base._containers import calls_in_turn, has_hooks, is_chain, wants_more_than_output
from bitspike.base._lent_states import States, as_tuple, lending
from bitspike.base._memory import MemoryModule, StateError
from bitspike.base._network_modes import set_backend, set_step_mode
from bitspike.base._network_state import (
    collect_reset_modules,
    detach_net,
    extract_memories,
    invalidate_reset_cache,
    load_memories,
    memories,
    named_memories,
    reset_collected_modules,
    reset_net,
    to_functional_forward,
)
from bitspike.base._sequence import (
    chunk_multi_step_forward,
    multi_step_forward,
    run_module,
    seq_to_ann_forward,
    t_last_multi_step_forward,
    t_last_seq_to_ann_forward,
)
from bitspike.base._settings import ShowsSettings
from bitspike.base._step_module import MultiStepModule, SingleStepModule, StepModule

__all__ = [
    "SPACE",
    "MemoryModule",
    "MultiStepModule",
    "ShowsSettings",
    "SingleStepModule",
    "StateError",
    "States",
    "StepModule",
    "as_tuple",
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
    "chunk_multi_step_forward",
    "collect_reset_modules",
    "detach_net",
    "extract_memories",
    "has_hooks",
    "invalidate_reset_cache",
    "is_chain",
    "lending",
    "load_memories",
    "memories",
    "multi_step_forward",
    "name_of",
    "named_memories",
    "reset_collected_modules",
    "reset_net",
    "run_module",
    "seq_to_ann_forward",
    "set_backend",
    "set_step_mode",
    "step_axes",
    "t_last_multi_step_forward",
    "t_last_seq_to_ann_forward",
    "takes_time_for_batch",
    "to_functional_forward",
    "wants_more_than_output",
    "wrong_axes",
]
