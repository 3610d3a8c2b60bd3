"""Advice: sentences that name a suspicion and its cure, from the figures of a run."""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from bitspike.diagnosis._report import LayerHealth

_MANY = 0.5  # share of dead or saturated neurons
_FAR_STEPS = 1e3  # factor between gradients of the first and the last time step
_FAR_LAYERS = 1e4  # factor between gradients of the first and the last layer


def advise_on_layer(row: LayerHealth) -> Iterator[str]:
    """Yield advice on the firing of a layer."""
    if row.v_min is not None and not math.isfinite(row.v_min + (row.v_max or 0.0)):
        yield (
            f"{row.label}: its membrane is not finite. Look for NaN in the input and the weights, "
            "and lower the learning rate."
        )
        return
    if row.rate is None:
        if not row.neurons:
            yield f"{row.label} was never called."
        return
    if row.rate == 0:
        yield f"{row.label} is silent. {_advise_more_input(row)}"
    elif row.dead is not None and row.dead >= _MANY:
        yield f"{row.label}: {row.dead:.0%} of its neurons never fire. {_advise_more_input(row)}"
    if row.saturated is not None and row.saturated >= _MANY:
        yield (
            f"{row.label}: {row.saturated:.0%} of its neurons fire at every step and carry no "
            "information. Lower the weights before it (or normalise them), or raise v_threshold."
        )


def _advise_more_input(row: LayerHealth) -> str:
    cure = "Raise the weights before it (or put a BatchNorm there), or lower v_threshold"
    if row.v_max is None or row.v_threshold is None or row.rate:
        return f"{cure}."
    if row.v_max <= 0:
        return f"Its membrane never rises above {row.v_max:.3g}: no input excites it. {cure}."
    if row.v_max >= row.v_threshold:
        return f"{cure}."
    return (
        f"Its membrane comes to {row.v_max:.3g} of {row.v_threshold:g}. {cure}, by a factor of "
        f"{row.v_threshold / row.v_max:.2g} or more."
    )


def advise_on_gradients(rows: Sequence[LayerHealth]) -> Iterator[str]:
    """Yield advice on the flow of gradients through time and layers."""
    arrived = [(row, math.hypot(*row.gradient)) for row in rows if row.gradient]
    for row, norm in arrived:
        if not math.isfinite(norm):
            yield (
                f"{row.label}: its gradient is not finite. Lower the learning rate, or clip "
                "gradients with torch.nn.utils.clip_grad_norm_."
            )
        elif norm == 0:
            yield (
                f"{row.label}: no gradient arrives. A layer above it is silent or detached, or its "
                "membranes are far from the threshold: a surrogate with a smaller alpha is wider."
            )
        else:
            yield from _advise_on_time(row, row.gradient or (0.0,))
    norms = [norm for _, norm in arrived if math.isfinite(norm) and norm > 0]
    if len(norms) > 1 and not 1 / _FAR_LAYERS < norms[0] / norms[-1] < _FAR_LAYERS:
        verb = "vanishes" if norms[0] < norms[-1] else "explodes"
        yield (
            f"The gradient {verb} from the last layer ({norms[-1]:.1e}) to the first "
            f"({norms[0]:.1e}). Normalise between the layers (BatchNorm, "
            "ThresholdDependentBatchNorm), choose a surrogate of another width, or add shortcuts."
        )


def _advise_on_time(row: LayerHealth, gradient: Sequence[float]) -> Iterator[str]:
    first, last = gradient[0], gradient[-1]
    if first * _FAR_STEPS < last:
        yield (
            f"{row.label}: the gradient vanishes over time, {last:.1e} at the last step and "
            f"{first:.1e} at the first, so that early steps are not learned from. Use a larger "
            "tau, a soft reset (v_reset=None), or a loss on every step."
        )
    elif last * _FAR_STEPS < first and last > 0:
        yield (
            f"{row.label}: the gradient explodes over time, {last:.1e} at the last step and "
            f"{first:.1e} at the first. Use detach_reset=True, a smaller tau, or shorter pieces "
            "(functional.detach_net)."
        )


def advise_on_input(x: Tensor, target: Tensor | None, multi_step: bool) -> Iterator[str]:
    """Yield advice on the axes and the scale of the input."""
    cure = "If the batch comes first, swap the axes: x.transpose(0, 1)."
    shape = tuple(x.shape)
    if multi_step and x.ndim < 3:
        yield (
            f"The input has shape {shape}, but multi-step networks take [T, B, ...]: is the time "
            "axis missing? x.expand(T, *x.shape) shows a static input T times."
        )
    elif target is not None and target.ndim and len(target) == shape[0] != shape[1]:
        yield (
            f"The first axis of the input {shape} is as long as the target, {len(target)}: is it "
            f"the batch, where the time should be? {cure}"
        )
    elif shape[1] > 1 and shape[0] > 1 and _is_constant(x, 1) and not _is_constant(x, 0):
        yield (
            f"The input {shape} is the same all along axis 1 and changes along axis 0, as if "
            f"axis 1 were the time of a static input. {cure}"
        )
    if x.is_floating_point() and x.numel() and float(x.detach().abs().max()) > 20:
        yield (
            f"The input goes up to {float(x.detach().abs().max()):.3g}, where thresholds are "
            "about 1: scale it, as pixels to [0, 1]."
        )


def _is_constant(x: Tensor, axis: int) -> bool:
    whole = x.detach()
    return bool(torch.equal(whole, whole.narrow(axis, 0, 1).expand_as(whole)))
