"""Which backend a scan would run on, and why not on a faster one."""

from collections.abc import Sequence

from torch import Tensor

from bitspike.kernels._entry import choose_scan
from bitspike.kernels.eager import Step


def explain_scan(
    step: Step, x_seq: Tensor, states: Sequence[Tensor], backend: str = "auto"
) -> tuple[str, str | None]:
    """The backend of `scan` with these arguments, and what stands against a compiled one."""
    chosen, recorded = choose_scan(step, x_seq, states, backend)
    why = recorded if isinstance(recorded, str) else None
    if chosen == "eager" and why is None:
        needed = "Triton" if x_seq.device.type == "cuda" else "Numba"
        why = f"the backend 'eager' was asked for, or {needed} is not installed"
    return chosen, why
