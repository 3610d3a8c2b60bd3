"""The commands and what they take. Nothing is imported here that takes time."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

from bitspike.cli._output import Parser

MODELS = {
    "mnist": "ten LIF neurons read handwritten digits (the tutorial)",
    "fashion": "a convolutional network tells clothes apart",
    "stdp": "neurons learn digits without labels",
}
PROGRAMS = {"mnist": "lif_fc_mnist", "fashion": "conv_fashion_mnist", "stdp": "stdp_mnist"}
_DATASETS = ("mnist", "fashion-mnist")
_PLOTS = {
    "accuracy": "accuracy over the epochs, of one or several runs",
    "raster": "spikes of the output layer for an image",
    "membrane": "membrane potentials of the output layer for an image",
    "input": "an image and the spikes that enter the network",
    "weights": "weights of the first layer, as maps of 28 x 28",
}


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        runs: where its function is, ``module:name``.
        summary: a line for the overview.
        text: the text of its help.
        declare: adds its arguments to a parser.
        passes_on: whether it parses its arguments itself.
    """

    runs: str
    summary: str
    text: str
    declare: Callable[[Parser], Any]
    passes_on: bool = False

    def run(self, given: Any) -> int:
        """Import the command's function and call it; return the exit code."""
        module, name = self.runs.split(":")
        code: int = getattr(import_module(module), name)(given)
        return code


def program_of(model: str) -> ModuleType:
    """Import the program that trains a model."""
    return import_module(f"bitspike.examples.{PROGRAMS[model]}")


def _at_least(low: int) -> Callable[[str], int]:
    """Return the type of an integer of at least ``low``."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ArgumentTypeError(f"{text!r} is no integer") from None
        if value < low:
            raise ArgumentTypeError(f"must be at least {low}, but is {value}")
        return value

    return parse


def _json(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON for scripts instead of a table")


def _checkpoint(parser: Parser) -> None:
    parser.add_argument("checkpoint", metavar="CHECKPOINT", help="a run's checkpoint_*.pth")


def _device(parser: Parser) -> None:
    parser.add_argument(
        "--device", default="", help="where to compute (default: best of cuda:0, mps, cpu)"
    )
    parser.add_argument(
        "--data-dir", default="", metavar="DIR", help="folder of the data set (default: your cache)"
    )


def _fit(parser: Parser) -> None:
    parser.add_argument(
        "--fit", choices=("auto", "whole", "centre"), default="auto",
        help="how a picture becomes 28 x 28: as a whole, or what is drawn in it, centred as in "
        "MNIST (auto: centred for digits)",
    )  # fmt: skip


def _train(parser: Parser) -> None:
    parser.add_argument(
        "model", nargs="?", choices=tuple(MODELS), help="what to train (default: mnist)"
    )
    parser.add_argument("--config", metavar="FILE", help="options from a TOML file; flags win")
    parser.add_argument(
        "--print-config", action="store_true", help="print all options as such a file, and stop"
    )


def _predict(parser: Parser) -> None:
    _checkpoint(parser)
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="picture file, folder of such, or - for stdin"
    )
    _fit(parser)
    _device(parser)
    _json(parser)


def _plot(parser: Parser) -> None:
    parser.add_argument("what", choices=tuple(_PLOTS), help="what to draw")
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="runs or their metrics.csv, or one checkpoint"
    )
    parser.add_argument(
        "-o", "--out", default="", metavar="FILE",
        help="picture to write; the suffix chooses the format (default: ./accuracy.png and so on)",
    )  # fmt: skip
    parser.add_argument(
        "--image", default="0", metavar="IMAGE",
        help="picture file, - for stdin, or number of a test image (default: 0)",
    )  # fmt: skip
    parser.add_argument(
        "--neuron", type=_at_least(0), metavar="N", help="membrane: of this output neuron only"
    )
    _fit(parser)
    _device(parser)


def _info(parser: Parser) -> None:
    _checkpoint(parser)
    _json(parser)


def _health(parser: Parser) -> None:
    _checkpoint(parser)
    parser.add_argument(
        "--images", type=_at_least(1), default=32, metavar="N", help="test images (default: 32)"
    )
    _device(parser)
    _json(parser)


def _bench(parser: Parser) -> None:
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE",
        help="suites of the repository's benchmarks, or all; needs a checkout of the repository",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=_at_least(1), metavar="N", help="rounds; the median counts"
    )
    parser.add_argument("--quick", action="store_true", help="prove that it runs; no real numbers")
    _json(parser)


def _data(parser: Parser) -> None:
    parser.add_argument("action", choices=("get", "verify"), help="fetch, or only look")
    parser.add_argument(
        "datasets", nargs="*", metavar="DATASET", help=f"{' or '.join(_DATASETS)} (default: all)"
    )
    parser.add_argument("--root", default="", metavar="DIR", help="folder (default: your cache)")
    _json(parser)


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="whose script to print")


def _listed(entries: dict[str, str]) -> str:
    return "".join(f"  {name:9} {text}\n" for name, text in entries.items())


COMMANDS = {
    "train": Command(
        "bitspike.cli._train:run", "train a network",
        f"Trains one of the models:\n\n{_listed(MODELS)}\n"
        "All options of a model: bitspike train MODEL --help. Each may stand in the file\n"
        "of --config as well, as NAME = VALUE; what is given as a flag wins.",
        _train, passes_on=True,
    ),
    "predict": Command(
        "bitspike.cli._networks:predict", "classify pictures",
        "Classifies pictures of any size, in colour or grey, bright on dark or inverted.",
        _predict,
    ),
    "plot": Command(
        "bitspike.cli._plot:run", "draw accuracies, spikes, membranes, weights",
        f"Draws, and prints where the picture is:\n\n{_listed(_PLOTS).rstrip()}",
        _plot,
    ),
    "info": Command(
        "bitspike.cli._networks:info", "what a checkpoint holds",
        "Says what a checkpoint holds.", _info,
    ),
    "health": Command(
        "bitspike.cli._networks:health", "is a trained network healthy?",
        "Shows test images to the network of a checkpoint and reports firing, dead and\n"
        "saturated neurons, membranes and gradients of each layer, with advice.",
        _health,
    ),
    "bench": Command(
        "bitspike.cli._bench:run", "measure the kernels on this machine",
        "Without suites: the tutorial's network, compiled kernels against eager PyTorch, in\n"
        "some seconds. With suites: those benchmarks of the repository.",
        _bench,
    ),
    "data": Command(
        "bitspike.cli._data:run", "fetch or verify the data sets",
        "Fetches or verifies data sets.", _data,
    ),
    "doctor": Command(
        "bitspike.cli._doctor:run", "versions, threads, backends, caches, a self-test",
        "Says what is installed, and whether the compiled kernels compute what eager PyTorch\n"
        "computes.",
        _json,
    ),
    "playground": Command(
        "bitspike.playground:main", "draw digits in the browser and watch the neurons",
        "A page on this machine.", lambda _: None, passes_on=True,
    ),
    "completion": Command(
        "bitspike.cli._completion:run", "completion for your shell",
        "Prints a script that completes commands and options:\n\n"
        '  bash  echo \'eval "$(bitspike completion bash)"\' >> ~/.bashrc\n'
        '  zsh   echo \'eval "$(bitspike completion zsh)"\' >> ~/.zshrc\n'
        "  fish  bitspike completion fish > ~/.config/fish/completions/bitspike.fish",
        _completion,
    ),
}  # fmt: skip


def build() -> tuple[Parser, dict[str, Parser]]:
    """Return the parser of the whole command line, and that of each command."""
    root = Parser(prog="bitspike", description="Spiking neural networks on PyTorch.")
    root.add_argument("--version", action="store_true", help="print the version, and stop")
    added = root.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    parsers = {}
    for name, command in COMMANDS.items():
        parsers[name] = added.add_parser(name, help=command.summary, description=command.text)
        command.declare(parsers[name])
    return root, parsers
