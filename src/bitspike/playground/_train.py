"""Training a network in seconds, when there is none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812

from bitspike import encoding, functional
from bitspike.datasets import Batches, ImageDataset
from bitspike.playground._model import make_net
from bitspike.training import save_checkpoint


@dataclass(frozen=True)
class Recipe:
    """How the playground trains: the tutorial's network with fewer steps and a higher rate."""

    T: int = 50
    tau: float = 2.0
    epochs: int = 1
    batch: int = 64
    lr: float = 2e-3
    seed: int = 0


class StoppedError(Exception):
    """Training was asked to stop."""


def train(
    dataset: ImageDataset, path: Path, recipe: Recipe, progress: Callable[[float], bool]
) -> None:
    """Trains the tutorial's network and writes it to ``path``.

    Args:
        dataset: what to learn, for example ``MNIST()``.
        path: where the checkpoint goes; its folder is made.
        recipe: how.
        progress: told the share that is over, after each batch; returns False to stop.

    Raises:
        StoppedError: if ``progress`` returned False.
        OSError: if the checkpoint cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        net = make_net(recipe.tau)
    encoder = encoding.PoissonEncoder("m", torch.Generator().manual_seed(recipe.seed))
    optimizer = torch.optim.Adam(net.parameters(), lr=recipe.lr)
    for epoch in range(recipe.epochs):
        batches = Batches(
            dataset, recipe.batch, shuffle=True, seed=recipe.seed, epoch=epoch, workers=1
        )
        for number, (image, label) in enumerate(batches, 1):
            rate = net(encoder(image.expand(recipe.T, *image.shape))).mean(0)
            loss = F.mse_loss(rate, F.one_hot(label, 10).to(rate.dtype))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            functional.reset_net(net)
            if not progress((epoch + number / len(batches)) / recipe.epochs):
                raise StoppedError
    options = {"T": recipe.T, "tau": recipe.tau, "dataset": "mnist"}
    save_checkpoint(path, "playground", {"options": options, "net": net.state_dict()})
