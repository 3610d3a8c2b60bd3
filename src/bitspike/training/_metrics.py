"""Metrics of rate-coded classification, kept on the device and read once an epoch."""

import csv
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor

from bitspike._files import atomic

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CLASSES = 10  # of MNIST and its kin


def votes(rate: Tensor) -> Tensor:
    """Return firing rates of the classes ``[B, 10]`` from those of the neurons ``[B, N]``.

    The neurons of a class are neighbours; their rates are averaged.
    """
    return rate if rate.shape[1] == CLASSES else rate.reshape(len(rate), CLASSES, -1).mean(2)


class RateMeter:
    """Sums over batches: loss, right answers, and the firing rate of every output neuron.

    Batches wait to be added up together, since their sums take a good part of the time of a small
    training step. In float64 the sums of such numbers are exact, so that waiting changes nothing.

    Args:
        device: where the rates are; nothing is copied off it before a property is read.
    """

    _SATURATED = 0.95
    _WAITING = 64  # batches

    def __init__(self, device: torch.device) -> None:
        dtype = torch.float32 if device.type == "mps" else torch.float64  # MPS has no float64
        self._loss = torch.zeros((), dtype=dtype, device=device)
        self._right = torch.zeros((), dtype=torch.int64, device=device)
        self._rate: Tensor | None = None
        self._waiting: list[tuple[Tensor, Tensor, Tensor]] = []
        self.images = 0

    def reset(self) -> None:
        """Forget all batches."""
        self._waiting.clear()
        self._loss.zero_()
        self._right.zero_()
        self._rate = None
        self.images = 0

    def add(self, rate: Tensor, loss: Tensor, label: Tensor) -> None:
        """Count one batch, whose tensors must not be written into afterwards.

        Args:
            rate: firing rates of the output neurons, ``[B, N]``.
            loss: the batch's mean loss, a scalar.
            label: class of each image, ``[B]``.
        """
        self._waiting.append((rate.detach(), loss.detach(), label))
        self.images += len(label)
        if len(self._waiting) == self._WAITING:
            self._add_up()

    @torch.no_grad()
    def _add_up(self) -> None:
        if not self._waiting:
            return
        rates, losses, labels = zip(*self._waiting, strict=True)
        self._waiting.clear()
        dtype, device = self._loss.dtype, self._loss.device
        sizes = torch.tensor([len(label) for label in labels], dtype=dtype, device=device)
        rate, label = torch.cat(rates), torch.cat(labels)
        self._loss += (torch.stack(losses).to(dtype) * sizes).sum()
        self._right += (rate.argmax(1) == label).sum()
        total = rate.to(dtype).sum(0)
        self._rate = total if self._rate is None else self._rate + total

    @property
    def loss(self) -> float:
        """Mean loss an image."""
        self._add_up()
        return float(self._loss) / self.images

    @property
    def accuracy(self) -> float:
        """Share of right answers in [0, 1]."""
        self._add_up()
        return int(self._right) / self.images

    @property
    def neuron_rate(self) -> Tensor:
        """Mean firing rate of each output neuron, ``[N]``."""
        self._add_up()
        if self._rate is None:
            raise ValueError("RateMeter: no batch has been added yet")
        return self._rate / self.images

    @property
    def firing_rate(self) -> float:
        """Mean firing rate over all output neurons."""
        return float(self.neuron_rate.mean())

    @property
    def dead(self) -> float:
        """Share of output neurons that never fired."""
        return float((self.neuron_rate == 0).double().mean())

    @property
    def saturated(self) -> float:
        """Share of output neurons that fired in at least 95 % of all steps."""
        return float((self.neuron_rate >= self._SATURATED).double().mean())

    def state_dict(self) -> dict[str, Tensor | int | None]:
        """Return the sums, for a checkpoint in the middle of an epoch."""
        self._add_up()
        return {
            "loss": self._loss.clone(),
            "right": self._right.clone(),
            "rate": self._rate,
            "images": self.images,
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Put back what `state_dict` returned."""
        self._waiting.clear()
        self._loss.copy_(state["loss"])
        self._right.copy_(state["right"])
        self._rate = None if state["rate"] is None else state["rate"].to(self._loss.device)
        self.images = int(state["images"])


@dataclass(frozen=True)
class EpochMetrics:
    """One row of ``metrics.csv``: losses, accuracies and firing of one epoch.

    Attributes:
        epoch: number of the epoch, from 1.
        train_loss: mean loss over the epoch's training images.
        train_acc: share of right answers among them, in [0, 1].
        test_loss: mean loss over the test images after the epoch.
        test_acc: share of right answers among them.
        firing_rate: mean output spikes a neuron a step on the test images.
        dead: share of output neurons that never fired on the test images.
        saturated: share of output neurons that fired in at least 95 % of all steps.
        train_images_per_s: training speed; this and ``seconds`` differ from run to run.
        seconds: wall-clock time of the epoch, evaluation included.
    """

    epoch: int
    train_loss: float
    train_acc: float
    test_loss: float
    test_acc: float
    firing_rate: float
    dead: float
    saturated: float
    train_images_per_s: float
    seconds: float

    @classmethod
    def of(
        cls, epoch: int, train: RateMeter, test: RateMeter, images_per_s: float, seconds: float
    ) -> Self:
        """Return the row of an epoch from what was counted in training and in evaluation."""
        return cls(
            epoch,
            train.loss,
            train.accuracy,
            test.loss,
            test.accuracy,
            test.firing_rate,
            test.dead,
            test.saturated,
            images_per_s,
            seconds,
        )


def write_csv(
    path: str | os.PathLike[str],
    rows: Sequence["DataclassInstance"],
    row_class: type["DataclassInstance"] = EpochMetrics,
) -> None:
    """Write all rows at once, so that no row can be missing or double after a resume."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(row_class)])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)
