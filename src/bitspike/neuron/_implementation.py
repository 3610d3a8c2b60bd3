"""The backend that would run a neuron."""

import torch

from bitspike import kernels
from bitspike.neuron._catalogue import catalogue


def neuron_implementation(
    neuron_type: str, device: torch.device | str, *, execution: str = "eager"
) -> dict[str, object]:
    """Return the backend that runs a multi-step call of a neuron on a float32 input.

    Args:
        neuron_type: a neuron by the name of its step function: ``'lif'`` for
            `functional.lif_step`.
        device: device of the input.
        execution: ``'eager'`` or ``'compile'``, for which the answer is the same here.

    Returns:
        ``implementation``, the name of the backend, and ``unavailable``, which says by name why
        another one cannot run.

    Raises:
        ValueError: for an unknown neuron or execution.
    """
    kinds = {
        kind.step_function.__name__.removesuffix("_step"): kind
        for kind in catalogue().values()
        if "step_function" in vars(kind) and hasattr(kind, "step")
    }
    if neuron_type not in kinds:
        names = ", ".join(map(repr, kinds))
        raise ValueError(f"neuron_type must be one of {names}, but got {neuron_type!r}")
    if execution not in ("eager", "compile"):
        raise ValueError(f"execution must be 'eager' or 'compile', but got {execution!r}")
    device = torch.device(device)
    kernel = "triton" if device.type == "cuda" else "numba"
    if device.type == "cuda" and not torch.cuda.is_available():
        return _answer("eager", "there is no GPU that torch can use", kernel)
    if device.type not in ("cpu", "cuda"):
        return _answer("eager", f"the input is on {device}", kernel)
    kind = kinds[neuron_type]
    node = kind(**kind.demo.required(kind)).to(device)
    x_seq = torch.zeros(1, 1, 1, device=device)
    states = [x_seq[0] for _ in node.state_names]
    return _answer(*kernels.explain_scan(node.step, x_seq, states), kernel)


def _answer(backend: str, obstacle: str | None, kernel: str) -> dict[str, object]:
    unavailable = {} if obstacle is None else {kernel: obstacle}
    return {"implementation": backend, "unavailable": unavailable}
