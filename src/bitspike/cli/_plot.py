"""``bitspike plot``: pictures of runs and of trained networks."""

import csv
import math
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from bitspike import training, visualizing
from bitspike._extras import require
from bitspike._terminal import printable, say
from bitspike.cli._networks import STDIN, Network, checkpoint_path, load
from bitspike.cli._output import UsageError
from bitspike.examples.lif_fc_mnist import Options
from bitspike.training import CheckpointError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PIXELS = 28 * 28
_MOST_MAPS = 400
# Lines of args.txt that say where and how a run computes, but do not decide what it learns.
_NO_DIFFERENCE = vars(Options()).keys() - Options().trajectory().keys() - {"epochs"} | {"command"}


def run(args: Namespace) -> int:
    """Draw, and print where the picture is."""
    require("matplotlib", "PIL", extra="train", purpose="plot")
    if args.neuron is not None and args.what != "membrane":
        raise UsageError(f"--neuron goes with membrane, not with {args.what}")
    if args.what != "accuracy" and len(args.paths) > 1:
        raise UsageError(f"plot {args.what} takes one checkpoint, but got {len(args.paths)} paths")
    out = Path(args.out or f"{args.what}.png")
    _check_suffix(out)
    import matplotlib as mpl

    mpl.use("Agg")  # pictures are only written: never open a window
    visualizing.save(_DRAW[args.what](args), out)
    say(printable(str(out)))
    return 0


def _check_suffix(out: Path) -> None:
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.filetypes)
    if out.suffix.lower().removeprefix(".") not in known:
        raise UsageError(f"--out {out}: the name must end in one of .{', .'.join(known)}")


# -- runs ---------------------------------------------------------------------------------------


def _folder_of(path: str) -> Path:
    """Return the folder of a run, of which ``path`` is the folder or its ``metrics.csv``."""
    return Path(path) if Path(path).is_dir() else Path(path).parent


def _read_metrics(path: str) -> dict[str, list[float]]:
    """Return a run's ``test_acc``, and ``train_acc`` if its ``metrics.csv`` has it."""
    file = Path(path) / "metrics.csv" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UsageError(f"{file}: no such file; give a run's folder or its metrics.csv")
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        names = [name for name in ("train_acc", "test_acc") if rows and name in rows[0]]
        columns = {name: [float(row[name]) for row in rows] for name in names}
    except (csv.Error, TypeError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as a table of metrics: {error}") from error
    if not rows:
        raise UsageError(f"{file} holds no epoch yet")
    if "test_acc" not in columns:
        raise UsageError(f"{file} has no column test_acc: it is no metrics.csv of a run")
    if any(not 0 <= value <= 1 for values in columns.values() for value in values):
        raise UsageError(f"{file} holds accuracies outside [0, 1]")
    return columns


def _run_names(paths: list[str]) -> list[str]:
    """Return a name for each run: as much of the end of its path as tells it from the others."""
    folders = [_folder_of(path).resolve() for path in paths]
    if len(set(folders)) < len(folders):
        raise UsageError("the same run is given twice")
    depth = 1
    while len(names := {"/".join(f.parts[-depth:]): f for f in folders}) < len(folders):
        depth += 1
    return list(names)


def _read_args(path: str) -> dict[str, str]:
    """Return the options in the ``args.txt`` of a run at its last start; empty without the file."""
    try:
        text = (_folder_of(path) / "args.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    lines = (line.partition(": ") for line in text.strip().split("\n\n")[-1].splitlines())
    return {name: value for name, colon, value in lines if colon and name not in _NO_DIFFERENCE}


def _run_labels(paths: list[str]) -> list[str]:
    """Return what distinguishes each run: options that differ, else the end of its path."""
    names = _run_names(paths)
    runs = [_read_args(path) for path in paths]
    known = dict.fromkeys(name for options in runs for name in options)
    differ = [name for name in known if len({options.get(name) for options in runs}) > 1]
    labels = [
        ", ".join(f"{name} {options.get(name) or '(none)'}" for name in differ) for options in runs
    ]
    if not all(runs) or len(set(labels)) < len(labels):
        labels = names
    return [_shown(label) for label in labels]


def _shown(text: str) -> str:
    """Return text for a picture: without control codes, and a dollar begins no formula."""
    return printable(text).replace("$", r"\$")


def _accuracy(args: Namespace) -> "Figure":
    metrics = [_read_metrics(path) for path in args.paths]
    if len(metrics) == 1 and "train_acc" in metrics[0]:
        return visualizing.plot_accuracy(metrics[0]["train_acc"], metrics[0]["test_acc"])
    curves = [columns["test_acc"] for columns in metrics]
    return visualizing.plot_runs(dict(zip(_run_labels(args.paths), curves, strict=True)))


# -- networks -----------------------------------------------------------------------------------


def _answer(args: Namespace) -> tuple[Network, training.Answer]:
    """Return a network and what it does with the image that is asked for."""
    network = Network(checkpoint_path(args.paths[0]), args.device, args.data_dir)
    return network, network.respond(_image(args, network))


def _image(args: Namespace, network: Network) -> Tensor:
    if (index := training.image_number(args.image)) is not None:
        return training.test_image(network.test_set(), index, "--image")[0]
    if args.image != STDIN and not Path(args.image).is_file():
        raise UsageError(f"--image {args.image}: no such file, and not the number of an image")
    return network.read_image(args.image, args.fit)


def _raster(args: Namespace) -> "Figure":
    return training.draw_spikes(_answer(args)[1])


def _input(args: Namespace) -> "Figure":
    return training.draw_input(_answer(args)[1])


def _membrane(args: Namespace) -> "Figure":
    network, answer = _answer(args)
    if args.neuron is None:
        return training.draw_membranes(answer)
    if args.neuron >= answer.v_seq.shape[1]:
        raise UsageError(
            f"--neuron {args.neuron}: the output layer has {answer.v_seq.shape[1]} neurons, from 0"
        )
    output = training.output_layer(network.net)
    figure, _, _ = visualizing.plot_one_neuron_v_s(
        answer.v_seq[:, args.neuron],
        answer.s_seq[:, args.neuron],
        output.v_threshold,
        output.v_reset,
        f"$V[t]$ and $S[t]$ of output neuron {args.neuron}",
    )
    return figure


def _first_weights(net: dict[str, Tensor]) -> tuple[str, Tensor] | None:
    """Return name and maps ``[N, H, W]`` of the first layer of 784 inputs, or convolution."""
    for name, weight in net.items():
        if weight.ndim == 2 and weight.shape[1] == _PIXELS:
            return name, weight.reshape(-1, 28, 28)
        if weight.ndim == 4:
            return name, weight.flatten(0, 1)
    return None


def _weights(args: Namespace) -> "Figure":
    path = checkpoint_path(args.paths[0])
    net = load(path)[1].get("net")
    weights = net if isinstance(net, dict) else {}
    first = _first_weights({n: w for n, w in weights.items() if isinstance(w, Tensor)})
    if first is None:
        raise CheckpointError(
            f"checkpoint {path} has neither weights of {_PIXELS} inputs nor of a convolution"
        )
    name, maps = first[0], first[1][:_MOST_MAPS].float()
    rows = next(n for n in range(math.isqrt(len(maps)), 0, -1) if len(maps) % n == 0)
    title = f"{_shown(name)}, {len(maps)} maps of {maps.shape[1]} x {maps.shape[2]}"
    figure, _ = visualizing.plot_2d_feature_map(maps, rows, len(maps) // rows, 1, title)
    return figure


_DRAW: dict[str, Callable[[Namespace], "Figure"]] = {
    "accuracy": _accuracy,
    "raster": _raster,
    "membrane": _membrane,
    "input": _input,
    "weights": _weights,
}
