"""The classic first SNN program: one layer of LIF neurons learns to read handwritten digits.

Each image is shown for T time steps. At each step a pixel fires with a probability equal to its
brightness, the spikes pass one fully connected layer, and ten leaky integrate-and-fire neurons
answer. The neuron that fires most names the digit. The firing rate over the T steps is regressed
to the one-hot label, and gradients flow through the spikes by a surrogate.

    python -m bitspike.examples.lif_fc_mnist                      trains
    python -m bitspike.examples.lif_fc_mnist -resume CHECKPOINT   goes on, to the bit
    python -m bitspike.examples.lif_fc_mnist -predict CHECKPOINT -image FILE_OR_INDEX

The network and the encoder are here; `_trainer` holds the training of a batch and an epoch,
`_program` the loop over epochs with checkpoints, metrics and pictures.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from bitspike import encoding, functional, layer, neuron, surrogate
from bitspike.datasets import Encoder
from bitspike.examples import _program
from bitspike.examples._pictures import CLASSES
from bitspike.examples._program import Program, load_data, respond
from bitspike.examples._trainer import State
from bitspike.examples._trainer import Trainer as _Trainer
from bitspike.training import seed_of
from bitspike.training._options import Options

__all__ = ["PROGRAM", "Trainer", "load_data", "main", "make_net", "respond"]

PROGRAM = "lif_fc_mnist"


def make_net(tau: float) -> nn.Sequential:
    """The network of the tutorial, multi-step: ``[T, B, 1, 28, 28]`` to ``[T, B, 10]``."""
    net = layer.FusedSequential(
        layer.Flatten(),
        layer.Linear(28 * 28, CLASSES, bias=False),
        neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan()),
    )
    functional.set_step_mode(net, "m")
    return net


def _make_net(options: Options) -> nn.Sequential:
    return make_net(options.tau)


class Trainer(_Trainer[Options]):
    """The tutorial's network, and the encoder that shows it images."""

    net: nn.Sequential

    def __init__(self, options: Options, device: torch.device) -> None:
        super().__init__(options, device)
        self.encoder = encoding.PoissonEncoder(step_mode="m")

    @staticmethod
    def make_net(options: Options) -> nn.Sequential:
        """The network."""
        return _make_net(options)

    @property
    def output(self) -> neuron.BaseNode:
        """The network's last layer."""
        last = self.net[-1]
        assert isinstance(last, neuron.BaseNode)  # noqa: S101
        return last

    def encoder_of(self, part: str) -> Encoder | None:
        """On the CPU the threads that prepare batches encode them; a GPU does it itself."""
        options = self.options
        if self.device.type != "cpu":
            return None
        seed = seed_of(options.seed, "epoch", len(self.history), part)
        return encoding.PoissonSequences(options.T, seed)

    def spikes(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Output spikes ``[T, B, 10]`` and input spikes ``[T, B, 1, 28, 28]``.

        Of images ``[B, 1, 28, 28]``, or of what `encoder_of` has made of them.
        """
        encoded = image.ndim == 5
        spikes = image if encoded else self.encoder(image.expand(self.options.T, *image.shape))
        return self.net(spikes), spikes


def load_state(path: Path, options: Options, given: frozenset[str]) -> tuple[Options, State]:
    """A checkpoint of this program's, wholly checked, and the options that it was made with."""
    return _program.load_state(path, PROGRAM, options, given, _make_net)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program with the arguments ``argv``; returns the exit code."""
    summary = (__doc__ or "").split("\n")[0]
    program = Program(PROGRAM, summary, Options, Trainer, _make_net, load_data, respond)
    return program.main(argv)


if __name__ == "__main__":
    raise SystemExit(main())
