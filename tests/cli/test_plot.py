"""``bitspike plot``."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from bitspike.training import load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from tests.cli.conftest import Bitspike


def curves(figure: "Figure") -> list[list[float]]:
    """The y values of the lines with more than one point."""
    lines = figure.axes[0].lines
    return [list(np.asarray(line.get_ydata())) for line in lines if np.size(line.get_xdata()) > 1]


def columns(trained: Path) -> tuple[list[float], list[float]]:
    history = load_checkpoint(trained / "checkpoint_latest.pth")["history"]
    return [100 * row["train_acc"] for row in history], [100 * row["test_acc"] for row in history]


def test_a_picture_is_written(bitspike: "Bitspike", trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "weights.png"
    done = bitspike("plot", "weights", trained, "-o", out)
    assert (done.code, done.out, done.err) == (0, f"{out}\n", "")
    with Image.open(out) as picture:
        assert picture.size[0] > 500


def test_the_default_is_in_the_current_folder(
    bitspike: "Bitspike", trained: Path, figures: "list[Figure]"
) -> None:
    assert bitspike("plot", "accuracy", trained).out == "accuracy.png\n"


@pytest.mark.parametrize("what", ["folder", "file"])
def test_accuracy_of_a_run(
    bitspike: "Bitspike", trained: Path, figures: "list[Figure]", what: str
) -> None:
    path = trained if what == "folder" else trained / "metrics.csv"
    assert bitspike("plot", "accuracy", path).code == 0
    np.testing.assert_allclose(curves(figures[0]), columns(trained))


def test_accuracy_of_several_runs(
    bitspike: "Bitspike", trained: Path, figures: "list[Figure]", tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "metrics.csv").write_text("epoch,test_acc\n1,0.5\n2,0.75\n3,0.625\n")
    assert bitspike("plot", "accuracy", trained, other).code == 0
    first, second = curves(figures[0])
    np.testing.assert_allclose(first, columns(trained)[1])
    assert second == [50, 75, 62.5]
    legend = figures[0].axes[0].get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0].startswith(trained.name)
    assert texts[1] == "other: 75.00 % (epoch 2)"


@pytest.fixture
def labels(bitspike: "Bitspike", figures: "list[Figure]") -> Callable[..., list[str]]:
    """What the legend calls runs."""

    def read(*paths: Path) -> list[str]:
        assert bitspike("plot", "accuracy", *paths).code == 0
        legend = figures.pop().axes[0].get_legend()
        assert legend is not None
        return [text.get_text().rpartition(": ")[0] for text in legend.get_texts()]

    return read


def test_several_runs_are_labelled_by_what_differs(
    labels: Callable[..., list[str]], tmp_path: Path
) -> None:
    def run(name: str, args: str = "") -> Path:
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "metrics.csv").write_text("epoch,test_acc\n1,0.5\n2,0.75\n")
        if args:
            (tmp_path / name / "args.txt").write_text(args)
        return tmp_path / name

    def args(name: str, seed: int, tau: float) -> str:
        return f"T: 4\nseed: {seed}\ntau: {tau}\nout_dir: {name}\nresume: \ncommand: x -y\n\n"

    one, two = run("a", args("a", 1, 2.0)), run("b", "T: 9\nseed: 5\n\n" + args("b", 2, 2.0))
    assert labels(one, two) == ["seed 1", "seed 2"]
    three = run("c", args("c", 2, 3.0))
    assert labels(one, two, three) == ["seed 1, tau 2.0", "seed 2, tau 2.0", "seed 2, tau 3.0"]
    again = run("c_2", args("c_2", 2, 3.0))
    assert labels(three, again) == ["c", "c_2"], "the same options: by their folders"
    assert labels(one, run("without")) == ["a", "without"]
    assert labels(one, run("$x$\x1b[31m", args("", 1, 2.0))) == ["a", r"\$x\$\x1b[31m"]
    assert labels(run("p/a/m"), run("q/a/m")) == ["p/a/m", "q/a/m"], "what tells them apart"


def test_weights(bitspike: "Bitspike", trained: Path, figures: "list[Figure]") -> None:
    assert bitspike("plot", "weights", trained).code == 0
    axes = figures[0].axes[0]
    assert axes.get_title() == "1.weight, 10 maps of 28 x 28"
    sheet = np.ma.filled(axes.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    weight = load_checkpoint(trained / "checkpoint_max.pth")["net"]["1.weight"]
    np.testing.assert_allclose(sheet[:28, :28], weight[0].reshape(28, 28).numpy())
    assert sheet.shape == (2 * 29, 5 * 29)


def test_first_weights(bitspike: "Bitspike", figures: "list[Figure]", tmp_path: Path) -> None:
    """Of the first layer with 784 inputs, or convolution, whatever comes before it."""

    def title(net: dict[str, torch.Tensor]) -> str:
        save_checkpoint(tmp_path / "a.pth", "mine", {"net": net})
        assert bitspike("plot", "weights", tmp_path / "a.pth").code == 0
        return figures.pop().axes[0].get_title()

    bias, kernel = torch.zeros(4), torch.ones(3, 2, 5, 4)
    dense = torch.arange(2.0 * 784).reshape(2, 784)
    net = {"0.bias": bias, "1": torch.zeros(3, 7), "2": dense, "3": kernel}
    assert title(net) == "2, 2 maps of 28 x 28"
    assert title({"0": kernel, "2": dense}) == "0, 6 maps of 5 x 4"


def test_raster_membrane_and_input_show_one_answer(
    bitspike: "Bitspike",
    trained: Path,
    figures: "list[Figure]",
    digits: list[tuple[Any, int]],
    tmp_path: Path,
    mnist_root: Path,
) -> None:
    picture = tmp_path / "0.png"
    Image.fromarray(digits[0][0]).save(picture)
    for image in ("0", picture):
        for what in ("raster", "membrane", "input"):
            argv = ("plot", what, trained, "--image", image, "--data-dir", mnist_root)
            assert bitspike(*argv).code == 0
    spikes, membranes, entered = (figure.axes[0] for figure in figures[:3])
    assert spikes.get_title() == "Spikes of the output layer"
    shown = membranes.images[0].get_array()
    again = figures[4].axes[0].images[0].get_array()
    assert shown is not None
    assert again is not None
    assert np.array_equal(shown, again), "a file of 28 x 28 and the number are the same image"
    pixels = entered.images[0].get_array()
    assert pixels is not None
    np.testing.assert_allclose(pixels, digits[0][0] / 255, atol=1e-6)


def test_the_membrane_of_one_neuron(
    bitspike: "Bitspike", trained: Path, figures: "list[Figure]", mnist_root: Path
) -> None:
    argv = ("plot", "membrane", trained, "--data-dir", mnist_root)
    assert bitspike(*argv).code == 0
    assert bitspike(*argv, "--neuron", "7").code == 0
    everything = figures[0].axes[0].images[0].get_array()
    potential = np.asarray(figures[1].axes[0].lines[-1].get_ydata())
    assert everything is not None
    np.testing.assert_allclose(potential, everything[7])
    assert "output neuron 7" in figures[1].axes[0].get_title()


def test_bad_input(
    refused: Callable[..., str],
    bitspike: "Bitspike",
    trained: Path,
    tmp_path: Path,
    mnist_root: Path,
) -> None:
    assert "invalid choice: 'pie'" in refused("plot", "pie", trained)
    assert "required: PATH" in refused("plot", "weights")
    assert "takes one checkpoint, but got 2" in refused("plot", "weights", trained, trained)
    assert "--neuron goes with membrane" in refused("plot", "raster", trained, "--neuron", "1")
    assert "must end in one of" in refused("plot", "weights", trained, "-o", tmp_path / "a.doc")
    assert "does not exist" in refused("plot", "weights", tmp_path / "none.pth")
    assert "no such file" in refused("plot", "accuracy", tmp_path)
    assert "given twice" in refused("plot", "accuracy", trained, trained / "metrics.csv")
    data = ("--data-dir", mnist_root)
    image = ("plot", "raster", trained, *data, "--image")
    assert "there are 10000 test images" in refused(*image, "10000")
    assert "no such file, and not the number" in refused(*image, "seven")
    argv = ("plot", "membrane", trained, *data, "--neuron")
    assert "has 10 neurons" in refused(*argv, "10")
    assert "must be at least 0" in refused(*argv, "-1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "holds no epoch yet"),
        ("epoch,test_acc\n", "holds no epoch yet"),
        ("epoch,loss\n1,2\n", "no column test_acc"),
        ("epoch,test_acc\n1,good\n", "cannot be read as a table"),
        ("epoch,test_acc\n1,97.5\n", "outside [0, 1]"),
        ("epoch,test_acc\n1,nan\n", "outside [0, 1]"),
        ("epoch,test_acc\n1\n", "cannot be read as a table"),
    ],
)
def test_bad_metrics(
    refused: Callable[..., str], tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "metrics.csv").write_text(text)
    said = refused("plot", "accuracy", tmp_path)
    assert complaint in said
    assert str(tmp_path / "metrics.csv") in said


def test_a_checkpoint_without_pictures_in_it(refused: Callable[..., str], tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pth", "mine", {"net": {"w": torch.zeros(3, 3)}})
    assert "neither weights of 784 inputs" in refused("plot", "weights", tmp_path / "a.pth")


def test_the_best_checkpoint_of_a_folder_or_else_the_latest(
    bitspike: "Bitspike", trained: Path, tmp_path: Path, figures: "list[Figure]"
) -> None:
    shutil.copy(trained / "checkpoint_latest.pth", tmp_path)
    assert bitspike("plot", "weights", tmp_path).code == 0
    assert f"checkpoint  {trained / 'checkpoint_max.pth'}" in bitspike("info", trained).out
