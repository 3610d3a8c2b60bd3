"""Training step by step in time: the graph of one time step is all that is ever kept.

The loops do not reset the network: call ``functional.reset_net(model)`` after each batch.
"""

from collections.abc import Callable, Collection

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from bitspike.base import detach_net, extract_memories, load_memories
from bitspike.learning._eprop import EPropNetwork

Loss = Callable[[Tensor, Tensor], Tensor]

__all__ = [
    "eprop_online_training",
    "fptt_online_training",
    "fptt_online_training_init_w_ra",
    "ottt_online_training",
    "sltt_online_training",
]


def ottt_online_training(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x_seq: Tensor,
    target_seq: Tensor,
    f_loss_t: Loss,
    online: bool,
) -> tuple[Tensor, Tensor]:
    """Train on one batch by OTTT: the gradient of each time step comes from that step alone.

    The past enters through the traces of the pre-synaptic spikes, which `neuron.OTTTLIFNode` keeps
    and `layer.OTTTSequential` passes on. A model without them is trained by SLTT, which leaves
    that part out.

    M. Xiao et al.: Online Training Through Time for Spiking Neural Networks, NeurIPS 2022.

    Arguments, result and errors are those of `sltt_online_training`.
    """
    return sltt_online_training(model, optimizer, x_seq, target_seq, f_loss_t, online)


def sltt_online_training(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x_seq: Tensor,
    target_seq: Tensor,
    f_loss_t: Loss,
    online: bool,
    k: int | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Train on one batch by SLTT: gradients in space, none through time.

    The state is cut from its history after each step, so that any single-step network will do;
    `neuron.SLTTLIFNode` cuts it itself. With ``k`` (SLTT-K) only k time steps, drawn at random
    for each batch, go backward.

    Q. Meng et al.: Towards Memory- and Time-Efficient Backpropagation for Training Spiking
    Neural Networks, ICCV 2023.

    Args:
        model: a single-step network.
        optimizer: of its parameters.
        x_seq: ``[B, T, ...]``; mind the order.
        target_seq: ``[B, T, ...]``.
        f_loss_t: loss of one time step, of output and target ``[B, ...]``.
        online: True updates the weights at each time step that goes backward, False once after
            the last.
        k: number of time steps that go backward; None: all.
        generator: draws them; None is torch's global one.

    Returns:
        The sum of the losses, and the outputs ``[B, T, ...]``, both without graph.

    Raises:
        ValueError: if ``x_seq`` and ``target_seq`` differ in B or T, T is 0, or k is not in 1..T.
    """
    T = _count_steps(x_seq, target_seq, 1)
    backward_at: Collection[int] = range(T)
    if k is not None:
        if not 1 <= k <= T:
            raise ValueError(f"sltt_online_training: k must lie in 1..{T}, the time steps, got {k}")
        backward_at = set(torch.randperm(T, generator=generator)[:k].tolist())

    def step(x: Tensor, target: Tensor, learns: bool) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(learns):
            y = model(x)
            y = y[0] if isinstance(y, list | tuple) else y  # spikes and their trace
            loss = f_loss_t(y, target)
        if learns:
            loss.backward()  # type: ignore[no-untyped-call]
        detach_net(model)
        return loss, y

    return _train(step, optimizer, x_seq, target_seq, online, backward_at)


def eprop_online_training(
    model: EPropNetwork,
    optimizer: torch.optim.Optimizer,
    x_seq: Tensor,
    target_seq: Tensor,
    f_loss_t: Loss,
    online: bool,
) -> tuple[Tensor, Tensor]:
    """Train on one batch by e-prop; see `EPropNetwork`.

    Arguments, result and errors are those of `sltt_online_training`; inputs are ``[B, T, I]``,
    outputs ``[B, T, O]``, and the network may be in either step mode.
    """

    def step(x: Tensor, target: Tensor, learns: bool) -> tuple[Tensor, Tensor]:  # noqa: ARG001
        y = model.online_step(x).requires_grad_()
        loss = f_loss_t(y, target)
        (error,) = torch.autograd.grad(loss, y)
        model.learn(error)
        return loss, y

    T = _count_steps(x_seq, target_seq, 1)
    return _train(step, optimizer, x_seq, target_seq, online, range(T))


def _train(
    step: Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    x_seq: Tensor,
    target_seq: Tensor,
    online: bool,
    backward_at: Collection[int],
) -> tuple[Tensor, Tensor]:
    """Run the time steps; return the sum of the losses, and the outputs ``[B, T, ...]``.

    Outputs are written where they will stay. A list of small outputs, made between large tensors
    that come and go, would leave holes in the heap: resident memory would grow with T after all.
    """
    T = x_seq.shape[1]
    optimizer.zero_grad()
    for t in range(T):
        learns = t in backward_at
        if online:
            optimizer.zero_grad()
        loss, y = step(x_seq.select(1, t), target_seq.select(1, t).contiguous(), learns)
        loss, y = loss.detach(), y.detach()
        if online and learns:
            optimizer.step()
        if t == 0:
            total = torch.zeros_like(loss)
            outputs = torch.empty((len(y), T, *y.shape[1:]), dtype=y.dtype, device=y.device)
        total += loss
        outputs[:, t] = y
    if not online:
        optimizer.step()
    return total, outputs


def fptt_online_training_init_w_ra(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the running averages with which `fptt_online_training` begins.

    Returns:
        A copy of each parameter of the optimizer, in its order.
    """
    return [w.detach().clone() for w in _parameters(optimizer)]


def fptt_online_training(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    x_seq: Tensor,
    target_seq: Tensor,
    f_loss_t: Loss,
    alpha: float,
    w_ra: list[Tensor],
) -> None:
    """Train on one batch by FPTT: an update each time step, held to a running average.

    At each step but for the last, with ``g`` the gradient of the loss after the update, and
    ``g'`` that of the step before::

        loss(w) + alpha / 2 mean((w - w_ra - g' / (2 alpha))^2)      one step of the optimizer
        w_ra = (w_ra + w) / 2 - g / (2 alpha)

    The gradient ``g`` is taken at the state after the step, which is then restored.

    A. Kag, V. Saligrama: Training Recurrent Neural Networks via Forward Propagation Through
    Time, ICML 2021; for spikes: B. Yin, F. Corradi, S. M. Bohté, Nature Machine Intelligence 5
    (2023).

    Args:
        model: a single-step network.
        optimizer: of its parameters.
        x_seq: ``[T, B, ...]``.
        target_seq: ``[T, B, ...]``.
        f_loss_t: loss of one time step, of output and target ``[B, ...]``.
        alpha: strength of the hold, positive.
        w_ra: of `fptt_online_training_init_w_ra`; is changed, and goes into the next batch.

    Raises:
        ValueError: if ``x_seq`` and ``target_seq`` differ in T, alpha is not positive, or ``w_ra``
            is not of this optimizer.
    """
    T = _count_steps(x_seq, target_seq, 0)
    weights = _parameters(optimizer)
    if not alpha > 0:
        raise ValueError(f"fptt_online_training: alpha must be positive, got {alpha}")
    if [w.shape for w in weights] != [w.shape for w in w_ra]:
        raise ValueError(
            f"fptt_online_training: w_ra holds {len(w_ra)} tensors that are not like the "
            f"optimizer's {len(weights)} parameters; make it by fptt_online_training_init_w_ra"
        )
    gradients = [torch.zeros_like(w) for w in weights]
    for t in range(T):
        x, target = x_seq[t], target_seq[t]
        optimizer.zero_grad()
        loss = f_loss_t(model(x), target)
        for w, average, gradient in zip(weights, w_ra, gradients, strict=True):
            loss = loss + alpha / 2 * F.mse_loss(w, average + gradient / (2 * alpha))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        detach_net(model)
        optimizer.zero_grad()
        if t == T - 1:
            break
        state = extract_memories(model)
        f_loss_t(model(x), target).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            for i, w in enumerate(weights):
                gradients[i] = torch.zeros_like(w) if w.grad is None else w.grad
                w_ra[i] = (w_ra[i] + w) / 2 - gradients[i] / (2 * alpha)
        optimizer.zero_grad()
        load_memories(model, state)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [w for group in optimizer.param_groups for w in group["params"]]


def _count_steps(x_seq: Tensor, target_seq: Tensor, axis: int) -> int:
    """Return T; raise ValueError if it is 0, or inputs and targets differ in it or the batch."""
    order = "[B, T, ...]" if axis else "[T, B, ...]"
    lead = axis + 1
    fits = x_seq.ndim >= lead and x_seq.shape[:lead] == target_seq.shape[:lead]
    if not fits or x_seq.shape[axis] == 0:
        raise ValueError(
            f"online training: x_seq and target_seq must be {order} with the same lengths and "
            f"T >= 1, but have the shapes {tuple(x_seq.shape)} and {tuple(target_seq.shape)}"
        )
    return x_seq.shape[axis]
