"""The classic first SNN program: one layer of LIF neurons learns to read handwritten digits.

Each image is shown for T time steps. At each step a pixel fires with a probability equal to its
brightness, the spikes pass one fully connected layer, and ten leaky integrate-and-fire neurons
answer. The neuron that fires most names the digit. The firing rate over the T steps is regressed
to the one-hot label, and gradients flow through the spikes by a surrogate.

    python -m bitspike.examples.lif_fc_mnist                      trains
    python -m bitspike.examples.lif_fc_mnist -resume CHECKPOINT   goes on, to the bit
    python -m bitspike.examples.lif_fc_mnist -predict CHECKPOINT -image FILE_OR_INDEX

Read it from top to bottom: options, network, training, evaluation, prediction. From
`bitspike.training` come the parts that any program needs.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitspike import diagnosis, encoding, functional, kernels, layer, neuron, surrogate, training
from bitspike.datasets import Batches, ImageDataset
from bitspike.training import option

PROGRAM = "lif_fc_mnist"


@dataclass(frozen=True)
class Options(training.BaseOptions):
    """All options with their defaults."""

    named: ClassVar[Mapping[str, str]] = {"T": "T", "b": "b", "opt": "", "lr": "lr"}
    free: ClassVar[frozenset[str]] = training.BaseOptions.free | {"epochs"}

    T: int = option(100, "time steps an image is shown for")
    device: str = option("", "where to compute (default: best of cuda:0, mps, cpu)")
    b: int = option(64, "batch size")
    epochs: int = option(100, "train until this epoch")
    j: int = option(1, "threads that prepare batches ahead; 0: none")
    threads: int = option(1, "threads that the kernels on the CPU may take; -j adds its own")
    data_dir: str = option("", "folder of the data set (default: a cache folder of yours)")
    out_dir: str = option("./logs", "folder of the runs; this run makes a folder of its own in it")
    resume: str = option("", "go on from this checkpoint, to the bit", metavar="PATH")
    amp: bool = option(False, "mixed precision: float16 on CUDA, bfloat16 on the CPU")
    opt: str = option("adam", "optimizer", choices=("sgd", "adam"))
    momentum: float = option(0.9, "momentum of SGD")
    lr: float = option(1e-3, "learning rate")
    tau: float = option(2.0, "membrane time constant of the LIF neurons, time steps")
    seed: int = option(0, "seed: same seed, same machine, same result, bit for bit")
    dataset: str = option("mnist", "what to learn", choices=training.DATASETS)
    limit: int = option(0, "train on the first N images only; 0: on all")
    predict: str = option("", "classify -image with this checkpoint", metavar="CHECKPOINT")
    image: str = option(
        "", "picture file, or number of a test image, for -predict", metavar="FILE_OR_INDEX"
    )

    def check(self, given: frozenset[str] = frozenset()) -> None:
        """Refuse values that the program cannot work with, by raising `OptionError`."""
        super().check(given)
        if bool(self.predict) != bool(self.image):
            raise training.OptionError("-predict CHECKPOINT and -image FILE_OR_INDEX go together")
        if self.predict and self.resume:
            raise training.OptionError("-predict and -resume do not go together")


# -- the network, and what it is taught ----------------------------------------------------------


def make_net(options: Options) -> nn.Sequential:
    """Return the network of the tutorial, multi-step: ``[T, B, 1, 28, 28]`` to ``[T, B, 10]``."""
    net = layer.FusedSequential(
        layer.Flatten(),
        layer.Linear(28 * 28, training.CLASSES, bias=False),
        neuron.LIFNode(tau=options.tau, surrogate_function=surrogate.ATan()),
    )
    functional.set_step_mode(net, "m")
    return net


def make_optimizer(options: Options, net: nn.Module) -> torch.optim.Optimizer:
    """Return SGD with momentum, or Adam."""
    if options.opt == "sgd":
        return torch.optim.SGD(net.parameters(), lr=options.lr, momentum=options.momentum)
    device = next(net.parameters()).device.type
    return torch.optim.Adam(net.parameters(), lr=options.lr, fused=device in ("cpu", "cuda"))


encoder = encoding.PoissonEncoder(step_mode="m")  # the whole sequence at once


def encoder_of_batches(
    options: Options, device: torch.device, epoch: int, part: str
) -> encoding.PoissonSequences | None:
    """Return the encoder that runs in the threads that prepare batches; a GPU encodes by itself."""
    if device.type != "cpu":
        return None
    return encoding.PoissonSequences(
        options.T, training.seed_of(options.seed, "epoch", epoch, part)
    )


def firing_rate(net: nn.Module, image: Tensor, T: int) -> Tensor:
    """Return the firing rates ``[B, 10]`` of images, or of spikes that were encoded ahead."""
    spikes = image if image.ndim == 5 else encoder(image.expand(T, *image.shape))
    rate: Tensor = net(spikes).mean(0)
    return rate


def loss_of(rate: Tensor, label: Tensor) -> Tensor:
    """Return the mean squared error between firing rates and the one-hot label."""
    one_hot = torch.eye(training.CLASSES, dtype=rate.dtype, device=rate.device)
    return F.mse_loss(rate, one_hot.index_select(0, label))


# -- training ------------------------------------------------------------------------------------


def train_epoch(
    state: training.TrainingState,
    options: Options,
    data: ImageDataset,
    screen: training.Screen,
    stop: training.StopRequest,
) -> None:
    """Train for one epoch, or for what is left of it; return early if a stop was requested."""
    device, epoch = state.precision.device, len(state.history)
    batches = Batches(
        data,
        options.b,
        shuffle=True,
        seed=options.seed,
        epoch=epoch,
        start=state.batch,
        workers=options.j,
        device=device,
        encoder=encoder_of_batches(options, device, epoch, "train"),
    )
    state.net.train()
    for image, label in batches:
        with state.precision.autocast():
            rate = firing_rate(state.net, image, options.T)
        loss = loss_of(rate, label)
        state.precision.update(loss, state.optimizer)  # backward, and a step of the optimizer
        functional.reset_net(state.net)
        state.meter.add(rate, loss, label)
        state.batch += 1
        if screen.update(state.meter):
            state.check_finite()
        if stop:
            break
    state.check_finite()


@torch.no_grad()
def evaluate(
    state: training.TrainingState, options: Options, data: ImageDataset, stop: training.StopRequest
) -> training.RateMeter:
    """Return loss, accuracy and firing on a data set; return early if a stop was requested."""
    device = state.precision.device
    ahead = encoder_of_batches(options, device, len(state.history), "test")
    workers = 0 if ahead is None else options.j
    meter = training.RateMeter(device)
    state.net.eval()
    for image, label in Batches(data, 250, workers=workers, device=device, encoder=ahead):
        with state.precision.autocast():
            rate = firing_rate(state.net, image, options.T)
        functional.reset_net(state.net)
        meter.add(rate, loss_of(rate, label), label)
        if stop:
            break
    return meter


def train(
    state: training.TrainingState,
    options: Options,
    data: tuple[ImageDataset, ImageDataset],
    folder: Path,
) -> int:
    """Train from where ``state`` is, into ``folder``; return the exit code."""
    train_set, test_set = data
    screen = training.Screen(options.epochs)
    latest, best = folder / training.LATEST, folder / training.BEST
    watch = diagnosis.watch(state.net, tell=screen.say)  # warns of layers that never fire
    try:
        with (
            training.event_log(folder, len(state.history) + 1) as writer,
            screen.announcing_compilation(),
            training.StopRequest() as stop,
        ):
            if not options.resume:
                training.save_checkpoint(latest, PROGRAM, state.state_dict())
            training.write_csv(folder / "metrics.csv", state.history)
            while len(state.history) < options.epochs:
                epoch, began = len(state.history) + 1, time.perf_counter()
                screen.start_epoch(epoch, len(train_set), state.meter.images)
                train_epoch(state, options, train_set, screen, stop)
                speed = screen.images_per_s(state.meter)
                trained = state.state_dict()  # evaluation draws random numbers: before it
                tested = evaluate(state, options, test_set, stop)
                screen.stop_epoch()
                if stop:
                    training.save_checkpoint(latest, PROGRAM, trained)
                    screen.say(stop.how_to_resume(epoch, latest))
                    return stop.exit_code
                seconds = time.perf_counter() - began
                row = training.EpochMetrics.of(epoch, state.meter, tested, speed, seconds)
                state.end_epoch(row)
                training.log_epoch(writer, row)  # a resume drops it again after a kill from here on
                if state.best is row:
                    training.save_checkpoint(best, PROGRAM, state.state_dict())
                training.save_checkpoint(latest, PROGRAM, state.state_dict())
                training.write_csv(folder / "metrics.csv", state.history)
                screen.summary(row, best=state.best is row)
            answer = respond(state.net, test_set[:1][0], options)
            training.save_pictures(folder, answer, state.history, writer)
            screen.result(folder, answer, int(test_set.labels[0]), state.history)
            if stop:
                screen.say(f"Stopped by {stop.name}, but all epochs were over: nothing is missing.")
            return stop.exit_code
    except FloatingPointError as error:
        screen.stop_epoch()
        screen.say(
            f"Stopped: {error}. {latest} is kept as it was after epoch {len(state.history)}. "
            "Try a smaller -lr, or leave out -amp."
        )
        return 1
    finally:
        screen.stop_epoch()
        watch.close()


# -- the program ---------------------------------------------------------------------------------


def respond(net: nn.Module, image: Tensor, options: Options) -> training.Answer:
    """Return what the network does with one image ``[1, 1, 28, 28]``, step by step."""

    def forward(image: Tensor) -> tuple[Tensor, Tensor]:
        with training.Precision(image.device, options.amp).autocast():
            spikes = encoder(image.expand(options.T, *image.shape))
            return net(spikes), spikes

    return training.record_answer(net, image, forward)


def load_state(
    path: str | Path, options: Options, given: frozenset[str]
) -> tuple[Options, dict[str, Any]]:
    """Return a checkpoint of this program, wholly checked, and the options it was made with."""
    return training.read_checkpoint(
        path,
        PROGRAM,
        options,
        given,
        make_net,
        training.EpochMetrics,
        make_optimizer,
        training.CLASSES,
    )


def load_data(options: Options) -> tuple[ImageDataset, ImageDataset]:
    """Return training and test images, fetched if they are absent."""
    return training.load_images(options.dataset, options.data_dir, options.limit)


def build(options: Options) -> tuple[nn.Sequential, torch.device]:
    """Seed all random numbers and return a new network, and the device that it is on."""
    device = training.choose_device(options.device, options.amp)
    training.seed_everything(options.seed, device)
    return make_net(options).to(device), device


def run_training(options: Options, given: frozenset[str]) -> int:
    """Train in a folder of its own, or go on with a checkpoint; return the exit code."""
    resumed = saved = None
    if options.resume:
        resumed = training.Resumed.of(options.resume)  # before the checkpoint is read
        options, saved = load_state(resumed.checkpoint, options, given)
    wanted = training.wanted_folder(options.out_dir, options.run_name, given, resumed)
    net, device = build(options)
    optimizer, precision = make_optimizer(options, net), training.Precision(device, options.amp)
    state = training.TrainingState(
        options.trajectory(), net, optimizer, precision, training.RateMeter(device)
    )
    if saved is not None:
        state.load_state_dict(saved)
    data = load_data(options)
    training.check_place(state.batch, len(data[0]), options.b, options.resume)
    with training.run_folder(wanted, resumed) as folder:
        training.write_args(folder, replace(options, device=str(device)))
        return train(state, options, data, folder)


def run_prediction(options: Options, given: frozenset[str]) -> int:
    """Classify one image with the network of a checkpoint; return the exit code."""
    options, saved = load_state(options.predict, options, given)
    net, _ = build(options)
    net.load_state_dict(saved["net"])
    image, name = training.find_image(options.image, lambda: load_data(options)[1])
    folder = Path(options.out_dir) if "out_dir" in given else Path(options.predict).parent
    folder /= f"predict_{Path(options.image).stem}"
    training.show_answer(folder, respond(net, image, options), name)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with the arguments ``argv``; return the exit code."""
    options, given = training.parse_options(Options, argv, PROGRAM, __doc__)

    def run() -> int:
        options.check(given)
        torch.set_num_threads(1)  # torch's own operations are too small here to be shared
        kernels.set_num_threads(options.threads)
        return (run_prediction if options.predict else run_training)(options, given)

    return training.guarded(PROGRAM, run)


if __name__ == "__main__":
    raise SystemExit(main())
