"""What the commands take: one entry each, and nothing imported that takes time."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass

from bitspike.cli._parser import Parser

MODELS = {
    "mnist": "ten LIF neurons read handwritten digits (the tutorial)",
    "fashion": "a convolutional network tells clothes apart",
    "stdp": "neurons learn digits without labels",
}
DATASETS = ("mnist", "fashion-mnist")
SHELLS = ("bash", "zsh", "fish")
PLOTS = {
    "accuracy": "accuracy over the epochs, of one or several runs",
    "raster": "spikes of the output layer for an image",
    "membrane": "membrane potentials of the output layer for an image",
    "input": "an image and the spikes that enter the network",
    "weights": "weights of the first layer, as maps of 28 x 28",
}


@dataclass(frozen=True)
class Command:
    """A command: name, a line for the overview, text for its help, what it takes.

    Those with ``passes_on`` parse their arguments themselves.
    """

    name: str
    summary: str
    text: str
    declare: Callable[[Parser], None]
    passes_on: bool = False

    @property
    def module(self) -> str:
        """Where it is run."""
        return f"bitspike.cli._{self.name}"


def number(low: int) -> Callable[[str], int]:
    """The type of an integer of at least ``low``."""

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


def _train(parser: Parser) -> None:
    parser.add_argument("model", nargs="?", choices=MODELS, help="what to train (default: mnist)")
    parser.add_argument("--config", metavar="FILE", help="options from a TOML file; flags win")
    parser.add_argument(
        "--print-config", action="store_true", help="print all options as such a file, and stop"
    )


def _fit(parser: Parser) -> None:
    parser.add_argument(
        "--fit",
        choices=("auto", "whole", "centre"),
        default="auto",
        help="how a picture becomes 28 x 28: as a whole, or what is drawn in it, centred as in "
        "MNIST (auto: centred for digits)",
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
    parser.add_argument("what", choices=PLOTS, help="what to draw")
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
        "--neuron", type=number(0), metavar="N", help="membrane: of this output neuron only"
    )
    _fit(parser)
    _device(parser)


def _info(parser: Parser) -> None:
    _checkpoint(parser)
    _json(parser)


def _health(parser: Parser) -> None:
    _checkpoint(parser)
    parser.add_argument(
        "--images", type=number(1), default=32, metavar="N", help="test images (default: 32)"
    )
    _device(parser)
    _json(parser)


def _bench(parser: Parser) -> None:
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE",
        help="suites of the repository's benchmarks, or all; needs a checkout of the repository",
    )  # fmt: skip
    parser.add_argument("--rounds", type=number(1), metavar="N", help="rounds; the median counts")
    parser.add_argument("--quick", action="store_true", help="prove that it runs; no real numbers")
    _json(parser)


def _data(parser: Parser) -> None:
    parser.add_argument("action", choices=("get", "verify"), help="fetch, or only look")
    parser.add_argument(
        "datasets", nargs="*", metavar="DATASET", help=f"{' or '.join(DATASETS)} (default: all)"
    )
    parser.add_argument("--root", default="", metavar="DIR", help="folder (default: your cache)")
    _json(parser)


def _nothing(parser: Parser) -> None:
    pass


def _completion(parser: Parser) -> None:
    parser.add_argument("shell", choices=SHELLS, help="whose script to print")


COMMANDS = {
    one.name: one
    for one in (
        Command(
            "train", "train a network",
            "Trains one of the models:\n\n"
            + "".join(f"  {name:9} {text}\n" for name, text in MODELS.items())
            + "\nAll options of a model: bitspike train MODEL --help. Each may stand in the file\n"
            "of --config as well, as NAME = VALUE; what is given as a flag wins.",
            _train, passes_on=True,
        ),
        Command(
            "predict", "classify pictures",
            "Classifies pictures of any size, in colour or grey, bright on dark or inverted.",
            _predict,
        ),
        Command(
            "plot", "draw accuracies, spikes, membranes, weights",
            "Draws, and prints where the picture is:\n\n"
            + "\n".join(f"  {name:9} {text}" for name, text in PLOTS.items()),
            _plot,
        ),
        Command("info", "what a checkpoint holds", "Says what a checkpoint holds.", _info),
        Command(
            "health", "is a trained network healthy?",
            "Shows test images to the network of a checkpoint and reports firing, dead and\n"
            "saturated neurons, membranes and gradients of each layer, with advice.",
            _health,
        ),
        Command(
            "bench", "measure the kernels on this machine",
            "Without suites: the tutorial's network, compiled kernels against eager PyTorch, in\n"
            "some seconds. With suites: those benchmarks of the repository.",
            _bench,
        ),
        Command("data", "fetch or verify the data sets", "Fetches or verifies data sets.", _data),
        Command(
            "doctor", "versions, threads, backends, caches, a self-test",
            "Says what is installed, and whether the compiled kernels compute what eager PyTorch\n"
            "computes.",
            _json,
        ),
        Command(
            "playground", "draw digits in the browser and watch the neurons",
            "A page on this machine.", _nothing, passes_on=True,
        ),
        Command(
            "completion", "completion for your shell",
            "Prints a script that completes commands and options:\n\n"
            '  bash  echo \'eval "$(bitspike completion bash)"\' >> ~/.bashrc\n'
            '  zsh   echo \'eval "$(bitspike completion zsh)"\' >> ~/.zshrc\n'
            "  fish  bitspike completion fish > ~/.config/fish/completions/bitspike.fish",
            _completion,
        ),
    )
}  # fmt: skip


def build() -> tuple[Parser, dict[str, Parser]]:
    """The whole command line, and the parser of each command."""
    root = Parser(prog="bitspike", description="Spiking neural networks on PyTorch.")
    root.add_argument("--version", action="store_true", help="print the version, and stop")
    added = root.add_subparsers(title="commands", dest="command", metavar="COMMAND")
    parsers = {}
    for command in COMMANDS.values():
        parsers[command.name] = added.add_parser(
            command.name, help=command.summary, description=command.text
        )
        command.declare(parsers[command.name])
    return root, parsers
