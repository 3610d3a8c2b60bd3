"""STDP without labels: neurons that compete for handwritten digits learn what digits look like.

Each image is shown for T time steps. At each step a pixel fires with a probability proportional
to its brightness; the spikes, as bits, pass one fully connected layer. At most one of its neurons
fires in a step, and silences the others: the winner takes it all. STDP strengthens the synapses
through which spikes came just before the winner's; since each neuron's weights always have the
same sum, its other synapses weaken. Thresholds rise with every win and fall without, so that all
neurons win now and then. No label is used until learning is over: then each neuron is given the
class for which it fires most, and for comparison a linear readout is fitted on spike counts.

    python -m bitspike.examples.stdp_mnist                      learns
    python -m bitspike.examples.stdp_mnist -resume CHECKPOINT   goes on, to the bit

Read it from top to bottom: options, network, learning, readout. From `bitspike.training` come the
parts that any program needs.

After P. U. Diehl, M. Cook: Unsupervised learning of digit recognition using spike-timing-dependent
plasticity, Frontiers in Computational Neuroscience 9 (2015).
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitspike import encoding, functional, layer, learning, spikes, training, visualizing
from bitspike._terminal import say
from bitspike.base import MemoryModule
from bitspike.datasets import Batches, ImageDataset
from bitspike.training import option

PROGRAM = "stdp_mnist"
PIXELS = 28 * 28
WEIGHT_SUM = 78.4  # of each neuron: 0.1 a pixel
BRIGHTEST = 0.5  # firing probability of a white pixel, a time step


@dataclass(frozen=True)
class Options(training.BaseOptions):
    """All options with their defaults."""

    named: ClassVar[Mapping[str, str]] = {"neurons": "N", "T": "T", "b": "b", "lr": "lr"}
    growing: ClassVar[frozenset[str]] = frozenset(("epochs",))
    least: ClassVar[Mapping[str, int]] = {**training.BaseOptions.least, "neurons": 2, "readout": 1}
    rules: ClassVar[Mapping[str, training.Rule]] = {
        **training.BaseOptions.rules,
        "lr": ("must be positive and finite", lambda lr: 0 < lr < math.inf),
        "theta": ("must be at least 0 and finite", lambda theta: 0 <= theta < math.inf),
    }

    T: int = option(20, "time steps an image is shown for")
    b: int = option(64, "batch size: images between two changes of the weights")
    epochs: int = option(1, "learn until this epoch")
    neurons: int = option(400, "neurons that compete")
    j: int = option(1, "threads that prepare batches ahead; 0: none")
    threads: int = option(1, "threads that compute")
    data_dir: str = option("", "folder of the data set (default: a cache folder of yours)")
    out_dir: str = option("./logs", "folder of the runs; this run makes a folder of its own in it")
    resume: str = option("", "go on from this checkpoint, to the bit", metavar="PATH")
    lr: float = option(0.02, "learning rate, falls to a tenth over the epochs")
    tau: float = option(10.0, "time constant of membranes and traces, time steps")
    theta: float = option(0.2, "by how much a win raises the threshold")
    readout: int = option(20000, "training images whose labels are used afterwards")
    seed: int = option(0, "seed: same seed, same machine, same result, bit for bit")
    dataset: str = option("mnist", "what to learn", choices=training.DATASETS)
    limit: int = option(0, "learn from the first N images only; 0: all")

    @property
    def run_name(self) -> str:
        """The name of the run's folder."""
        return f"{PROGRAM}_{super().run_name}"


# -- the network ---------------------------------------------------------------------------------


class WinnerTakeAll(MemoryModule):
    """Leaky neurons of which in each step the one furthest above its threshold fires, or none.

    A spike puts the membranes of all neurons back to 0: its own by reset, the others' by
    inhibition. Each neuron has a threshold of its own, which `adapt` moves.
    """

    theta: Tensor

    def __init__(self, neurons: int, tau: float, v_threshold: float = 20.0) -> None:
        super().__init__()
        self.tau = tau
        self.register_buffer("theta", torch.full((neurons,), v_threshold))
        self.register_memory("v", 0.0)

    def single_step_forward(self, x: Tensor) -> Tensor:
        """Return the spikes ``[B, N]`` of one time step with input ``[B, N]``."""
        v = self.memory_like("v", x)
        h = v - v / self.tau + x
        above, winner = (h - self.theta).max(1)
        fires = (above >= 0).unsqueeze(1)
        self.v = h.masked_fill(fires, 0.0)
        return torch.zeros_like(h).scatter_(1, winner.unsqueeze(1), fires.to(h))

    def multi_step_forward(self, x_seq: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Return the spikes ``[T, B, N]``, as bits."""
        dense: Tensor = super().multi_step_forward(x_seq, *args, **kwargs)
        return spikes.pack(dense)

    def adapt(self, wins: Tensor, step: float) -> None:
        """Raise the thresholds of neurons that won more often than the mean, lower the others'."""
        self.theta += step * (wins - wins.mean())


encoder = encoding.PoissonEncoder(step_mode="m")


def make_net(options: Options) -> nn.Sequential:
    """Return the network, multi-step: ``[T, B, 1, 28, 28]`` to ``[T, B, N]``."""
    net = nn.Sequential(
        layer.Flatten(),
        layer.Linear(PIXELS, options.neurons, bias=False),
        WinnerTakeAll(options.neurons, options.tau),
    )
    functional.set_step_mode(net, "m")
    return net


# -- learning ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """One epoch's figures."""

    epoch: int
    test_acc: float
    readout_acc: float
    spikes_per_image: float
    neurons_used: int
    images_per_s: float
    seconds: float


class Learner:
    """The network, its STDP, and how far learning is: what a checkpoint holds."""

    def __init__(self, options: Options) -> None:
        self.options = options
        training.seed_everything(options.seed, torch.device("cpu"))
        self.net = make_net(options)
        _, synapse, neurons = self.net
        assert isinstance(synapse, layer.Linear)  # noqa: S101
        assert isinstance(neurons, WinnerTakeAll)  # noqa: S101
        self.synapse, self.neurons = synapse, neurons
        nn.init.uniform_(self.synapse.weight)
        normalise(self.synapse.weight)
        self.stdp = learning.STDPLearner(
            "m", self.synapse, self.neurons, options.tau, options.tau,
            f_pre=torch.zeros_like, f_post=torch.ones_like,
        )  # fmt: skip
        self.history: list[Row] = []
        self.batch = 0  # batches of the current epoch that are over

    def save(self, path: Path) -> None:
        """Write everything that learning needs to go on to the bit."""
        content = {
            "options": self.options.trajectory(),
            "net": self.net.state_dict(),
            "history": [asdict(row) for row in self.history],
            "batch": self.batch,
            "random": training.random_state(),
        }
        training.save_checkpoint(path, PROGRAM, content)

    def load(self, content: dict[str, Any]) -> None:
        """Go back to where `save` was called; `load_state` has checked the content."""
        self.net.load_state_dict(content["net"])
        self.history = [Row(**row) for row in content["history"]]
        self.batch = content["batch"]
        training.restore_random_state(content["random"])


@torch.no_grad()
def normalise(weight: Tensor) -> None:
    """Give the weights of each neuron the same sum."""
    weight.mul_(WEIGHT_SUM / weight.sum(1, keepdim=True))


def respond(net: nn.Module, images: Tensor, T: int) -> Tensor:
    """Return the spikes ``[T, B, N]`` of a batch of images."""
    out: Tensor = net(encoder((BRIGHTEST * images).expand(T, *images.shape)))
    functional.reset_net(net)
    return out


@torch.no_grad()
def learn_epoch(learner: Learner, data: ImageDataset, stop: training.StopRequest) -> int:
    """Learn for one epoch, or for what is left of it; return the number of images."""
    options, epoch, seen = learner.options, len(learner.history), 0
    batches = Batches(
        data, options.b, shuffle=True, seed=options.seed, epoch=epoch, start=learner.batch,
        workers=options.j,
    )  # fmt: skip
    total = max(1, len(batches) * options.epochs)
    for images, _ in batches:
        wins = respond(learner.net, images, options.T).sum((0, 1))
        delta = learner.stdp.step(on_grad=False)
        learner.stdp.reset()
        if delta is not None:
            over = (len(batches) * epoch + learner.batch) / total
            learner.synapse.weight += options.lr * (1 - 0.9 * over) * delta
        normalise(learner.synapse.weight)
        learner.neurons.adapt(wins, options.theta)
        learner.batch += 1
        seen += len(images)
        if stop:
            break
    return seen


@torch.no_grad()
def spike_counts(
    learner: Learner, data: ImageDataset, stop: training.StopRequest
) -> tuple[Tensor, Tensor]:
    """Return the spikes of each neuron ``[images, N]``, and the labels; nothing is learned."""
    options = learner.options
    counts, labels = [], []
    learner.stdp.disable()
    for images, label in Batches(data, 250, workers=options.j):
        counts.append(respond(learner.net, images, options.T).sum(0))
        labels.append(label)
        if stop:
            break
    learner.stdp.enable()
    return torch.cat(counts), torch.cat(labels)


# -- the readout, which alone sees labels --------------------------------------------------------


def vote(counts: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    """Return the classes of ``test`` counts: neurons vote for the class for which they fire most.

    Args:
        counts: spikes of each neuron ``[images, N]``.
        labels: of these images.
        test: spikes of each neuron for the images to classify.
    """
    present = F.one_hot(labels, training.CLASSES).to(counts)
    mean = (present.t() @ counts) / present.sum(0).clamp(min=1).unsqueeze(1)
    members = F.one_hot(mean.argmax(0), training.CLASSES).to(counts)
    return ((test @ members) / members.sum(0).clamp(min=1)).argmax(1)


def read_out(counts: Tensor, labels: Tensor, test: Tensor, ridge: float = 1.0) -> Tensor:
    """Return the classes of ``test`` counts, by least squares on counts with labels."""
    x, y = (F.pad(c, (0, 1), value=1.0).double() for c in (counts, test))
    target = F.one_hot(labels, training.CLASSES).double()
    gram = x.t() @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    weight: Tensor = torch.linalg.solve(gram, x.t() @ target)
    return (y @ weight).argmax(1)


def evaluate(
    learner: Learner, data: tuple[ImageDataset, ImageDataset], stop: training.StopRequest
) -> dict[str, Any]:
    """Return accuracies and activity after an epoch, as the entries of a `Row`."""
    counts, labels = spike_counts(learner, data[0].head(learner.options.readout), stop)
    test, truth = spike_counts(learner, data[1], stop)
    voted, read = vote(counts, labels, test), read_out(counts, labels, test)
    return {
        "test_acc": float((voted == truth).float().mean()),
        "readout_acc": float((read == truth).float().mean()),
        "spikes_per_image": float(test.sum(1).mean()),
        "neurons_used": int((counts.sum(0) > 0).sum()),
    }


# -- the program ---------------------------------------------------------------------------------


def learn(learner: Learner, data: tuple[ImageDataset, ImageDataset], folder: Path) -> int:
    """Learn from where the learner is, into ``folder``; return the exit code."""
    options, latest = learner.options, folder / training.LATEST
    with (
        training.event_log(folder, len(learner.history) + 1) as writer,
        training.StopRequest() as stop,
    ):
        while len(learner.history) < options.epochs:
            epoch, began = len(learner.history) + 1, time.perf_counter()
            images = learn_epoch(learner, data[0], stop)
            speed = images / (time.perf_counter() - began)
            learner.save(latest)  # evaluation draws random numbers: before it
            figures = evaluate(learner, data, stop)
            if stop:
                say(stop.how_to_resume(epoch, latest))
                return stop.exit_code
            seconds = time.perf_counter() - began
            row = Row(epoch, **figures, images_per_s=speed, seconds=seconds)
            learner.history.append(row)
            learner.batch = 0
            for name, value in asdict(row).items():
                writer.add_scalar(name, value, epoch)
            learner.save(latest)
            training.write_csv(folder / "metrics.csv", learner.history, Row)
            say(
                f"epoch {epoch}/{options.epochs}  test acc {row.test_acc:.2%} by vote, "
                f"{row.readout_acc:.2%} by linear readout  {row.spikes_per_image:.1f} spikes an "
                f"image  {row.neurons_used} of {options.neurons} neurons used  "
                f"{row.images_per_s:,.0f} img/s  {row.seconds:.1f} s"
            )
        learner.save(latest)
        save_fields(learner.synapse.weight, folder / "fields.png")
    say(f"Weights:     {folder / 'fields.png'}")
    say(f"Checkpoint:  {latest} (go on with -resume and more -epochs)")
    say(f"TensorBoard: tensorboard --logdir {folder}")
    return 0


def save_fields(weight: Tensor, path: Path) -> None:
    """Draw what each neuron has learned to see, up to 400 of them."""
    fields = weight.detach()[:400].reshape(-1, 28, 28)
    columns = max(1, int(len(fields) ** 0.5))
    rows = len(fields) // columns
    figure, _ = visualizing.plot_2d_feature_map(
        fields[: rows * columns], rows, columns, 1, "Weights of the neurons"
    )
    visualizing.save(figure, path)


def load_state(
    path: str | Path, options: Options, given: frozenset[str]
) -> tuple[Options, dict[str, Any]]:
    """Return a checkpoint of this program, wholly checked, and the options it was made with."""
    return training.read_checkpoint(path, PROGRAM, options, given, make_net, Row)


def load_data(options: Options) -> tuple[ImageDataset, ImageDataset]:
    """Return training and test images, fetched if they are absent."""
    return training.load_images(options.dataset, options.data_dir, options.limit)


def run(options: Options, given: frozenset[str]) -> int:
    """Learn in a folder of its own, or go on with a checkpoint; return the exit code."""
    options.check(given)
    torch.set_num_threads(options.threads)
    resumed = saved = None
    if options.resume:
        resumed = training.Resumed.of(options.resume)  # before the checkpoint is read
        options, saved = load_state(resumed.checkpoint, options, given)
    wanted = training.wanted_folder(options.out_dir, options.run_name, given, resumed)
    learner = Learner(options)
    if saved is not None:
        learner.load(saved)
    data = load_data(options)
    training.check_place(learner.batch, len(data[0]), options.b, options.resume)
    with training.run_folder(wanted, resumed) as folder:
        training.write_args(folder, options)
        return learn(learner, data, folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with the arguments ``argv``; return the exit code."""
    options, given = training.parse_options(Options, argv, PROGRAM, __doc__)
    return training.guarded(PROGRAM, lambda: run(options, given))


if __name__ == "__main__":
    raise SystemExit(main())
