"""What would compute a neuron."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from bitspike import kernels, neuron

_NODES: dict[str, Callable[[], Any]] = {
    "if": neuron.IFNode,
    "lif": neuron.LIFNode,
    "plif": neuron.ParametricLIFNode,
    "qif": neuron.QIFNode,
    "eif": neuron.EIFNode,
    "izhikevich": neuron.IzhikevichNode,
    "ilif": neuron.ILIFNode,
    "clif": neuron.ComplementaryLIFNode,
    "activation_aware_if": neuron.ActivationAwareIFNode,
    "stbif": partial(neuron.STBIFNode, 1.0, 8),
}


def neuron_implementation(
    neuron_type: str, device: torch.device | str, *, execution: str = "eager"
) -> dict[str, object]:
    """The backend that runs a multi-step call of a neuron on a float32 input.

    Args:
        neuron_type: ``'if'``, ``'lif'``, ``'plif'``, ``'qif'``, ``'eif'``, ``'izhikevich'``,
            ``'ilif'``, ``'clif'``, ``'activation_aware_if'`` or ``'stbif'``.
        device: where the input lies.
        execution: ``'eager'`` or ``'compile'``, for which the answer is the same here.

    Returns:
        ``implementation``, the name of the backend, and ``unavailable``, which says by name why
        another one cannot run.

    Raises:
        ValueError: for an unknown neuron or execution.
    """
    if neuron_type not in _NODES:
        names = ", ".join(map(repr, _NODES))
        raise ValueError(f"neuron_type must be one of {names}, but got {neuron_type!r}")
    if execution not in ("eager", "compile"):
        raise ValueError(f"execution must be 'eager' or 'compile', but got {execution!r}")
    device = torch.device(device)
    kernel = "triton" if device.type == "cuda" else "numba"
    if device.type == "cuda" and not torch.cuda.is_available():
        return _answer("eager", "there is no GPU that torch can use", kernel)
    if device.type not in ("cpu", "cuda"):
        return _answer("eager", f"the input is on {device}")
    node = _NODES[neuron_type]().to(device)
    x_seq = torch.zeros(1, 1, 1, device=device)
    states = [x_seq[0] for _ in node.state_names]
    return _answer(*kernels.explain_scan(node.step, x_seq, states), kernel)


def _answer(backend: str, obstacle: str | None, kernel: str = "numba") -> dict[str, object]:
    return {
        "implementation": backend,
        "unavailable": {} if obstacle is None else {kernel: obstacle},
    }
