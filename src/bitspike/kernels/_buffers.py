"""Buffers that the kernels keep."""

import sys


def release_buffers() -> None:
    """Gives back the memory that this thread's kernels keep for their next calls.

    They keep buffers of the sizes that were wanted last, since fresh memory costs more than the
    arithmetic. What is in use stays in use.
    """
    memory = sys.modules.get("bitspike.kernels.numba._memory")
    if memory is not None:  # else no kernel has run
        memory.pool.release()
