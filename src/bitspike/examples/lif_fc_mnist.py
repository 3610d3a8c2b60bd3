"""The classic first SNN program: one layer of LIF neurons learns to read handwritten digits.

Each image is shown for T time steps. At each step a pixel fires with a probability equal to its
brightness, the spikes pass one fully connected layer, and ten leaky integrate-and-fire neurons
answer. The neuron that fires most names the digit. The firing rate over the T steps is regressed
to the one-hot label, and gradients flow through the spikes by a surrogate.

    python -m bitspike.examples.lif_fc_mnist                      trains
    python -m bitspike.examples.lif_fc_mnist -resume CHECKPOINT   goes on, to the bit
    python -m bitspike.examples.lif_fc_mnist -predict CHECKPOINT -image FILE_OR_INDEX
"""

import shutil
import signal
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from bitspike import encoding, functional, layer, neuron, surrogate
from bitspike._files import atomic
from bitspike.datasets import MNIST, Batches, DatasetError, DatasetNote, FashionMNIST, ImageDataset
from bitspike.examples import _options, _pictures
from bitspike.examples._options import OptionError, Options
from bitspike.training import (
    CheckpointError,
    EpochMetrics,
    Precision,
    RateMeter,
    Screen,
    StopRequest,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
    write_csv,
)

PROGRAM = "lif_fc_mnist"
State = dict[str, Any]
CLASSES = 10
EVAL_BATCH = 250


def make_net(tau: float) -> nn.Sequential:
    """The network of the tutorial, multi-step: ``[T, B, 1, 28, 28]`` to ``[T, B, 10]``."""
    net = nn.Sequential(
        layer.Flatten(),
        layer.Linear(28 * 28, CLASSES, bias=False),
        neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan()),
    )
    functional.set_step_mode(net, "m")
    return net


def output_layer(net: nn.Sequential) -> neuron.BaseNode:
    """The network's last layer."""
    last = net[-1]
    assert isinstance(last, neuron.BaseNode)  # noqa: S101
    return last


class Trainer:
    """Network, optimizer, data and everything else that a checkpoint holds."""

    def __init__(self, options: Options, device: torch.device) -> None:
        self.options, self.device = options, device
        seed_everything(options.seed, device)
        self.net = make_net(options.tau).to(device)
        self.output = output_layer(self.net)
        self.encoder = encoding.PoissonEncoder(step_mode="m")
        self.optimizer = make_optimizer(self.net, options)
        self.precision = Precision(device, options.amp)
        self.history: list[EpochMetrics] = []
        self.batch = 0  # batches of the current epoch that are over
        self.meter = RateMeter(device)  # their sums

    @property
    def best(self) -> EpochMetrics:
        """The epoch of the best test accuracy, the first of several equal ones."""
        return max(self.history, key=lambda row: row.test_acc)

    def rate(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Firing rates ``[B, 10]`` and input spikes ``[T, B, 1, 28, 28]`` of a batch of images."""
        with self.precision.autocast():
            spikes = self.encoder(image.expand(self.options.T, *image.shape))
            return self.net(spikes).mean(0), spikes

    def loss(self, rate: Tensor, label: Tensor) -> Tensor:
        """Mean squared error between firing rates and the one-hot label."""
        return F.mse_loss(rate, F.one_hot(label, CLASSES).to(rate.dtype))

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
        )
        for image, label in batches:
            rate, _ = self.rate(image)
            loss = self.loss(rate, label)
            self.precision.update(loss, self.optimizer)
            functional.reset_net(self.net)
            self.meter.add(rate.detach(), loss.detach(), label)
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
        for image, label in Batches(dataset, EVAL_BATCH, device=self.device):
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
        """Goes back to where `state_dict` was called."""
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"]:  # empty where mixed precision does not scale the loss
            self.precision.scaler.load_state_dict(state["scaler"])
        self.history = [EpochMetrics(**row) for row in state["history"]]
        self.batch = state["batch"]
        self.meter.load_state_dict(state["meter"])
        restore_random_state(state["random"])


def make_optimizer(net: nn.Module, options: Options) -> torch.optim.Optimizer:
    """SGD with momentum, or Adam."""
    if options.opt == "sgd":
        return torch.optim.SGD(net.parameters(), lr=options.lr, momentum=options.momentum)
    return torch.optim.Adam(net.parameters(), lr=options.lr)


def load_data(options: Options) -> tuple[ImageDataset, ImageDataset]:
    """Training and test images, fetched if they are not there."""
    kind = MNIST if options.dataset == "mnist" else FashionMNIST
    root = options.data_dir or None
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", DatasetNote)
        train, test = kind(root, train=True), kind(root, train=False)
    for note in notes:
        print(f"Note: {note.message}")
    return train.head(options.limit) if options.limit else train, test


def train(options: Options, device: torch.device, state: State | None, folder: Path) -> int:
    """Trains, from ``state`` if there is one, into ``folder``; returns the exit code."""
    trainer = Trainer(options, device)
    if state is not None:
        trainer.load_state_dict(state)
    train_set, test_set = load_data(options)
    prepare_folder(folder, Path(options.resume) if options.resume else None)
    with (folder / "args.txt").open("a", encoding="utf-8") as file:
        text = replace(options, device=str(device)).as_text()
        file.write(f"{text}command: {' '.join(sys.argv)}\n\n")

    screen = Screen(options.epochs)
    latest, best = folder / "checkpoint_latest.pth", folder / "checkpoint_max.pth"
    writer = SummaryWriter(str(folder), purge_step=len(trainer.history) + 1)
    try:
        with screen.announcing_compilation(), StopRequest() as stop:
            if state is None:
                save_checkpoint(latest, PROGRAM, trainer.state_dict())
            write_csv(folder / "metrics.csv", trainer.history)
            while len(trainer.history) < options.epochs:
                epoch = len(trainer.history) + 1
                began = time.perf_counter()
                screen.start_epoch(epoch, len(train_set), trainer.meter.images)
                trainer.train_epoch(train_set, screen, stop)
                speed = screen.images_per_s(trainer.meter)
                trained = trainer.state_dict()  # evaluation draws random numbers: before it
                test = trainer.evaluate(test_set, stop)
                screen.stop_epoch()
                if stop:
                    save_checkpoint(latest, PROGRAM, trained)
                    screen.say(
                        f"Stopped by {stop.name} in epoch {epoch}. Go on, to the bit, with\n"
                        f"  -resume {latest}"
                    )
                    return stop.exit_code
                row = EpochMetrics(
                    epoch=epoch,
                    train_loss=trainer.meter.loss,
                    train_acc=trainer.meter.accuracy,
                    test_loss=test.loss,
                    test_acc=test.accuracy,
                    firing_rate=test.firing_rate,
                    dead=test.dead,
                    saturated=test.saturated,
                    train_images_per_s=speed,
                    seconds=time.perf_counter() - began,
                )
                trainer.history.append(row)
                trainer.batch, trainer.meter = 0, RateMeter(device)
                _pictures.log_epoch(writer, row)  # a kill from here on is mended by purge_step
                if trainer.best is row:
                    save_checkpoint(best, PROGRAM, trainer.state_dict())
                save_checkpoint(latest, PROGRAM, trainer.state_dict())
                write_csv(folder / "metrics.csv", trainer.history)
                screen.summary(row, best=trainer.best is row)
            report(trainer, test_set, writer, screen, folder)
            if stop:
                screen.say(f"Stopped by {stop.name}, but all epochs were over: nothing is missing.")
            return stop.exit_code
    except FloatingPointError as error:
        screen.stop_epoch()
        screen.say(
            f"Stopped: {error}. {latest} is kept as it was after epoch {len(trainer.history)}. "
            "Try a smaller -lr, or leave out -amp."
        )
        return 1
    finally:
        writer.close()


def report(
    trainer: Trainer, test_set: ImageDataset, writer: SummaryWriter, screen: Screen, folder: Path
) -> None:
    """Draws the pictures of the first test image and prints what came out of the run."""
    answer = respond(trainer, test_set[:1][0])
    _pictures.save_all(folder, answer, trainer.history, writer)
    rows = {}
    if trainer.history:
        last, best = trainer.history[-1], trainer.best
        rows["best test accuracy"] = (
            f"{best.test_acc:.2%} (epoch {best.epoch}, chosen on the test set, as the original "
            "tutorial does)"
        )
        rows["last test accuracy"] = f"{last.test_acc:.2%} (epoch {last.epoch})"
    rows["first test image"] = f"class {answer.predicted}, label {int(test_set.labels[0])}"
    screen.say(f"Firing rate: {answer.firing_rate.numpy()}")
    screen.table("Result", rows)
    screen.say(f"Checkpoints: {folder / 'checkpoint_latest.pth'} (last; go on with -resume)")
    if trainer.history:
        screen.say(f"             {folder / 'checkpoint_max.pth'} (best)")
    screen.say(f"Pictures:    {folder}/*.png")
    screen.say(f"TensorBoard: tensorboard --logdir {folder}")


@torch.no_grad()
def respond(trainer: Trainer, image: Tensor) -> _pictures.Answer:
    """What the network does with one image ``[1, 1, 28, 28]``, step by step."""
    trainer.net.eval()
    output = trainer.output
    output.store_v_seq = True
    try:
        with trainer.precision.autocast():
            x = trainer.encoder(image.to(trainer.device).expand(trainer.options.T, *image.shape))
            s_seq = trainer.net(x)
        return _pictures.Answer(
            image=image[0, 0].cpu(),
            input_spikes=x[:, 0].flatten(1).cpu(),
            v_seq=torch.as_tensor(output.v_seq)[:, 0].cpu(),
            s_seq=s_seq[:, 0].cpu(),
        )
    finally:
        output.store_v_seq = False
        functional.reset_net(trainer.net)


def predict(options: Options, device: torch.device, state: State, given: bool) -> int:
    """Classifies one image with the network of a checkpoint; returns the exit code."""
    trainer = Trainer(options, device)
    trainer.net.load_state_dict(state["net"])
    if options.image.isdecimal():
        index = int(options.image)
        _, test_set = load_data(options)
        if index >= len(test_set):
            raise OptionError(f"-image {index}: there are {len(test_set)} test images, from 0")
        image, label = test_set[index : index + 1]
        name = f"test image {index}, label {int(label)}"
    else:
        image, name = _pictures.read(options.image), options.image
    answer = respond(trainer, image)
    where = Path(options.out_dir) if given else Path(options.predict).parent
    folder = where / f"predict_{Path(options.image).stem}"
    _pictures.save_answer(folder, answer)
    print(f"Firing rate: {answer.firing_rate.numpy()}")
    print(f"Class: {answer.predicted} ({name})")
    print(f"Pictures: {folder / 'voltage.png'} {folder / 'spikes.png'}")
    return 0


def prepare_folder(folder: Path, resume: Path | None) -> None:
    """Makes the run's folder; another run that lies there is moved aside, never overwritten."""
    goes_on = resume is not None and folder.resolve() == resume.parent.resolve()
    if not goes_on and (folder / "checkpoint_latest.pth").exists():
        number = 1
        while (old := folder.with_name(f"{folder.name}.old{number}")).exists():
            number += 1
        folder.rename(old)
        print(f"An older run in {folder} was moved to {old}.")
    folder.mkdir(parents=True, exist_ok=True)
    if resume is not None and not goes_on:
        # The latest comes last: a folder that has it can be resumed, and then has the best too.
        if (best := resume.with_name("checkpoint_max.pth")).exists():
            _copy(best, folder / best.name)
        _copy(resume, folder / "checkpoint_latest.pth")


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


def load_state(path: Path, options: Options, given: frozenset[str]) -> tuple[Options, State]:
    """A checkpoint of this program's, and the options that it was made with."""
    state = load_checkpoint(path, PROGRAM)
    options = _options.adopt(options, given, state["options"])
    expected = make_net(options.tau).state_dict()
    found = {name: tuple(value.shape) for name, value in state["net"].items()}
    if found != {name: tuple(value.shape) for name, value in expected.items()}:
        raise CheckpointError(f"checkpoint {path} holds another network: {found}")
    return options, state


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program with the arguments ``argv``; returns the exit code."""
    summary = (__doc__ or "").split("\n")[0]
    options, given = _options.parse(sys.argv[1:] if argv is None else argv, PROGRAM, summary)
    try:
        _options.check(options, given)
        torch.set_num_threads(options.threads)
        if options.predict:
            options, found = load_state(Path(options.predict), options, given)
            device = _options.choose_device(options)
            return predict(options, device, found, "out_dir" in given)
        state: State | None = None
        if options.resume:
            options, state = load_state(Path(options.resume), options, given)
        device = _options.choose_device(options)
        folder = Path(options.out_dir) / options.run_name
        if options.resume and "out_dir" not in given:
            folder = Path(options.resume).parent
        _options.check_writable(folder)
        return train(options, device, state, folder)
    except (OptionError, CheckpointError, DatasetError, OSError) as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 2
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "memory" not in str(error):
            raise
        print(f"{PROGRAM}: error: out of memory; try a smaller -b or -T", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM}: stopped at once, without saving", file=sys.stderr)
        return 128 + signal.SIGINT


if __name__ == "__main__":
    raise SystemExit(main())
