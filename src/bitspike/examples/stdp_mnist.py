"""STDP without labels: neurons that compete for handwritten digits learn what digits look like.

Each image is shown for T time steps. At each step a pixel fires with a probability proportional
to its brightness; the spikes, as bits, pass one fully connected layer. Of its neurons at most one
fires in a step, and silences the others: the winner takes it all. STDP strengthens the synapses
through which spikes came just before the winner's; since each neuron's weights always have the
same sum, its other synapses weaken. Thresholds rise with every win and fall without, so that all
neurons win now and then. No label is used until learning is over: then each neuron is given the
class for which it fires most, and for comparison a linear readout is fitted on spike counts.

    python -m bitspike.examples.stdp_mnist                      learns
    python -m bitspike.examples.stdp_mnist -resume CHECKPOINT   goes on, to the bit

After P. U. Diehl, M. Cook: Unsupervised learning of digit recognition using spike-timing-dependent
plasticity, Frontiers in Computational Neuroscience 9 (2015).
"""

import csv
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import matplotlib as mpl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bitspike import encoding, functional, layer, learning, spikes, visualizing
from bitspike._files import atomic
from bitspike._terminal import say
from bitspike.base import MemoryModule
from bitspike.datasets import Batches, ImageDataset
from bitspike.examples._pictures import event_log
from bitspike.examples._program import guarded, load_data, record
from bitspike.training import (
    CheckpointError,
    StopRequest,
    _contents,
    _options,
    load_checkpoint,
    random_state,
    restore_random_state,
    save_checkpoint,
    seed_everything,
)
from bitspike.training._options import (
    DATASETS,
    BaseOptions,
    OptionError,
    option,
    saved_options,
)
from bitspike.training._random_state import check_random_state
from bitspike.training._run_folder import LATEST, Resumed, run_folder

mpl.use("Agg")  # the program only writes files: never open a window

__all__ = ["PROGRAM", "load_data", "main"]

PROGRAM = "stdp_mnist"
State = dict[str, Any]
PIXELS, CLASSES = 28 * 28, 10
EVAL_BATCH = 250
WEIGHT_SUM = 78.4  # of each neuron: 0.1 a pixel
BRIGHTEST = 0.5  # firing probability of a white pixel, a time step


@dataclass(frozen=True)
class Options(BaseOptions):
    """All options with their defaults. See ``-h`` for what they mean."""

    least: ClassVar[dict[str, int]] = {**BaseOptions.least, "neurons": 2, "readout": 1}
    named: ClassVar[tuple[str, ...]] = ("neurons", "T", "b", "lr")
    letters: ClassVar[dict[str, str]] = {"neurons": "N"}

    T: int = option(20, "time steps an image is shown for", type=int)
    b: int = option(64, "batch size: images between two changes of the weights", type=int)
    epochs: int = option(1, "learn until this epoch", type=int)
    neurons: int = option(400, "neurons that compete", type=int)
    j: int = option(1, "threads that prepare batches ahead; 0: none", type=int)
    threads: int = option(1, "threads that compute", type=int)
    data_dir: str = option("", "folder of the data set (default: a cache folder of yours)")
    out_dir: str = option("./logs", "folder of the runs; this run makes a folder of its own in it")
    resume: str = option("", "go on from this checkpoint, to the bit", metavar="PATH")
    lr: float = option(0.02, "learning rate, falls to a tenth over the epochs", type=float)
    tau: float = option(10.0, "time constant of membranes and traces, time steps", type=float)
    theta: float = option(0.2, "by how much a win raises the threshold", type=float)
    readout: int = option(
        20000, "training images whose labels are used afterwards", type=int, metavar="N"
    )
    seed: int = option(0, "seed: same seed, same machine, same result, bit for bit", type=int)
    dataset: str = option("mnist", "what to learn", choices=DATASETS)
    limit: int = option(0, "learn from the first N images only; 0: all", type=int, metavar="N")

    @property
    def run_name(self) -> str:
        """Name of the run's folder."""
        return f"{PROGRAM}_{super().run_name}"

    def check(self, given: frozenset[str] = frozenset()) -> None:
        """Refuses values that the program cannot work with.

        Raises:
            OptionError: naming the option, its value and what it may be.
        """
        super().check(given)
        if not 0 < self.lr < float("inf"):
            raise OptionError(f"-lr must be positive and finite, but is {self.lr}")
        if not 1 < self.tau < float("inf"):
            raise OptionError(f"-tau is in time steps and must be > 1, but is {self.tau}")
        if not 0 <= self.theta < float("inf"):
            raise OptionError(f"-theta must be at least 0 and finite, but is {self.theta}")


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
        """Spikes ``[B, N]`` of one time step with input ``[B, N]``."""
        v = self.memory_like("v", x)
        h = v - v / self.tau + x
        above, winner = (h - self.theta).max(1)
        fires = (above >= 0).unsqueeze(1)
        self.v = h.masked_fill(fires, 0.0)
        return torch.zeros_like(h).scatter_(1, winner.unsqueeze(1), fires.to(h))

    def multi_step_forward(self, x_seq: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Spikes ``[T, B, N]``, as bits."""
        dense: Tensor = super().multi_step_forward(x_seq, *args, **kwargs)
        return spikes.pack(dense)

    def adapt(self, wins: Tensor, step: float) -> None:
        """Raises the thresholds of the neurons that won more than the mean, lowers the others'."""
        self.theta += step * (wins - wins.mean())


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


def make_net(options: Options) -> nn.Sequential:
    """The network, ``[T, B, 1, 28, 28]`` to ``[T, B, N]``."""
    net = nn.Sequential(
        layer.Flatten(),
        layer.Linear(PIXELS, options.neurons, bias=False),
        WinnerTakeAll(options.neurons, options.tau),
    )
    functional.set_step_mode(net, "m")
    return net


class Learner:
    """Network, STDP, and everything else that a checkpoint holds."""

    def __init__(self, options: Options) -> None:
        self.options = options
        seed_everything(options.seed, torch.device("cpu"))
        self.encoder = encoding.PoissonEncoder(step_mode="m")
        self.net = make_net(options)
        _, synapse, neurons = self.net
        assert isinstance(synapse, layer.Linear)  # noqa: S101
        assert isinstance(neurons, WinnerTakeAll)  # noqa: S101
        self.synapse, self.neurons = synapse, neurons
        nn.init.uniform_(self.synapse.weight)
        self.normalise()
        self.stdp = learning.STDPLearner(
            "m", self.synapse, self.neurons, options.tau, options.tau,
            f_pre=torch.zeros_like, f_post=torch.ones_like,
        )  # fmt: skip
        self.history: list[Row] = []
        self.batch = 0  # batches of the current epoch that are over

    def normalise(self) -> None:
        """Gives the weights of each neuron the same sum."""
        with torch.no_grad():
            weight = self.synapse.weight
            weight.mul_(WEIGHT_SUM / weight.sum(1, keepdim=True))

    def respond(self, images: Tensor) -> Tensor:
        """Spikes ``[T, B, N]`` of a batch of images."""
        out: Tensor = self.net(
            self.encoder((BRIGHTEST * images).expand(self.options.T, *images.shape))
        )
        functional.reset_net(self.net)
        return out

    @torch.no_grad()
    def learn_epoch(self, dataset: ImageDataset, stop: StopRequest) -> int:
        """One epoch, or what is left of it; returns the number of images."""
        options, seen = self.options, 0
        batches = Batches(
            dataset, options.b, shuffle=True, seed=options.seed, epoch=len(self.history),
            start=self.batch, workers=options.j,
        )  # fmt: skip
        total = max(1, len(batches) * options.epochs)
        for images, _ in batches:
            wins = self.respond(images).sum((0, 1))
            delta = self.stdp.step(on_grad=False)
            self.stdp.reset()
            if delta is not None:
                over = (len(batches) * len(self.history) + self.batch) / total
                self.synapse.weight += options.lr * (1 - 0.9 * over) * delta
            self.normalise()
            self.neurons.adapt(wins, options.theta)
            self.batch += 1
            seen += len(images)
            if stop:
                break
        return seen

    @torch.no_grad()
    def counts(self, dataset: ImageDataset, stop: StopRequest) -> tuple[Tensor, Tensor]:
        """Spikes of each neuron ``[images, N]``, and the labels; without learning."""
        counts, labels = [], []
        self.stdp.disable()
        for images, label in Batches(dataset, EVAL_BATCH, workers=self.options.j):
            counts.append(self.respond(images).sum(0))
            labels.append(label)
            if stop:
                break
        self.stdp.enable()
        return torch.cat(counts), torch.cat(labels)

    def state_dict(self) -> State:
        """Everything that `load_state_dict` needs to go on bit for bit."""
        return {
            "options": self.options.trajectory(),
            "net": self.net.state_dict(),
            "history": [asdict(row) for row in self.history],
            "batch": self.batch,
            "random": random_state(),
        }

    def load_state_dict(self, state: State) -> None:
        """Goes back to where `state_dict` was called."""
        self.net.load_state_dict(state["net"])
        self.history = [Row(**row) for row in state["history"]]
        self.batch = state["batch"]
        restore_random_state(state["random"])


def vote(counts: Tensor, labels: Tensor, test: Tensor) -> Tensor:
    """Classes of ``test`` spike counts: neurons vote for the class for which they fire most."""
    present = F.one_hot(labels, CLASSES).to(counts)
    mean = (present.t() @ counts) / present.sum(0).clamp(min=1).unsqueeze(1)
    members = F.one_hot(mean.argmax(0), CLASSES).to(counts)
    return ((test @ members) / members.sum(0).clamp(min=1)).argmax(1)


def read_out(counts: Tensor, labels: Tensor, test: Tensor, ridge: float = 1.0) -> Tensor:
    """Classes of ``test`` spike counts, by least squares on those whose labels are known."""
    x, y = (F.pad(c, (0, 1), value=1.0).double() for c in (counts, test))
    target = F.one_hot(labels, CLASSES).double()
    gram = x.t() @ x + ridge * torch.eye(x.shape[1], dtype=x.dtype)
    weight: Tensor = torch.linalg.solve(gram, x.t() @ target)
    return (y @ weight).argmax(1)


def save_fields(learner: Learner, path: Path) -> None:
    """Draws what each neuron has learned to see, up to 400 of them."""
    fields = learner.synapse.weight.detach()[:400].reshape(-1, 28, 28)
    columns = max(1, int(len(fields) ** 0.5))
    rows = len(fields) // columns
    figure, _ = visualizing.plot_2d_feature_map(
        fields[: rows * columns], rows, columns, 1, "Weights of the neurons"
    )
    visualizing.save(figure, path)


def save_metrics(learner: Learner, path: Path) -> None:
    """Writes the figures of all epochs."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(Row.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(row) for row in learner.history)


def run(learner: Learner, data: tuple[ImageDataset, ImageDataset], folder: Path) -> int:
    """Learns from where the learner is, into ``folder``; returns the exit code."""
    options, (train, test) = learner.options, data
    checkpoint = folder / LATEST
    with event_log(folder, len(learner.history) + 1) as writer, StopRequest() as stop:
        while len(learner.history) < options.epochs:
            began = time.perf_counter()
            images = learner.learn_epoch(train, stop)
            learned = time.perf_counter() - began
            save_checkpoint(checkpoint, PROGRAM, learner.state_dict())
            counts, labels = learner.counts(train.head(options.readout), stop)
            answers, truth = learner.counts(test, stop)
            if stop:
                say(
                    f"Stopped by {stop.name} in epoch {len(learner.history) + 1}. Go on, to the "
                    f"bit, with\n  -resume {checkpoint}"
                )
                return stop.exit_code
            voted, read = (f(counts, labels, answers) for f in (vote, read_out))
            row = Row(
                epoch=len(learner.history) + 1,
                test_acc=float((voted == truth).float().mean()),
                readout_acc=float((read == truth).float().mean()),
                spikes_per_image=float(answers.sum(1).mean()),
                neurons_used=int((counts.sum(0) > 0).sum()),
                images_per_s=images / learned,
                seconds=time.perf_counter() - began,
            )
            learner.history.append(row)
            learner.batch = 0
            for name, value in asdict(row).items():
                writer.add_scalar(name, value, row.epoch)
            save_checkpoint(checkpoint, PROGRAM, learner.state_dict())
            save_metrics(learner, folder / "metrics.csv")
            say(
                f"epoch {row.epoch}/{options.epochs}  test acc {row.test_acc:.2%} by vote, "
                f"{row.readout_acc:.2%} by linear readout  {row.spikes_per_image:.1f} spikes an "
                f"image  {row.neurons_used} of {options.neurons} neurons used  "
                f"{row.images_per_s:,.0f} img/s  {row.seconds:.1f} s"
            )
        save_checkpoint(checkpoint, PROGRAM, learner.state_dict())
        save_fields(learner, folder / "fields.png")
    say(f"Weights:     {folder / 'fields.png'}")
    say(f"Checkpoint:  {checkpoint} (go on with -resume and more -epochs)")
    say(f"TensorBoard: tensorboard --logdir {folder}")
    return 0


def load_state(path: Path, options: Options, given: frozenset[str]) -> tuple[Options, State]:
    """A checkpoint of this program's, wholly checked, and the options that it was made with.

    Raises:
        CheckpointError: naming what is wrong with it.
        OptionError: if an option that was given says something else than the checkpoint.
    """
    found = load_checkpoint(path, PROGRAM)
    with _contents.of_checkpoint(path):
        values = saved_options(Options, found.get("options"), options.trajectory())
        state: State = _contents.plain(found)
        names = {"format", "program", "options", "net", "history", "batch", "random"}
        _contents.entries(state, names, "it")
        made_with = Options(**values)
        _contents.check_net(state["net"], _contents.unbuilt(lambda: make_net(made_with)))
        _contents.history(state["history"], Row)
        _contents.integer(state["batch"], 0, 2**31 - 1, "the number of batches")
        check_random_state(state["random"])
    if options.epochs > values["epochs"] and "epochs" in given:
        values.pop("epochs")  # more of the same
    return _options.adopt(options, given, values), state


def start(options: Options, given: frozenset[str]) -> int:
    """Learns from the beginning, or goes on with a checkpoint; returns the exit code."""
    options.check(given)
    torch.set_num_threads(options.threads)
    state: State | None = None
    resumed: Resumed | None = None
    folder = Path(options.out_dir) / options.run_name
    if options.resume:
        resumed = Resumed.of(Path(options.resume))
        options, state = load_state(resumed.checkpoint, options, given)
        folder = Path(options.out_dir) / options.run_name
        if "out_dir" not in given:
            folder = resumed.checkpoint.parent
    _options.check_writable(folder)
    learner = Learner(options)
    if state is not None:
        learner.load_state_dict(state)
    data = load_data(options)
    if learner.batch > -(-len(data[0]) // options.b):
        raise CheckpointError(
            f"checkpoint {options.resume} lies {learner.batch} batches into an epoch, which this "
            "data set has not; give the data set that the run began with"
        )
    with run_folder(folder, resumed) as own:
        record(own, options)
        return run(learner, data, own)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the program with the arguments ``argv``; returns the exit code."""
    summary = (__doc__ or "").split("\n")[0]
    arguments = sys.argv[1:] if argv is None else argv
    options, given = _options.parse_as(Options, arguments, PROGRAM, summary)
    return guarded(PROGRAM, lambda: start(options, given))


if __name__ == "__main__":
    raise SystemExit(main())
