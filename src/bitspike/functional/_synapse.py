"""One time step of a synapse that filters the spikes it receives."""

from torch import Tensor


def synapse_filter_step(x: Tensor, out_i: Tensor, reciprocal_tau: float | Tensor) -> Tensor:
    """One time step of a synaptic current, which a spike raises and which leaks without one.

    ``I[t] = I[t-1] - (1 - S[t]) I[t-1] / tau + S[t]``

    Args:
        x: spikes ``S[t]``, ``[B, ...]``.
        out_i: current ``I[t-1]`` of the step before, the same shape.
        reciprocal_tau: ``1 / tau``, tau in time steps; a number or a tensor.

    Returns:
        ``I[t]``, ``[B, ...]``.
    """
    return out_i - (1.0 - x) * out_i * reciprocal_tau + x
