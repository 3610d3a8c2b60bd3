"""`health`: run a copy of a network once, and report on its layers of neurons."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import functional, kernels
from bitspike.base import MemoryModule, StepModule
from bitspike.diagnosis._advice import advise_on_gradients, advise_on_input, advise_on_layer
from bitspike.diagnosis._probe import Kinds, Probe, find_neurons, label
from bitspike.diagnosis._report import Health

Loss = Callable[..., Tensor]


def health(
    net: nn.Module,
    x: Tensor,
    target: Tensor | None = None,
    loss: Loss | None = None,
    *,
    kinds: Kinds | None = None,
) -> Health:
    """Run ``x`` through a copy of ``net`` and report on each layer of neurons.

    The network, its state, its gradients and the random numbers to come stay as they are. The
    copy is in the network's own mode (`train` or `eval`), starts from a reset, and computes
    on the eager backend.

    Example::

        print(bitspike.health(net, x_seq, label))

    Args:
        net: the network.
        x: a sequence ``[T, B, ...]``. A network in single-step mode is called with one step
            after the other; any other gets ``x`` as it is, which may be an image if the
            network makes its own time steps.
        target: labels ``[B]`` of integers, or wanted firing rates ``[B, N]``. With it the
            report has gradients.
        loss: ``loss(y, target)``, or ``loss(y)`` without a target, where ``y`` is the output,
            stacked over time in single-step mode. None is the mean squared error between
            firing rates and the target, one-hot for labels.
        kinds: classes of the neurons; None is all of bitspike's.

    Returns:
        A `Health`: print it, or read ``rows``, ``advice`` and ``to_dict()``.

    Raises:
        ValueError: if the network has no neurons, or the input no time axis to step along.
    """
    find_neurons(net, kinds)
    forgotten = [label(*named) for named in net.named_modules() if _has_state(named[1])]
    subject = copy.deepcopy(net)
    for module in subject.modules():
        if isinstance(module, MemoryModule):
            module.reset()
    functional.set_backend(subject, "eager")
    with_gradients = target is not None or loss is not None
    probes = [Probe(name, node, with_gradients) for name, node in find_neurons(subject, kinds)]
    multi_step = any(isinstance(m, StepModule) and m.step_mode == "m" for m in net.modules())
    if not multi_step and (x.ndim < 2 or len(x) == 0):
        raise ValueError(
            f"health: a network in single-step mode needs a sequence [T, B, ...], but x has shape "
            f"{tuple(x.shape)}; x.expand(T, *x.shape) shows a static input T times"
        )
    devices = [x.device] if x.device.type == "cuda" else []
    with (
        torch.random.fork_rng(devices),
        kernels.use_backend("eager"),
        torch.set_grad_enabled(with_gradients),
    ):
        y = subject(x) if multi_step else [subject(step) for step in x]
        y = torch.stack(y) if isinstance(y, list) else y
        steps = max(probe.steps for probe in probes)
        # The input of a network that makes its own time steps has no time axis.
        input_advice = list(advise_on_input(x, target, multi_step)) if steps == len(x) else []
        value = _loss(y, target, loss, input_advice) if with_gradients else None
        if value is not None and value.requires_grad:
            value.backward()  # type: ignore[no-untyped-call]
    rows = tuple(probe.row() for probe in probes)
    advice: list[str] = []
    if forgotten:
        advice.append(
            f"{', '.join(forgotten)}: there was state of an earlier input. Call "
            "functional.reset_net(net) after each batch. (This run started from a reset.)"
        )
    advice += input_advice
    for row in rows:
        advice += advise_on_layer(row)
    if value is not None:
        advice += advise_on_gradients(rows)
    return Health(rows, tuple(advice), steps, None if value is None else value.item())


def _has_state(module: nn.Module) -> bool:
    """Return whether the module itself holds a state that the next reset will remove."""
    return isinstance(module, MemoryModule) and any(
        isinstance(value, Tensor) and not isinstance(module.get_reset_value(name), Tensor)
        for name, value in module.named_memories()
    )


def _loss(y: Any, target: Tensor | None, loss: Loss | None, input_advice: list[str]) -> Tensor:
    if target is None:
        assert loss is not None  # noqa: S101 -- the caller has one of the two
        return loss(y)
    if loss is not None:
        return loss(y, target)
    rate, wanted = y.mean(0) if y.ndim > 2 else y, target
    labels = not target.is_floating_point()
    if labels and rate.ndim == 2 and target.shape == rate.shape[:1]:
        wanted = nn.functional.one_hot(target.long(), rate.shape[1])
    if wanted.shape != rate.shape:
        message = (
            f"health: the target {tuple(target.shape)} does not go with the output "
            f"{tuple(y.shape)}: it should be labels [B] or firing rates [B, N] where the "
            "output is [T, B, N]; or give a loss of your own."
        )
        raise ValueError(" ".join([message, *input_advice]))
    return nn.functional.mse_loss(rate, wanted.to(rate.dtype))
