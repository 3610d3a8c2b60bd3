"""The programs' pictures, arrays and TensorBoard entries."""

import math
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from bitspike import visualizing
from bitspike._files import atomic
from bitspike.training import EpochMetrics
from bitspike.training._options import OptionError

mpl.use("Agg")  # the programs only write files: never open a window

CLASSES = 10


def votes(rate: Tensor) -> Tensor:
    """Firing rates of the classes ``[B, 10]`` from those of the neurons ``[B, N]``.

    The neurons of a class are neighbours; their rates are averaged.
    """
    return rate if rate.shape[1] == CLASSES else rate.reshape(len(rate), CLASSES, -1).mean(2)


@dataclass(frozen=True)
class Answer:
    """What the network did with one image.

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
        """The class whose neurons fired most."""
        return int(self.firing_rate.argmax())


@contextmanager
def event_log(folder: Path, first_epoch: int) -> Iterator[SummaryWriter]:
    """TensorBoard's log of a run, what a killed run wrote of later epochs left out.

    Raises:
        OSError: if it cannot be written, as on a full disk.
    """
    # The writer has a thread of its own, and hands its errors to the next call. That Python prints
    # them with a traceback as well helps nobody.
    before = threading.excepthook

    def quiet(failed: threading.ExceptHookArgs) -> None:
        if not isinstance(failed.exc_value, OSError):
            before(failed)

    threading.excepthook = quiet
    try:
        with SummaryWriter(str(folder), purge_step=first_epoch) as writer:
            yield writer
    finally:
        threading.excepthook = before


def log_epoch(writer: SummaryWriter, row: EpochMetrics) -> None:
    """Writes one epoch's figures, by number of the epoch."""
    for name, value in asdict(row).items():
        if name != "epoch":
            writer.add_scalar(name, value, row.epoch)
    writer.flush()


def draw_membranes(answer: Answer) -> Figure:
    """Membrane potentials of the output layer over time."""
    figure, _ = visualizing.plot_2d_heatmap(
        answer.v_seq,
        title="Membrane potentials of the output layer",
        xlabel="simulating step",
        ylabel="neuron index",
        x_max=len(answer.v_seq),
    )
    return figure


def draw_spikes(answer: Answer) -> Figure:
    """Spikes of the output layer."""
    figure, _ = visualizing.plot_1d_spikes(
        answer.s_seq,
        title="Spikes of the output layer",
        xlabel="simulating step",
        ylabel="neuron index",
    )
    return figure


def save_answer(folder: Path, answer: Answer) -> dict[str, Path]:
    """Draws membrane potentials and spikes of the output layer."""
    folder.mkdir(parents=True, exist_ok=True)
    voltage, spikes = draw_membranes(answer), draw_spikes(answer)
    paths = {"voltage": folder / "voltage.png", "spikes": folder / "spikes.png"}
    visualizing.save(voltage, paths["voltage"])
    visualizing.save(spikes, paths["spikes"])
    return paths


def save_all(
    folder: Path, answer: Answer, history: Sequence[EpochMetrics], writer: SummaryWriter
) -> None:
    """Writes the arrays and all pictures of a run, and the pictures to TensorBoard as well."""
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


def draw_input(answer: Answer) -> Figure:
    """The image and its spikes, or the firing rates of the maps that a layer makes of it."""
    maps = answer.input_spikes.shape[1] // answer.image.numel()
    if maps == 1:
        return visualizing.plot_input(answer.image, answer.input_spikes)
    columns = next(n for n in range(math.isqrt(maps), 0, -1) if maps % n == 0)
    rates = answer.input_spikes.mean(0).reshape(maps, *answer.image.shape)
    title = "Firing rates of the first layer"
    figure, _ = visualizing.plot_2d_feature_map(rates, columns, maps // columns, 1, title)
    return figure


def image_number(text: str) -> int | None:
    """The number of a test image; None if it is the name of a file."""
    # Python refuses to read an integer of more than 4,300 digits.
    return int(text) if text.isdecimal() and len(text) < 4000 else None


# What people have. Pillow knows some forty more, among them one that starts other programs (EPS).
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")


@contextmanager
def opened(source: str | BinaryIO) -> Iterator[Image.Image]:
    """A picture of one of the usual forms that is not absurdly large, nothing decoded yet.

    Raises:
        OSError, ValueError, and whatever else Pillow raises: if it is none.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(source, formats=_FORMATS) as picture:
            yield picture


def read(path: str) -> Tensor:
    """A picture file as ``[1, 1, 28, 28]`` in [0, 1], bright strokes on a dark ground.

    Raises:
        OptionError: if there is no such file, or it is no picture.
    """
    try:
        with opened(path) as picture:
            return whole(gray(picture))
    except FileNotFoundError as error:
        raise OptionError(f"-image {path}: no such file, and not the number of an image") from error
    except Exception as error:  # what a damaged picture raises can be anything
        raise OptionError(f"-image {path} cannot be read as a picture: {error}") from error


def whole(picture: Image.Image) -> Tensor:
    """A grey picture as ``[1, 1, 28, 28]`` in [0, 1], bright strokes on a dark ground."""
    small = picture.resize((28, 28), Image.Resampling.LANCZOS)
    image = torch.from_numpy(np.array(small)).float().div_(255)
    border = torch.cat([image[0], image[-1], image[:, 0], image[:, -1]])
    if border.mean() > 0.5:
        image = 1 - image  # dark ink on bright paper
    return image.reshape(1, 1, 28, 28)


def gray(picture: Image.Image) -> Image.Image:
    """``picture`` in 256 shades of grey, what is transparent on white paper."""
    if picture.mode.startswith("I;16"):  # Pillow would clip these
        return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    if picture.has_transparency_data:
        ink = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", ink.size, "white"), ink)
    return picture.convert("L")
