"""One time step of NeuNorm."""

from torch import Tensor


def neunorm_step(
    in_spikes: Tensor, state: Tensor | float, weight: Tensor, momentum: float, input_scale: float
) -> tuple[Tensor, Tensor]:
    """One time step of NeuNorm: neurons are inhibited by the activity of all channels in place.

    ``U[t] = momentum U[t-1] + input_scale sum_c S[t]``, ``Y[t] = S[t] - weight U[t]``

    Args:
        in_spikes: spikes ``S[t]``, ``[B, C, H, W]``.
        state: ``U[t-1]``, ``[B, 1, H, W]``, or 0 at the first step.
        weight: broadcast to ``[C, H, W]``.
        momentum: share of ``U`` that remains after a step.
        input_scale: weight of the sum over channels; ``(1 - momentum) / C**2`` in the paper.

    Returns:
        ``Y[t]``, ``[B, C, H, W]``, and ``U[t]``.

    Paper: Wu et al., Direct training for spiking neural networks: faster, larger, better, 2019.
    """
    following = momentum * state + input_scale * in_spikes.sum(dim=1, keepdim=True)
    return in_spikes - weight * following, following
