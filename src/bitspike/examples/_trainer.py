"""What the programs train with: network, optimizer, metrics, and how they become a checkpoint."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitspike import functional, neuron
from bitspike.datasets import Batches, Encoder, ImageDataset
from bitspike.examples._pictures import CLASSES, votes
from bitspike.training import (
    EpochMetrics,
    Precision,
    RateMeter,
    Screen,
    StopRequest,
    random_state,
    restore_random_state,
    seed_everything,
)
from bitspike.training._contents import (
    check_meter,
    check_net,
    check_optimizer,
    check_scaler,
    entries,
    history,
    integer,
    plain,
    unbuilt,
)
from bitspike.training._options import Options
from bitspike.training._random_state import check_random_state

State = dict[str, Any]
Kind = TypeVar("Kind", bound=Options)


def make_optimizer(options: Options, net: nn.Module, device: torch.device) -> torch.optim.Optimizer:
    """SGD with momentum, or Adam."""
    if options.opt == "sgd":
        return torch.optim.SGD(net.parameters(), lr=options.lr, momentum=options.momentum)
    fused = device.type in ("cpu", "cuda")  # one pass over the weights
    return torch.optim.Adam(net.parameters(), lr=options.lr, fused=fused)


def check_state(state: State, options: Any, make_net: Callable[[Any], nn.Module]) -> State:
    """The content of a checkpoint, after comparison with what the program builds.

    Nothing of it is used, and nothing of its size is allocated, before all of it is checked.

    Args:
        state: from `load_checkpoint`.
        options: with those of the checkpoint.
        make_net: makes the network, here on the device ``meta``.

    Raises:
        ContentError: naming what differs.
    """
    state = plain(state)
    names = {"options", "net", "optimizer", "scaler", "history", "batch", "meter", "random"}
    entries(state, names | {"format", "program"}, "it")
    meta = torch.device("meta")
    net = unbuilt(lambda: make_net(options))
    check_net(state["net"], net)
    optimizer = make_optimizer(options, net, meta)
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    check_optimizer(state["optimizer"], optimizer.state_dict(), options.lr)
    check_scaler(state["scaler"])
    history(state["history"], EpochMetrics)
    batches = integer(state["batch"], 0, 2**31 - 1, "the number of batches")
    check_meter(state["meter"], batches, options.b, CLASSES)
    check_random_state(state["random"])
    return state


class Trainer(ABC, Generic[Kind]):
    """Network, optimizer, data and everything else that a checkpoint holds.

    A program writes `make_net`, `spikes` and `output`, and `begin_batch` if its learning rate
    changes.
    """

    eval_batch = 250

    def __init__(self, options: Kind, device: torch.device) -> None:
        self.options, self.device = options, device
        seed_everything(options.seed, device)
        self.net = self.make_net(options).to(device)
        self.optimizer = self.make_optimizer()
        self.precision = Precision(device, options.amp)
        self.history: list[EpochMetrics] = []
        self.batch = 0  # batches of the current epoch that are over
        self.meter = RateMeter(device)  # their sums
        self.one_hot = torch.eye(CLASSES, device=device)  # a row for each label

    @staticmethod
    @abstractmethod
    def make_net(options: Any) -> nn.Module:
        """The network, on the CPU."""

    @property
    @abstractmethod
    def output(self) -> neuron.BaseNode:
        """The network's last neurons."""

    @abstractmethod
    def spikes(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Output spikes ``[T, B, N]`` of a batch of images, and the spikes that enter them.

        Where `encoder_of` gives an encoder, ``image`` may be what that has made of images.
        """

    def encoder_of(self, part: str) -> Encoder | None:  # noqa: ARG002
        """What encodes the images of ``'train'`` or ``'test'`` ahead, in this epoch; or None."""
        return None

    def make_optimizer(self) -> torch.optim.Optimizer:
        """SGD with momentum, or Adam."""
        return make_optimizer(self.options, self.net, self.device)

    def begin_batch(self, batches: int) -> None:
        """Called before each batch of training; an epoch has ``batches`` of them."""

    @property
    def best(self) -> EpochMetrics:
        """The epoch of the best test accuracy, the first of several equal ones."""
        return max(self.history, key=lambda row: row.test_acc)

    def rate(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Firing rates of the classes ``[B, 10]``, and what `spikes` says entered the network."""
        with self.precision.autocast():
            s_seq, entered = self.spikes(image)
            return votes(s_seq.mean(0)), entered

    def loss(self, rate: Tensor, label: Tensor) -> Tensor:
        """Mean squared error between firing rates and the one-hot label."""
        return F.mse_loss(rate, self.one_hot.index_select(0, label).to(rate.dtype))

    def train_epoch(self, dataset: ImageDataset, screen: Screen, stop: StopRequest) -> None:
        """One epoch, or what is left of it; returns early if a stop was requested."""
        self.net.train()
        batches = Batches(
            dataset,
            self.options.b,
            shuffle=True,
            seed=self.options.seed,
            epoch=len(self.history),
            start=self.batch,
            workers=self.options.j,
            device=self.device,
            encoder=self.encoder_of("train"),
        )
        for image, label in batches:
            self.begin_batch(len(batches))
            rate, _ = self.rate(image)
            loss = self.loss(rate, label)
            self.precision.update(loss, self.optimizer)
            functional.reset_net(self.net)
            self.meter.add(rate, loss, label)
            self.batch += 1
            if screen.update(self.meter):
                self.check_finite()
            if stop:
                break
        self.check_finite()

    def check_finite(self) -> None:
        """Raises FloatingPointError if the loss or a weight is no finite number any more."""
        weights = all(bool(p.isfinite().all()) for p in self.net.parameters())
        if not (weights and self.meter.loss < float("inf")):
            raise FloatingPointError(
                f"the {'loss' if weights else 'weights'} became infinite or NaN in epoch "
                f"{len(self.history) + 1}"
            )

    @torch.no_grad()
    def evaluate(self, dataset: ImageDataset, stop: StopRequest) -> RateMeter:
        """Loss, accuracy and firing on a data set; returns early if a stop was requested."""
        self.net.eval()
        meter = RateMeter(self.device)
        encoder = self.encoder_of("test")
        workers = 0 if encoder is None else self.options.j
        for image, label in Batches(
            dataset, self.eval_batch, workers=workers, device=self.device, encoder=encoder
        ):
            rate, _ = self.rate(image)
            functional.reset_net(self.net)
            meter.add(rate, self.loss(rate, label), label)
            if stop:
                break
        return meter

    def state_dict(self) -> State:
        """Everything that `load_state_dict` needs to go on bit for bit."""
        return {
            "options": self.options.trajectory(),
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "history": [vars(row) for row in self.history],
            "batch": self.batch,
            "meter": self.meter.state_dict(),
            "random": random_state(),
        }

    def load_state_dict(self, state: State) -> None:
        """Goes back to where `state_dict` was called; a checkpoint's is checked before."""
        self.net.load_state_dict(state["net"])
        # But for the learning rate, the optimizer's settings are those of the options, this device
        # and this version of torch. Tensors are copied: those of a file may share memory.
        saved = state["optimizer"]
        groups = [
            {**new, "lr": old["lr"]}
            for new, old in zip(
                self.optimizer.state_dict()["param_groups"], saved["param_groups"], strict=True
            )
        ]
        kept = {
            index: {name: value if value is None else value.clone() for name, value in one.items()}
            for index, one in saved["state"].items()
        }
        self.optimizer.load_state_dict({"state": kept, "param_groups": groups})
        if state["scaler"]:  # empty where mixed precision does not scale the loss
            self.precision.scaler.load_state_dict(state["scaler"])
        self.history = [EpochMetrics(**row) for row in state["history"]]
        self.batch = state["batch"]
        self.meter.load_state_dict(state["meter"])
        restore_random_state(state["random"])
