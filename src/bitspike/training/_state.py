"""The state of a training run: what a checkpoint holds, and how training goes on from it."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn, optim

from bitspike.training._metrics import EpochMetrics, RateMeter
from bitspike.training._precision import Precision
from bitspike.training._random_state import random_state, restore_random_state


@dataclass
class TrainingState:
    """Everything that a classifier's training needs to go on to the bit.

    Attributes:
        options: those that decide what is learned, from `BaseOptions.trajectory`.
        net: the network.
        optimizer: its optimizer.
        precision: full or mixed, with the scaler of the loss.
        meter: sums over the batches of the current epoch.
        batch: number of batches of the current epoch that are over.
        history: figures of the epochs that are over.
    """

    options: dict[str, Any]
    net: nn.Module
    optimizer: optim.Optimizer
    precision: Precision
    meter: RateMeter
    batch: int = 0
    history: list[EpochMetrics] = field(default_factory=list)

    @property
    def best(self) -> EpochMetrics:
        """The epoch of the best test accuracy, the first of several equal ones."""
        return max(self.history, key=lambda row: row.test_acc)

    def end_epoch(self, row: EpochMetrics) -> None:
        """Append an epoch's figures to the history, and start the next epoch."""
        self.history.append(row)
        self.batch = 0
        self.meter.reset()

    def check_finite(self) -> None:
        """Raise FloatingPointError if the loss or a weight is infinite or NaN."""
        weights = all(bool(p.isfinite().all()) for p in self.net.parameters())
        if not (weights and self.meter.loss < float("inf")):
            raise FloatingPointError(
                f"the {'loss' if weights else 'weights'} became infinite or NaN in epoch "
                f"{len(self.history) + 1}"
            )

    def state_dict(self) -> dict[str, Any]:
        """Return everything that `load_state_dict` needs, for `save_checkpoint`."""
        return {
            "options": self.options,
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "history": [vars(row) for row in self.history],
            "batch": self.batch,
            "meter": self.meter.state_dict(),
            "random": random_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where `state_dict` was called; `read_checkpoint` has checked ``state``."""
        self.net.load_state_dict(state["net"])
        # Except for the learning rate, the optimizer's settings are those of the options, this
        # device and this version of torch. Tensors are copied: those of a file may share memory.
        saved = state["optimizer"]
        groups = [
            {**new, "lr": old["lr"]}
            for new, old in zip(
                self.optimizer.state_dict()["param_groups"], saved["param_groups"], strict=True
            )
        ]
        kept = {
            index: {name: v if v is None else v.clone() for name, v in values.items()}
            for index, values in saved["state"].items()
        }
        self.optimizer.load_state_dict({"state": kept, "param_groups": groups})
        if state["scaler"]:  # empty where mixed precision does not scale the loss
            self.precision.scaler.load_state_dict(state["scaler"])
        self.history = [EpochMetrics(**row) for row in state["history"]]
        self.batch = state["batch"]
        self.meter.load_state_dict(state["meter"])
        restore_random_state(state["random"])
