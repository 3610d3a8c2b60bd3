"""The commands about a checkpoint, ``predict``, ``info`` and ``health``, and its network."""

import io
import math
import sys
import warnings
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import bitspike
from bitspike import training
from bitspike._extras import require
from bitspike._terminal import complain, say
from bitspike.cli._commands import PROGRAMS, program_of
from bitspike.cli._output import UsageError, pairs, print_json, table
from bitspike.datasets import DatasetNote, ImageDataset
from bitspike.training import BEST, LATEST, CheckpointError, ContentError, OptionError

# The models whose networks can be rebuilt, by the program in their checkpoints.
_CLASSIFIERS = {"lif_fc_mnist": "mnist", "conv_fashion_mnist": "fashion", "playground": "mnist"}
STDIN = "-"
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
_LARGEST = 256 << 20  # bytes of a picture


def checkpoint_path(path: str) -> str:
    """Return the checkpoint that a user means: a file, or the best one of a run's folder."""
    if not Path(path).is_dir():
        return path
    if (best := training.find_checkpoint(Path(path))) is None:
        raise UsageError(f"{path} is a folder without a {BEST} or {LATEST}")
    return str(best)


def load(path: str) -> tuple[Any, dict[str, Any]]:
    """Return options and content of a checkpoint, checked against what its program builds.

    Of a program that is not ours only the form can be checked; its options are None.
    """
    state = training.load_checkpoint(path)
    for model, name in PROGRAMS.items():
        if name == state["program"]:
            program = program_of(model)
            options, state = program.load_state(path, program.Options(), frozenset())
            return options, state
    if state["program"] == "playground":
        mnist = program_of("mnist")
        needed = ("T", "tau", "dataset")
        options, net = training.read_network(path, state, mnist.Options, needed, mnist.make_net)
        return options, {**state, "net": net}
    with training.of_checkpoint(path):
        return None, training.plain_content(state)


class Network:
    """The network of a checkpoint, and the functions of its program that use it.

    Args:
        path: of the checkpoint.
        device: where to compute; empty is the best there is.
        data_dir: folder of the data set; empty is the cache.
    """

    def __init__(self, path: str, device: str = "", data_dir: str = "") -> None:
        self.name = training.load_checkpoint(path)["program"]
        if self.name not in _CLASSIFIERS:
            raise CheckpointError(
                f"checkpoint {path} was written by the program {self.name!r}, whose network "
                f"cannot be rebuilt here; there are {', '.join(_CLASSIFIERS)}"
            )
        options, state = load(path)
        self.options = replace(options, device=device, data_dir=data_dir)
        self.options.check()
        torch.set_num_threads(self.options.threads)
        self.program = program_of(_CLASSIFIERS[self.name])
        self.net, self.device = self.program.build(self.options)
        self.net.load_state_dict(state["net"])
        self._random = training.random_state()
        self.dataset = training.DATASETS[self.options.dataset]
        self.classes = self.dataset.entry.classes

    def test_set(self) -> ImageDataset:
        """Return the test images, fetched if they are absent."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DatasetNote)
            return self.dataset(self.options.data_dir or None, train=False)

    def read_image(self, name: str, fit: str) -> Tensor:
        """Return a picture as the network wants it; ``fit`` is ``--fit``."""
        centred = fit == "centre" or (fit == "auto" and self.options.dataset == "mnist")
        if name != STDIN:
            return training.read_image(name, name, centred)
        content = sys.stdin.buffer.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise OptionError(
                f"standard input cannot be read as a picture: it has more than {_LARGEST >> 20} MiB"
            )
        return training.read_image(io.BytesIO(content), "standard input", centred)

    def respond(self, image: Tensor) -> training.Answer:
        """Return the network's answer to one image ``[1, 1, 28, 28]``.

        It does not depend on the images before: the random numbers start anew, as in a call of
        the program with ``-predict``.
        """
        training.restore_random_state(self._random)
        answer: training.Answer = self.program.respond(self.net, image, self.options)
        return answer

    def after_encoding(self, image: Tensor) -> tuple[nn.Module, Tensor]:
        """Return the network from its first spikes or currents on, and those, ``[T, B, ...]``."""
        net, T = self.net.eval(), self.options.T
        image = image.to(self.device)
        if hasattr(net, "encode"):  # direct encoding: currents, the same at each step
            with torch.no_grad():
                current = net.encode(image)
            parts = OrderedDict(first=net.first, rest=net.rest)
            return nn.Sequential(parts).eval(), current.expand(T, *current.shape)
        return net, self.program.encoder(image.expand(T, *image.shape))


# -- predict -------------------------------------------------------------------------------------


def predict(args: Namespace) -> int:
    """Print the class of each picture; if one cannot be read, the exit code is 2."""
    require("PIL", extra="train", purpose="predict")
    path = checkpoint_path(args.checkpoint)
    names = list(_pictures(args.images))
    network = Network(path, args.device, args.data_dir)
    answers: list[dict[str, Any]] = []
    for name in names:
        try:
            answers.append(_answer(network, name, args.fit))
        except OptionError as error:
            complain("bitspike predict", error)
            answers.append({"image": name, "error": str(error)})
    good = [answer for answer in answers if "error" not in answer]
    if args.json:
        print_json({"checkpoint": path, "program": network.name, "answers": answers})
    elif good:
        rows = [_row(network, answer) for answer in good]
        say(table(("image", "class", "rate", "next", "rate"), rows))
    return 0 if len(good) == len(answers) else 2


def _pictures(given: list[str]) -> Iterator[str]:
    """Yield files and `STDIN`, and a folder's pictures in the order of their names."""
    if given.count(STDIN) > 1:
        raise UsageError("- can be given once: there is one standard input")
    for name in given:
        path = Path(name)
        if name == STDIN or path.is_file():
            yield name
        elif path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
            if not inside:
                raise UsageError(f"{name} is a folder without pictures ({', '.join(_SUFFIXES)})")
            yield from map(str, inside)
        else:
            raise UsageError(f"{name}: no such file or folder")


def _answer(network: Network, name: str, fit: str) -> dict[str, Any]:
    answer = network.respond(network.read_image(name, fit))
    rates = [round(float(rate), 6) for rate in answer.firing_rate[0]]
    best = answer.predicted if any(rates) else None
    label = None if best is None else network.classes[best]
    return {"image": name, "class": best, "name": label, "rates": rates}


def _row(network: Network, answer: dict[str, Any]) -> list[str]:
    """Return a line of the table: the two classes that fired most."""
    rates, first = answer["rates"], answer["class"]
    if first is None:
        return [answer["image"], "(no neuron fired)", "-", "-", "-"]
    second = max((i for i in range(len(rates)) if i != first), key=lambda i: rates[i])
    best, other = network.classes[first], network.classes[second]
    return [answer["image"], best, f"{rates[first]:.2f}", other, f"{rates[second]:.2f}"]


# -- info ----------------------------------------------------------------------------------------


def _describe(path: str) -> dict[str, Any]:
    """Return everything in a checkpoint but the numbers themselves, in types that JSON has."""
    _, state = load(path)
    with training.of_checkpoint(path):  # for those of a program that is not ours
        weights = {n: w for n, w in _part(state, "net", {}).items() if isinstance(w, Tensor)}
        history, options = _part(state, "history", []), _part(state, "options", {})
        for row in history:
            if not isinstance(row, dict):
                raise ContentError("a row of the history is no dict")
            training.check_number(row.get("test_acc"), 0, 1, "test_acc in the history")
            training.check_integer(row.get("epoch"), 0, 2**31 - 1, "the epoch in the history")
        batches = state.get("batch", 0)
        training.check_integer(batches, 0, 2**31 - 1, "the number of batches")
    best = max(history, key=lambda row: row["test_acc"]) if history else None
    return {
        "checkpoint": path,
        "bytes": Path(path).stat().st_size,
        "program": state["program"],
        "epochs": len(history),
        "batches_of_next_epoch": batches,
        "options": options,
        "best": _finite(best),
        "last": _finite(history[-1] if history else None),
        "parameters": sum(weight.numel() for weight in weights.values()),
        "weights": {
            name: {"shape": list(weight.shape), "dtype": str(weight.dtype).removeprefix("torch.")}
            for name, weight in weights.items()
        },
    }


def _part(state: dict[str, Any], name: str, default: Any) -> Any:
    """Return an entry of a checkpoint, which must have the type of the default."""
    value = state.get(name, default)
    if not isinstance(value, type(default)):
        raise ContentError(f"{name} is of the type {type(value).__name__}")
    return value


def _finite(row: dict[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in row.items()}


def info(args: Namespace) -> int:
    """Print what a checkpoint holds."""
    content = _describe(checkpoint_path(args.checkpoint))
    if args.json:
        print_json(content)
        return 0
    more = content["batches_of_next_epoch"]
    rows: list[tuple[str, object]] = [
        ("checkpoint", f"{content['checkpoint']} ({content['bytes']:,} bytes)"),
        ("program", content["program"]),
        ("options", ", ".join(f"{n} {v}" for n, v in content["options"].items())),
        (
            "epochs",
            f"{content['epochs']}, and {more} batches of the next" if more else content["epochs"],
        ),
    ]
    rows += [
        (name, f"test accuracy {row['test_acc']:.2%}, epoch {row['epoch']}")
        for name in ("best", "last")
        if (row := content[name])
    ]
    rows.append(("values", f"{content['parameters']:,}"))
    for name, weight in content["weights"].items():
        shape = " x ".join(map(str, weight["shape"])) or "scalar"
        rows.append((f"  {name}", f"{shape}  {weight['dtype']}"))
    say(pairs(rows))
    return 0


# -- health --------------------------------------------------------------------------------------


def health(args: Namespace) -> int:
    """Print the diagnosis of a trained network on test images."""
    path = checkpoint_path(args.checkpoint)
    network = Network(path, args.device, args.data_dir)
    images, labels = network.test_set()[: args.images]
    net, x = network.after_encoding(images)

    def loss(spikes: Tensor, label: Tensor) -> Tensor:
        value: Tensor = network.program.loss_of(training.votes(spikes.mean(0)), label)
        return value

    report = bitspike.health(net, x, labels.to(x.device), loss=loss)
    if args.json:
        print_json({"checkpoint": path, "images": len(labels), **report.to_dict()})
    else:
        say(str(report))
    return 0
