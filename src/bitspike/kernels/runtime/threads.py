"""How many threads the compiled kernels may take."""

import torch

_asked: int | None = None


def set_num_threads(threads: int | None) -> None:
    """Lets the kernels take up to ``threads`` threads; None: as many as torch's operations do.

    For networks whose kernels are worth a second thread while torch's own operations are too small
    for it. Results do not depend on it.

    Raises:
        ValueError: if it is less than 1.
    """
    global _asked
    if threads is not None and threads < 1:
        raise ValueError(f"kernels.set_num_threads: threads must be 1 or more, but got {threads!r}")
    _asked = threads


def get_num_threads() -> int:
    """How many threads a kernel may take."""
    return torch.get_num_threads() if _asked is None else _asked
