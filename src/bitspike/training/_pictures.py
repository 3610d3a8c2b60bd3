"""A network's answer to an image, and the pictures, arrays and TensorBoard entries of a run."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bitspike import functional, neuron, visualizing
from bitspike._files import atomic
from bitspike._terminal import say
from bitspike.training._metrics import EpochMetrics, votes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from matplotlib.figure import Figure
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True)
class Answer:
    """The answer of a network to one image.

    Attributes:
        image: ``[28, 28]`` in [0, 1].
        input_spikes: ``[T, C * 784]``, those of the image, or of C maps that a layer makes of it.
        v_seq: membrane potentials of the output layer after each step, ``[T, N]``.
        s_seq: its spikes, ``[T, N]``; N is a multiple of 10, neighbours vote for a class.
    """

    image: Tensor
    input_spikes: Tensor
    v_seq: Tensor
    s_seq: Tensor

    @property
    def firing_rate(self) -> Tensor:
        """Firing rates of the classes, ``[1, 10]``."""
        return votes(self.s_seq.mean(0, keepdim=True))

    @property
    def predicted(self) -> int:
        """The class whose neurons fired most, the first of several equal ones."""
        return int(self.firing_rate.argmax())


def output_layer(net: nn.Module) -> neuron.BaseNode:
    """Return the last layer of neurons in a network."""
    return [module for module in net.modules() if isinstance(module, neuron.BaseNode)][-1]


@torch.no_grad()
def record_answer(
    net: nn.Module, image: Tensor, forward: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> Answer:
    """Return what a network does with one image ``[1, 1, 28, 28]``, and leave it as it was.

    Args:
        net: the network, whose last layer is one of neurons.
        image: the image.
        forward: runs the network; returns its output spikes ``[T, 1, N]`` and its input spikes.
    """
    output = output_layer(net.eval())
    output.store_v_seq = True
    try:
        s_seq, input_spikes = forward(image.to(next(net.parameters()).device))
        return Answer(
            image=image[0, 0].cpu(),
            input_spikes=input_spikes[:, 0].flatten(1).cpu(),
            v_seq=torch.as_tensor(output.v_seq)[:, 0].cpu(),
            s_seq=s_seq[:, 0].cpu(),
        )
    finally:
        output.store_v_seq = False
        functional.reset_net(net)


def draw_membranes(answer: Answer) -> "Figure":
    """Draw the membrane potentials of the output layer over time."""
    figure, _ = visualizing.plot_2d_heatmap(
        answer.v_seq,
        title="Membrane potentials of the output layer",
        xlabel="simulating step",
        ylabel="neuron index",
        x_max=len(answer.v_seq),
    )
    return figure


def draw_spikes(answer: Answer) -> "Figure":
    """Draw the spikes of the output layer."""
    figure, _ = visualizing.plot_1d_spikes(
        answer.s_seq,
        title="Spikes of the output layer",
        xlabel="simulating step",
        ylabel="neuron index",
    )
    return figure


def draw_input(answer: Answer) -> "Figure":
    """Draw the image and its spikes, or the firing rates of the maps that a layer makes of it."""
    maps = answer.input_spikes.shape[1] // answer.image.numel()
    if maps == 1:
        return visualizing.plot_input(answer.image, answer.input_spikes)
    columns = next(n for n in range(math.isqrt(maps), 0, -1) if maps % n == 0)
    rates = answer.input_spikes.mean(0).reshape(maps, *answer.image.shape)
    title = "Firing rates of the first layer"
    figure, _ = visualizing.plot_2d_feature_map(rates, columns, maps // columns, 1, title)
    return figure


def save_answer(folder: Path, answer: Answer) -> dict[str, Path]:
    """Draw membrane potentials and spikes of the output layer; return the paths by name."""
    folder.mkdir(parents=True, exist_ok=True)
    voltage, spikes = draw_membranes(answer), draw_spikes(answer)
    paths = {"voltage": folder / "voltage.png", "spikes": folder / "spikes.png"}
    visualizing.save(voltage, paths["voltage"])
    visualizing.save(spikes, paths["spikes"])
    return paths


def save_pictures(
    folder: Path, answer: Answer, history: Sequence[EpochMetrics], writer: "SummaryWriter"
) -> None:
    """Write the arrays and all pictures of a run, and the pictures to TensorBoard as well."""
    from PIL import Image

    for name, array in (("v_t_array", answer.v_seq), ("s_t_array", answer.s_seq)):
        with atomic(folder / f"{name}.npy") as temporary:
            np.save(temporary, array.numpy())
    paths = save_answer(folder, answer)
    paths["input"] = folder / "input.png"
    visualizing.save(draw_input(answer), paths["input"])
    if history:
        paths["accuracy"] = folder / "accuracy.png"
        train, test = [row.train_acc for row in history], [row.test_acc for row in history]
        visualizing.save(visualizing.plot_accuracy(train, test), paths["accuracy"])
    for name, path in paths.items():
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        writer.add_image(name, pixels, len(history), dataformats="HWC")


def show_answer(folder: Path, answer: Answer, name: str) -> None:
    """Print the answer to an image and draw it into ``folder``."""
    paths = save_answer(folder, answer)
    say(f"Firing rate: {answer.firing_rate.numpy()}")
    say(f"Class: {answer.predicted} ({name})")
    say(f"Pictures: {paths['voltage']} {paths['spikes']}")


@contextmanager
def event_log(folder: Path, first_epoch: int) -> Iterator["SummaryWriter"]:
    """Yield TensorBoard's log of a run, without what a killed run wrote of later epochs.

    Raises:
        OSError: if it cannot be written, as on a full disk.
    """
    from torch.utils.tensorboard import SummaryWriter

    # The writer has a thread of its own, and hands its errors to the next call. Python would
    # print them with a traceback as well.
    before = threading.excepthook

    def quiet(failed: Any) -> None:
        if not isinstance(failed.exc_value, OSError):
            before(failed)

    threading.excepthook = quiet
    try:
        with SummaryWriter(str(folder), purge_step=first_epoch) as writer:
            yield writer
    finally:
        threading.excepthook = before


def log_epoch(writer: "SummaryWriter", row: "DataclassInstance") -> None:
    """Write one epoch's figures, by number of the epoch."""
    figures = asdict(row)
    epoch = figures.pop("epoch")
    for name, value in figures.items():
        writer.add_scalar(name, value, epoch)
    writer.flush()
