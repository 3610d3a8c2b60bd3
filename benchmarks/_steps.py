"""A step of training or inference, and the check that all libraries compute the same."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from benchmarks._data import batch
from benchmarks.libraries import Bitspike, Network

Rate = Callable[[Tensor], Tensor]
"""Firing rates ``[B, N]`` of the input of a step: images, or spikes."""

TOLERANCE = 2e-3
"""Share of output spikes that may differ, since rounding decides at the threshold."""


def train_step(
    network: Network, rate: Rate, image: Tensor, label: Tensor, lr: float = 0.0
) -> Callable[[], Tensor]:
    """A training step: forward, MSE with the one-hot label, backward, Adam.

    With a learning rate of 0 Adam does all its work and the weights stay as they are, so that
    the last call measures the same network, with the same firing rates, as the first.
    """
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, fused=True)

    def step() -> Tensor:
        network.train()
        return learn(optimizer, rate(image), label)

    return step


def learn(optimizer: torch.optim.Optimizer, rate: Tensor, label: Tensor) -> Tensor:
    """Fit the rates ``[B, N]`` to the one-hot label by MSE in a step; return the loss."""
    loss = F.mse_loss(rate, F.one_hot(label, rate.shape[-1]).float())
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return loss.detach()


def inference_step(network: Network, rate: Rate, image: Tensor) -> Callable[[], Tensor]:
    """Return firing rates without gradients."""

    @torch.no_grad()
    def step() -> Tensor:
        network.train(False)
        return rate(image)

    return step


def warm_up(
    networks: Mapping[str, Network], T: int, size: int, steps: int, coding: str = "poisson"
) -> None:
    """Give all networks the weights of a network that was trained for a few steps.

    Fresh weights leave hidden layers silent, and silent layers are cheap on events.
    """
    trained = next(one for one in networks.values() if isinstance(one, Bitspike))
    trained.train()
    optimizer = torch.optim.Adam(trained.parameters(), lr=1e-3, fused=True)
    images, labels = batch(size * steps)
    for start in range(0, len(images), size):
        image, label = images[start : start + size], labels[start : start + size]
        learn(optimizer, trained.rate(image, T, coding), label)
    for network in networks.values():
        if network is not trained:
            network.copy_from(trained)


@torch.no_grad()
def check_same_spikes(networks: Mapping[str, Network], x_seq: Tensor) -> float:
    """Check that all networks return the same spikes for the same input.

    Returns:
        The firing rate of the output.

    Raises:
        AssertionError: if they differ, or if there is no spike to compare.
    """
    answers = {}
    for name, network in networks.items():
        network.train(False)
        answers[name] = torch.as_tensor(network.spikes(x_seq))
    first = next(iter(answers))
    rate = float(answers[first].mean())
    if not 0 < rate < 1:
        raise AssertionError(f"{first}: a firing rate of {rate} is no test")
    for name, spikes in answers.items():
        share = float((answers[first] != spikes).float().mean())
        if share > TOLERANCE:
            raise AssertionError(f"{share:.2%} of the output spikes of {first} and {name} differ")
    return rate
