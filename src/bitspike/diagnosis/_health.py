"""`health`: run a copy of a network once, and say what is wrong with it."""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import functional, kernels
from bitspike.base import MemoryModule, StepModule
from bitspike.diagnosis import _advice
from bitspike.diagnosis._kinds import Kinds, label, neurons
from bitspike.diagnosis._probe import Probe
from bitspike.diagnosis._report import Health
from bitspike.diagnosis._watch import watch

Loss = Callable[..., Tensor]


class _HealthCheck:
    """Runs ``x`` through a copy of ``net`` and reports on each layer of neurons.

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

    watch = staticmethod(watch)

    def __call__(
        self,
        net: nn.Module,
        x: Tensor,
        target: Tensor | None = None,
        loss: Loss | None = None,
        *,
        kinds: Kinds | None = None,
    ) -> Health:
        neurons(net, kinds)
        forgotten = [label(*one) for one in net.named_modules() if _has_state(one[1])]
        subject = copy.deepcopy(net)
        for module in subject.modules():
            if isinstance(module, MemoryModule):
                module.reset()
        functional.set_backend(subject, "eager")
        wants = target is not None or loss is not None
        probes = [Probe(name, module, wants) for name, module in neurons(subject, kinds)]
        multi_step = _takes_sequences(subject)
        if not multi_step and (x.ndim < 2 or len(x) == 0):
            raise ValueError(
                f"health: a network in single-step mode is shown a sequence [T, B, ...], but x has "
                f"shape {tuple(x.shape)}; x.expand(T, *x.shape) shows a static input T times"
            )
        devices = [x.device] if x.device.type == "cuda" else []
        with (
            torch.random.fork_rng(devices),
            kernels.use_backend("eager"),
            torch.set_grad_enabled(wants),
        ):
            y = subject(x) if multi_step else [subject(step) for step in x]
            y = torch.stack(y) if isinstance(y, list) else y
            steps = max(probe.steps for probe in probes)
            # A network that shows an image several times by itself gets one without a time axis.
            on_input = list(_advice.on_input(x, target, multi_step)) if steps == len(x) else []
            value = _loss(y, target, loss, on_input) if wants else None
            if value is not None and value.requires_grad:
                value.backward()  # type: ignore[no-untyped-call]
        rows = tuple(probe.row(value is not None) for probe in probes)
        advice: list[str] = []
        if forgotten:
            advice.append(
                f"{', '.join(forgotten)}: there was state of an earlier input. Call "
                "functional.reset_net(net) after each batch. (This run started from a reset.)"
            )
        advice += on_input
        for row in rows:
            advice += _advice.on_layer(row)
        if value is not None:
            advice += _advice.on_gradients(rows)
        return Health(rows, tuple(advice), steps, None if value is None else value.item())


health = _HealthCheck()


def _has_state(module: nn.Module) -> bool:
    """Whether the module itself holds a state that the next reset will take away."""
    return isinstance(module, MemoryModule) and any(
        isinstance(value, Tensor) and not isinstance(module.get_reset_value(name), Tensor)
        for name, value in module.named_memories()
    )


def _takes_sequences(net: nn.Module) -> bool:
    """Whether one call of the network is a whole sequence: some module is in multi-step mode."""
    return any(isinstance(m, StepModule) and m.step_mode == "m" for m in net.modules())


def _loss(y: Any, target: Tensor | None, loss: Loss | None, suspicions: list[str]) -> Tensor:
    if loss is not None:
        return loss(y) if target is None else loss(y, target)
    assert target is not None  # noqa: S101 -- the caller has one of the two
    rate, wanted = y.mean(0) if y.ndim > 2 else y, target
    labels = not target.is_floating_point()
    if labels and rate.ndim == 2 and target.shape == rate.shape[:1]:
        wanted = nn.functional.one_hot(target.long(), rate.shape[1])
    if wanted.shape != rate.shape:
        raise ValueError(
            " ".join(
                [
                    f"health: the target {tuple(target.shape)} does not go with the output "
                    f"{tuple(y.shape)}: it should be labels [B] or firing rates [B, N] where the "
                    "output is [T, B, N]; or give a loss of your own.",
                    *suspicions,
                ]
            )
        )
    return nn.functional.mse_loss(rate, wanted.to(rate.dtype))
