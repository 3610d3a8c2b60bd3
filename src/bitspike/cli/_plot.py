"""``bitspike plot``: pictures of runs and of trained networks."""

import csv
import math
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bitspike import visualizing
from bitspike._terminal import printable, say
from bitspike.cli import _images
from bitspike.cli._checkpoints import checkpoint_path
from bitspike.cli._parser import UsageError
from bitspike.cli._predict import centred
from bitspike.cli._programs import Trained, load
from bitspike.examples import _pictures
from bitspike.training import CheckpointError
from bitspike.training._options import Options

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PIXELS = 28 * 28
_MOST_MAPS = 400
# Lines of args.txt that say where and how a run computes, not what.
NO_DIFFERENCE = Options.free - {"epochs"} | {"command"}


def run(args: Namespace) -> int:
    """Draws, and prints where the picture is."""
    if args.neuron is not None and args.what != "membrane":
        raise UsageError(f"--neuron goes with membrane, not with {args.what}")
    if args.what != "accuracy" and len(args.paths) > 1:
        raise UsageError(f"plot {args.what} takes one checkpoint, but got {len(args.paths)} paths")
    out = Path(args.out or f"{args.what}.png")
    _check_suffix(out)
    figure = DRAW[args.what](args)
    visualizing.save(figure, out)
    say(printable(str(out)))
    return 0


def _check_suffix(out: Path) -> None:
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.filetypes)
    if out.suffix.lower().removeprefix(".") not in known:
        raise UsageError(f"--out {out}: the name must end in one of .{', .'.join(known)}")


# -- runs ---------------------------------------------------------------------------------------


def read_metrics(path: str) -> dict[str, list[float]]:
    """Accuracies in a run's ``metrics.csv``: ``test_acc``, and ``train_acc`` where it is there.

    Raises:
        UsageError: if there is no such file, or it holds something else.
    """
    file = Path(path) / "metrics.csv" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise UsageError(f"{file}: no such file; give a run's folder or its metrics.csv")
    columns: dict[str, list[float]] = {}
    try:
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        if rows and "test_acc" not in rows[0]:
            raise UsageError(f"{file} has no column test_acc: it is no metrics.csv of a run")
        for name in ("train_acc", "test_acc"):
            if rows and name in rows[0]:
                columns[name] = [float(row[name]) for row in rows]
    except (csv.Error, TypeError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{file} cannot be read as a table of metrics: {error}") from error
    if not rows:
        raise UsageError(f"{file} holds no epoch yet")
    if any(not 0 <= value <= 1 for values in columns.values() for value in values):
        raise UsageError(f"{file} holds accuracies outside [0, 1]")
    return columns


def run_names(paths: list[str]) -> list[str]:
    """A name for each run: as much of the end of its path as tells it from the others.

    Raises:
        UsageError: if a run is given twice.
    """
    folders = [Path(p).resolve() if Path(p).is_dir() else Path(p).resolve().parent for p in paths]
    if len(set(folders)) < len(folders):
        raise UsageError("the same run is given twice")
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def read_args(path: str) -> dict[str, str]:
    """The options in the ``args.txt`` of a run, as they were at its last start; empty without."""
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    try:
        text = (folder / "args.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    lines = (line.partition(": ") for line in text.strip().split("\n\n")[-1].splitlines())
    return {name: value for name, colon, value in lines if colon and name not in NO_DIFFERENCE}


def run_labels(paths: list[str]) -> list[str]:
    """What distinguishes each run: options that differ, else the end of its path.

    Raises:
        UsageError: if a run is given twice.
    """
    names = run_names(paths)
    found = [read_args(path) for path in paths]
    known = dict.fromkeys(name for options in found for name in options)
    differ = [name for name in known if len({options.get(name) for options in found}) > 1]
    labels = [
        ", ".join(f"{name} {options.get(name) or '(none)'}" for name in differ) for options in found
    ]
    if not all(found) or len(set(labels)) < len(labels):
        labels = names
    return [_shown(label) for label in labels]


def _shown(text: str) -> str:
    """Text for a picture: without control codes, and a dollar begins no formula."""
    return printable(text).replace("$", r"\$")


def _accuracy(args: Namespace) -> "Figure":
    metrics = [read_metrics(path) for path in args.paths]
    if len(metrics) == 1 and "train_acc" in metrics[0]:
        return visualizing.plot_accuracy(metrics[0]["train_acc"], metrics[0]["test_acc"])
    curves = [one["test_acc"] for one in metrics]
    return visualizing.plot_runs(dict(zip(run_labels(args.paths), curves, strict=True)))


# -- networks -----------------------------------------------------------------------------------


def _answer(args: Namespace) -> tuple[Trained, _pictures.Answer]:
    """What the network does with the image that is asked for."""
    trained = Trained(checkpoint_path(args.paths[0]), args.device, args.data_dir)
    return trained, trained.respond(_image(args, trained))


def _image(args: Namespace, trained: Trained) -> Tensor:
    if (index := _pictures.image_number(args.image)) is not None:
        test_set = trained.test_set()
        if index >= len(test_set):
            raise UsageError(f"--image {index}: there are {len(test_set)} test images, from 0")
        return test_set[index : index + 1][0]
    if args.image != _images.STDIN and not Path(args.image).is_file():
        raise UsageError(f"--image {args.image}: no such file, and not the number of an image")
    return _images.read(args.image, centred(args.fit, trained))


def _raster(args: Namespace) -> "Figure":
    return _pictures.draw_spikes(_answer(args)[1])


def _input(args: Namespace) -> "Figure":
    return _pictures.draw_input(_answer(args)[1])


def _membrane(args: Namespace) -> "Figure":
    trained, answer = _answer(args)
    if args.neuron is None:
        return _pictures.draw_membranes(answer)
    if args.neuron >= answer.v_seq.shape[1]:
        raise UsageError(
            f"--neuron {args.neuron}: the output layer has {answer.v_seq.shape[1]} neurons, from 0"
        )
    output = trained.trainer.output
    figure, _, _ = visualizing.plot_one_neuron_v_s(
        answer.v_seq[:, args.neuron],
        answer.s_seq[:, args.neuron],
        output.v_threshold,
        output.v_reset,
        f"$V[t]$ and $S[t]$ of output neuron {args.neuron}",
    )
    return figure


def first_weights(net: dict[str, Tensor]) -> tuple[str, Tensor] | None:
    """Name and maps ``[N, H, W]`` of the first layer: of 784 inputs, or of a convolution."""
    for name, weight in net.items():
        if weight.ndim == 2 and weight.shape[1] == PIXELS:
            return name, weight.reshape(-1, 28, 28)
        if weight.ndim == 4:
            return name, weight.flatten(0, 1)
    return None


def _weights(args: Namespace) -> "Figure":
    path = checkpoint_path(args.paths[0])
    net = load(path)[1].get("net")
    weights = net if isinstance(net, dict) else {}
    found = first_weights({n: w for n, w in weights.items() if isinstance(w, torch.Tensor)})
    if found is None:
        raise CheckpointError(
            f"checkpoint {path} has neither weights of {PIXELS} inputs nor of a convolution"
        )
    name, maps = found
    maps = maps[:_MOST_MAPS].float()
    rows = next(n for n in range(math.isqrt(len(maps)), 0, -1) if len(maps) % n == 0)
    title = f"{_shown(name)}, {len(maps)} maps of {maps.shape[1]} x {maps.shape[2]}"
    figure, _ = visualizing.plot_2d_feature_map(maps, rows, len(maps) // rows, 1, title)
    return figure


DRAW: dict[str, Callable[[Namespace], "Figure"]] = {
    "accuracy": _accuracy,
    "raster": _raster,
    "membrane": _membrane,
    "input": _input,
    "weights": _weights,
}
