"""The same networks in bitspike and in SpikingJelly."""

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import spikingjelly.activation_based as peer
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

import bitspike

LIBRARIES: dict[str, Any] = {"bitspike": bitspike, "SpikingJelly": peer}


def modules(library: str) -> tuple[ModuleType, ...]:
    """``encoding, functional, layer, neuron, surrogate`` of a library."""
    names = ("encoding", "functional", "layer", "neuron", "surrogate")
    root = LIBRARIES[library]
    return tuple(__import__(f"{root.__name__}.{name}", fromlist=[name]) for name in names)


def fully_connected(library: str, sizes: list[int], step_mode: str) -> nn.Module:
    """Flatten, then Linear and LIF for each size; the same weights whatever the library."""
    _, functional, layer, neuron, surrogate = modules(library)
    torch.manual_seed(0)
    parts: list[nn.Module] = [layer.Flatten()]
    for inputs, outputs in itertools.pairwise(sizes):
        lif = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan())
        parts += [layer.Linear(inputs, outputs, bias=False), lif]
    net = nn.Sequential(*parts)
    functional.set_step_mode(net, step_mode)
    return net


def rate_function(
    library: str, net: nn.Module, step_mode: str, T: int
) -> Callable[[Tensor], Tensor]:
    """Poisson encoding, network, firing rate ``[B, N]``, as the library's tutorial does it."""
    encoding, functional, *_ = modules(library)
    encoder = encoding.PoissonEncoder(step_mode=step_mode)

    def single(image: Tensor) -> Tensor:
        total: Any = 0.0
        for _ in range(T):
            total = total + net(encoder(image))
        functional.reset_net(net)
        return total / T  # type: ignore[no-any-return]

    def multi(image: Tensor) -> Tensor:
        rate: Tensor = net(encoder(image.expand(T, *image.shape))).mean(0)
        functional.reset_net(net)
        return rate

    return single if step_mode == "s" else multi


def train_step(
    library: str, sizes: list[int], step_mode: str, T: int, image: Tensor, label: Tensor
) -> Callable[[], Tensor]:
    """One step of training: forward, MSE with the one-hot label, backward, Adam, reset."""
    net = fully_connected(library, sizes, step_mode)
    rate = rate_function(library, net, step_mode, T)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    target = F.one_hot(label, sizes[-1]).float()

    def step() -> Tensor:
        loss = F.mse_loss(rate(image), target)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    return step


def inference_step(
    library: str, sizes: list[int], step_mode: str, T: int, image: Tensor
) -> Callable[[], Tensor]:
    """Firing rates without gradients."""
    net = fully_connected(library, sizes, step_mode)
    rate = rate_function(library, net, step_mode, T)
    return torch.no_grad()(lambda: rate(image))
