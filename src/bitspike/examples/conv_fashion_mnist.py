"""The classic convolutional SNN: two convolutions with LIF neurons learn to tell clothes apart.

An image is no spike train: the first convolution and its normalisation turn it into currents, once,
and LIF neurons receive the same currents at each of T time steps (direct encoding). From there on
there are spikes: pooling, a second convolution with LIF neurons, a hidden layer, and a hundred
output neurons, ten of which vote for each class. Their firing rate is regressed to the one-hot
label. Images are shifted and mirrored at random in training, and the learning rate falls to zero
along a cosine.

    python -m bitspike.examples.conv_fashion_mnist                      trains
    python -m bitspike.examples.conv_fashion_mnist -resume CHECKPOINT   goes on, to the bit
    python -m bitspike.examples.conv_fashion_mnist -predict CHECKPOINT -image FILE_OR_INDEX

The network and the augmentation are here; `_trainer` holds the training of a batch and an epoch,
`_program` the loop over epochs with checkpoints, metrics and pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitspike import functional, layer, neuron, surrogate
from bitspike.examples import _program
from bitspike.examples._pictures import CLASSES
from bitspike.examples._program import Program, load_data, respond
from bitspike.examples._trainer import State
from bitspike.examples._trainer import Trainer as _Trainer
from bitspike.training._options import DATASETS, Options, option

PROGRAM = "conv_fashion_mnist"
HIDDEN = 512  # neurons between the convolutions and the output
VOTERS = 10  # output neurons a class
SHIFT = 2  # pixels by which an image is moved at most


@dataclass(frozen=True)
class ConvOptions(Options):
    """All options with their defaults. See ``-h`` for what they mean."""

    # The learning rate depends on the number of epochs, which therefore stays.
    free: ClassVar[frozenset[str]] = Options.free - {"epochs"}
    least: ClassVar[dict[str, int]] = {**Options.least, "channels": 1}
    named: ClassVar[tuple[str, ...]] = ("T", "b", "channels", "opt", "lr")
    letters: ClassVar[dict[str, str]] = {"channels": "c"}
    torch_shares: ClassVar[bool] = True

    T: int = option(4, "time steps an image is shown for", type=int)
    epochs: int = option(20, "train until this epoch; the learning rate ends at 0", type=int)
    j: int = option(1, "threads that prepare batches ahead; 0: none", type=int)
    threads: int = option(2, "threads that compute on the CPU", type=int)
    lr: float = option(2e-3, "learning rate at the start", type=float)
    dataset: str = option("fashion-mnist", "what to learn", choices=DATASETS)
    channels: int = option(
        32, "channels of the first convolution; the second has twice as many", type=int
    )

    @property
    def run_name(self) -> str:
        """Name of the run's folder."""
        return f"{PROGRAM}_{super().run_name}"


class ConvNet(nn.Module):
    """Images ``[B, 1, 28, 28]`` to spikes ``[T, B, 100]``.

    Args:
        T: time steps.
        channels: of the first convolution; the second has twice as many.
        tau: membrane time constant of the neurons, in time steps.
    """

    def __init__(self, T: int, channels: int, tau: float) -> None:
        super().__init__()
        self.T = T
        self.encode = nn.Sequential(
            layer.Conv2d(1, channels, 3, padding=1, bias=False), layer.BatchNorm2d(channels)
        )
        self.first = _lif(tau)
        self.rest = nn.Sequential(
            layer.MaxPool2d(2),
            layer.Conv2d(channels, 2 * channels, 3, padding=1, bias=False),
            layer.BatchNorm2d(2 * channels),
            _lif(tau),
            layer.MaxPool2d(2),
            layer.Flatten(),
            layer.Dropout(0.2),
            layer.Linear(2 * channels * 7 * 7, HIDDEN, bias=False),
            _lif(tau),
            layer.Dropout(0.2),
            layer.Linear(HIDDEN, CLASSES * VOTERS, bias=False),
            _lif(tau),
        )
        for part in (self.first, self.rest):
            functional.set_step_mode(part, "m")

    def first_spikes(self, image: Tensor) -> Tensor:
        """Spikes of the first layer, ``[T, B, channels, 28, 28]``."""
        current = self.encode(image)
        spikes: Tensor = self.first(current.expand(self.T, *current.shape))
        return spikes

    def forward(self, image: Tensor) -> Tensor:
        """Spikes of the last layer, ``[T, B, 100]``."""
        spikes: Tensor = self.rest(self.first_spikes(image))
        return spikes


def _lif(tau: float) -> neuron.LIFNode:
    return neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan(), detach_reset=True)


def augment(image: Tensor) -> Tensor:
    """Each image of ``[B, 1, H, W]`` moved by up to two pixels, every second one mirrored."""
    B, _, H, W = image.shape
    down, right = torch.randint(0, 2 * SHIFT + 1, (2, B, 1), device=image.device)
    mirrored = torch.rand(B, 1, device=image.device) < 0.5
    rows, columns = torch.arange(H, device=image.device), torch.arange(W, device=image.device)
    rows = rows + down
    columns = torch.where(mirrored, columns.flip(0), columns) + right
    padded = F.pad(image, (SHIFT, SHIFT, SHIFT, SHIFT))[:, 0]
    samples = torch.arange(B, device=image.device).view(B, 1, 1)
    return padded[samples, rows.unsqueeze(2), columns.unsqueeze(1)].unsqueeze(1)


class Trainer(_Trainer[ConvOptions]):
    """The convolutional network, with augmentation and a learning rate that falls."""

    net: ConvNet
    eval_batch = 100

    @staticmethod
    def make_net(options: ConvOptions) -> ConvNet:
        """The network."""
        return ConvNet(options.T, options.channels, options.tau)

    @property
    def output(self) -> neuron.BaseNode:
        """The network's last layer."""
        last = self.net.rest[-1]
        assert isinstance(last, neuron.BaseNode)  # noqa: S101
        return last

    def begin_batch(self, batches: int) -> None:
        """Sets the learning rate: half a cosine over all batches of all epochs."""
        over = (len(self.history) * batches + self.batch) / (self.options.epochs * batches)
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.lr * 0.5 * (1 + math.cos(math.pi * over))

    def spikes(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Spikes of the last layer ``[T, B, 100]`` and of the first one."""
        spikes = self.net.first_spikes(augment(image) if self.net.training else image)
        return self.net.rest(spikes), spikes


def load_state(
    path: Path, options: ConvOptions, given: frozenset[str]
) -> tuple[ConvOptions, State]:
    """A checkpoint of this program's, wholly checked, and the options that it was made with."""
    return _program.load_state(path, PROGRAM, options, given, Trainer.make_net)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program with the arguments ``argv``; returns the exit code."""
    summary = (__doc__ or "").split("\n")[0]
    program = Program(PROGRAM, summary, ConvOptions, Trainer, Trainer.make_net, load_data, respond)
    return program.main(argv)


if __name__ == "__main__":
    raise SystemExit(main())
