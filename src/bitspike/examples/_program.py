"""What the programs share that train a classifier: the loop, the run's folder, the exit codes."""

import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol

import torch
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from bitspike import diagnosis, functional, kernels
from bitspike._files import atomic
from bitspike.datasets import MNIST, DatasetError, DatasetNote, FashionMNIST, ImageDataset
from bitspike.examples import _options, _pictures
from bitspike.examples._options import OptionError
from bitspike.examples._trainer import Kind, State, Trainer
from bitspike.training import (
    CheckpointError,
    EpochMetrics,
    RateMeter,
    Screen,
    StopRequest,
    load_checkpoint,
    save_checkpoint,
    write_csv,
)


class DataOptions(Protocol):
    """The options that say which images are wanted."""

    @property
    def dataset(self) -> str:
        """``'mnist'`` or ``'fashion-mnist'``."""

    @property
    def data_dir(self) -> str:
        """Folder of the data set; empty: a cache folder of the user's."""

    @property
    def limit(self) -> int:
        """Only so many training images; 0: all."""


def load_data(options: DataOptions) -> tuple[ImageDataset, ImageDataset]:
    """Training and test images, fetched if they are not there."""
    kind = MNIST if options.dataset == "mnist" else FashionMNIST
    root = options.data_dir or None
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always", DatasetNote)
        train, test = kind(root, train=True), kind(root, train=False)
    for note in notes:
        print(f"Note: {note.message}")
    return train.head(options.limit) if options.limit else train, test


@torch.no_grad()
def respond(trainer: Trainer[Any], image: Tensor) -> _pictures.Answer:
    """What the network does with one image ``[1, 1, 28, 28]``, step by step."""
    trainer.net.eval()
    output = trainer.output
    output.store_v_seq = True
    try:
        with trainer.precision.autocast():
            s_seq, entered = trainer.spikes(image.to(trainer.device))
        return _pictures.Answer(
            image=image[0, 0].cpu(),
            input_spikes=entered[:, 0].flatten(1).cpu(),
            v_seq=torch.as_tensor(output.v_seq)[:, 0].cpu(),
            s_seq=s_seq[:, 0].cpu(),
        )
    finally:
        output.store_v_seq = False
        functional.reset_net(trainer.net)


@dataclass(frozen=True)
class Program(Generic[Kind]):
    """A program that trains a classifier of images, goes on with a checkpoint, and uses one.

    Args:
        name: of the program; it stands in checkpoints and errors.
        summary: one line for ``-h``.
        options: class of the options.
        trainer: class of the trainer.
        load_data: training and test set.
        respond: what the network does with one image.
    """

    name: str
    summary: str
    options: type[Kind]
    trainer: Callable[[Kind, torch.device], Trainer[Kind]]
    make_net: Callable[[Kind], nn.Module]
    load_data: Callable[[Kind], tuple[ImageDataset, ImageDataset]] = load_data
    respond: Callable[[Trainer[Any], Tensor], _pictures.Answer] = respond

    def main(self, argv: Sequence[str] | None = None) -> int:
        """Runs the program with the arguments ``argv``; returns the exit code."""
        arguments = sys.argv[1:] if argv is None else argv
        options, given = _options.parse_as(self.options, arguments, self.name, self.summary)
        try:
            return self._run(options, given)
        except (OptionError, CheckpointError, DatasetError, OSError) as error:
            print(f"{self.name}: error: {error}", file=sys.stderr)
            return 2
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and "memory" not in str(error):
                raise
            print(f"{self.name}: error: out of memory; try a smaller -b or -T", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print(f"{self.name}: stopped at once, without saving", file=sys.stderr)
            return 128 + signal.SIGINT

    def _run(self, options: Kind, given: frozenset[str]) -> int:
        _options.check(options, given)
        torch.set_num_threads(options.threads if options.torch_shares else 1)
        kernels.set_num_threads(options.threads)
        if options.predict:
            options, found = self._load_state(Path(options.predict), options, given)
            device = _options.choose_device(options)
            return self._predict(options, device, found, "out_dir" in given)
        state: State | None = None
        if options.resume:
            options, state = self._load_state(Path(options.resume), options, given)
        device = _options.choose_device(options)
        folder = Path(options.out_dir) / options.run_name
        if options.resume and "out_dir" not in given:
            folder = Path(options.resume).parent
        _options.check_writable(folder)
        return self._train(options, device, state, folder)

    def _load_state(self, path: Path, options: Kind, given: frozenset[str]) -> tuple[Kind, State]:
        """A checkpoint of this program's, and the options that it was made with."""
        state = load_checkpoint(path, self.name)
        options = _options.adopt(options, given, state["options"])
        expected = self.make_net(options).state_dict()
        found = {name: tuple(value.shape) for name, value in state["net"].items()}
        if found != {name: tuple(value.shape) for name, value in expected.items()}:
            raise CheckpointError(f"checkpoint {path} holds another network: {found}")
        return options, state

    def _train(self, options: Kind, device: torch.device, state: State | None, folder: Path) -> int:
        """Trains, from ``state`` if there is one, into ``folder``; returns the exit code."""
        trainer = self.trainer(options, device)
        if state is not None:
            trainer.load_state_dict(state)
        train_set, test_set = self.load_data(options)
        prepare_folder(folder, Path(options.resume) if options.resume else None)
        with (folder / "args.txt").open("a", encoding="utf-8") as file:
            text = replace(options, device=str(device)).as_text()
            file.write(f"{text}command: {' '.join(sys.argv)}\n\n")

        screen = Screen(options.epochs)
        latest, best = folder / "checkpoint_latest.pth", folder / "checkpoint_max.pth"
        writer = SummaryWriter(str(folder), purge_step=len(trainer.history) + 1)
        watch = diagnosis.watch(trainer.net, tell=screen.say)
        try:
            with screen.announcing_compilation(), StopRequest() as stop:
                if state is None:
                    save_checkpoint(latest, self.name, trainer.state_dict())
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
                        save_checkpoint(latest, self.name, trained)
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
                    _pictures.log_epoch(writer, row)  # purge_step mends a kill from here on
                    if trainer.best is row:
                        save_checkpoint(best, self.name, trainer.state_dict())
                    save_checkpoint(latest, self.name, trainer.state_dict())
                    write_csv(folder / "metrics.csv", trainer.history)
                    screen.summary(row, best=trainer.best is row)
                self._report(trainer, test_set, writer, screen, folder)
                if stop:
                    screen.say(
                        f"Stopped by {stop.name}, but all epochs were over: nothing is missing."
                    )
                return stop.exit_code
        except FloatingPointError as error:
            screen.stop_epoch()
            screen.say(
                f"Stopped: {error}. {latest} is kept as it was after epoch "
                f"{len(trainer.history)}. Try a smaller -lr, or leave out -amp."
            )
            return 1
        finally:
            watch.close()
            writer.close()

    def _report(
        self,
        trainer: Trainer[Kind],
        test_set: ImageDataset,
        writer: SummaryWriter,
        screen: Screen,
        folder: Path,
    ) -> None:
        """Draws the pictures of the first test image and prints what came out of the run."""
        answer = self.respond(trainer, test_set[:1][0])
        _pictures.save_all(folder, answer, trainer.history, writer)
        rows = {}
        if trainer.history:
            last, best = trainer.history[-1], trainer.best
            rows["best test accuracy"] = (
                f"{best.test_acc:.2%} (epoch {best.epoch}, chosen on the test set, as the "
                "original tutorial does)"
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

    def _predict(self, options: Kind, device: torch.device, state: State, given: bool) -> int:
        """Classifies one image with the network of a checkpoint; returns the exit code."""
        trainer = self.trainer(options, device)
        trainer.net.load_state_dict(state["net"])
        if options.image.isdecimal():
            index = int(options.image)
            _, test_set = self.load_data(options)
            if index >= len(test_set):
                raise OptionError(f"-image {index}: there are {len(test_set)} test images, from 0")
            image, label = test_set[index : index + 1]
            name = f"test image {index}, label {int(label)}"
        else:
            image, name = _pictures.read(options.image), options.image
        answer = self.respond(trainer, image)
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
