"""The tutorial's network, as the playground shows it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from bitspike import encoding, functional, layer, neuron, surrogate
from bitspike.examples.lif_fc_mnist import Options
from bitspike.training import CheckpointError, load_checkpoint, read_network

PROGRAMS = ("lif_fc_mnist", "playground")
"""Whose checkpoints can be shown."""

_BEST, _LATEST = "checkpoint_max.pth", "checkpoint_latest.pth"


def make_net(tau: float) -> nn.Sequential:
    """One layer of ten LIF neurons, multi-step: ``[T, B, 1, 28, 28]`` to ``[T, B, 10]``."""
    net = nn.Sequential(
        layer.Flatten(),
        layer.Linear(28 * 28, 10, bias=False),
        neuron.LIFNode(tau, surrogate_function=surrogate.ATan()),
    )
    functional.set_step_mode(net, "m")
    return net


@dataclass(frozen=True)
class Answer:
    """What a network did with one image.

    Attributes:
        input_spikes: bool ``[T, 784]``.
        v_seq: membrane potentials after each step, float32 ``[T, 10]``.
        spikes: bool ``[T, 10]``.
    """

    input_spikes: npt.NDArray[np.bool_]
    v_seq: npt.NDArray[np.float32]
    spikes: npt.NDArray[np.bool_]

    @property
    def counts(self) -> list[int]:
        """Spikes of each output neuron."""
        return [int(count) for count in self.spikes.sum(0)]

    @property
    def predicted(self) -> int | None:
        """The neuron that fired most, the first of several equal ones; None if none fired."""
        counts = self.counts
        return counts.index(max(counts)) if any(counts) else None


class Model:
    """A trained network and what the page says about it.

    Args:
        name: as it stands in the page's list.
        net: from `make_net`.
        T: time steps that it was trained with.
        tau: membrane time constant that it was trained with.
        dataset: what it learned: ``'mnist'`` or ``'fashion-mnist'``.
    """

    def __init__(self, name: str, net: nn.Sequential, T: int, tau: float, dataset: str) -> None:
        self.name, self.T, self.tau, self.dataset = name, T, tau, dataset
        self._net = net.eval()
        last = net[-1]
        assert isinstance(last, neuron.LIFNode)  # noqa: S101
        self._output = last
        self._output.store_v_seq = True

    @torch.no_grad()
    def respond(self, image: Tensor, T: int, tau: float, v_threshold: float, seed: int) -> Answer:
        """Presents an image ``[28, 28]`` for T steps. Not for several threads at a time."""
        self._output.tau, self._output.v_threshold = tau, v_threshold
        encoder = encoding.PoissonEncoder("m", torch.Generator().manual_seed(seed))
        try:
            x = encoder(image.expand(T, 1, 1, 28, 28))
            spikes = self._net(x)
            return Answer(
                input_spikes=x.reshape(T, 784).numpy() > 0,
                v_seq=torch.as_tensor(self._output.v_seq).reshape(T, 10).numpy(),
                spikes=spikes.reshape(T, 10).numpy() > 0,
            )
        finally:
            functional.reset_net(self._net)


def read(path: Path, name: str) -> Model:
    """The network of a checkpoint, checked before any of it is used.

    Raises:
        CheckpointError: if it is damaged, or not one of `PROGRAMS`'.
    """
    content = _content(path)
    options, weights = read_network(
        path, content, Options, ("T", "tau", "dataset"), lambda options: make_net(options.tau)
    )
    net = make_net(options.tau)
    net.load_state_dict(weights)
    return Model(name, net, options.T, options.tau, options.dataset)


def _content(path: Path) -> dict[str, Any]:
    for program in PROGRAMS[:-1]:
        try:
            return load_checkpoint(path, program)
        except CheckpointError:
            continue
    return load_checkpoint(path, PROGRAMS[-1])


def find(folder: Path) -> list[Path]:
    """The best checkpoint of each run in ``folder``, which may be a run's folder itself."""
    runs = [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]
    return [path for path in map(_of_run, runs) if path]


def _of_run(folder: Path) -> Path | None:
    for name in (_BEST, _LATEST):
        if (folder / name).is_file():
            return folder / name
    return None
