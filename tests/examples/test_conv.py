"""The convolutional program on a small part of Fashion-MNIST."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from matplotlib import pyplot as plt
from tests.examples.tutorial import tiny_picture

from bitspike import functional, neuron, training, visualizing
from bitspike.datasets import ImageDataset
from bitspike.examples import conv_fashion_mnist
from bitspike.examples.conv_fashion_mnist import (
    ConvNet,
    Options,
    augment,
    learning_rate,
    make_net,
    respond,
)
from bitspike.training import Answer, StopRequest, draw_input, votes

if TYPE_CHECKING:
    from tests.examples.tutorial import Program, Run

Only = Callable[[Path], "Run"]
SMALL = ["-T", "2", "-channels", "2", "-b", "16", "-j", "0", "-threads", "1"]
Conv = Callable[..., int]


def images(count: int, train: bool) -> ImageDataset:
    """Bright squares whose place is the label."""
    data = ImageDataset.__new__(ImageDataset)
    data.labels = torch.arange(count) % 10
    data.images = torch.zeros(count, 1, 28, 28, dtype=torch.uint8)
    for i, label in enumerate(data.labels.tolist()):
        row, column = 12 * (label // 5) + 3, 5 * (label % 5) + 1
        data.images[i, 0, row : row + 5, column : column + 4] = 255
    data.train, data.official, data.classes = train, True, tuple("0123456789")
    return data


@pytest.fixture
def conv(monkeypatch: pytest.MonkeyPatch) -> Conv:
    """Runs the program on 64 training and 40 test images, with pictures of one pixel."""
    sets = images(64, True), images(40, False)
    monkeypatch.setattr(conv_fashion_mnist, "load_data", lambda _: sets)
    monkeypatch.setattr(visualizing, "save", tiny_picture)

    def run(*argv: str | Path) -> int:
        return conv_fashion_mnist.main([*SMALL, *map(str, argv)])

    return run


@pytest.fixture
def only(program: "Program") -> Only:
    """The one run in a folder."""
    return program.only


def test_the_network() -> None:
    """The first convolution runs once; a loop of single steps gives the same spikes."""
    net = ConvNet(T=3, channels=2, tau=2.0).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.constant_(module.bias, 1.0)
        if isinstance(module, neuron.LIFNode):
            module.v_threshold = 0.1
    seen: list[torch.Size] = []
    net.encode.register_forward_hook(lambda *args: seen.append(args[2].shape))
    image = torch.rand(4, 1, 28, 28)
    with torch.no_grad():
        spikes = net(image)
        assert seen == [(4, 2, 28, 28)]
        assert spikes.shape == (3, 4, 100)
        assert 0 < spikes.mean() < 1
        functional.reset_net(net)
        for part in (net.first, net.rest):
            functional.set_step_mode(part, "s")
        current = net.encode(image)
        steps = torch.stack([net.rest(net.first(current)) for _ in range(3)])
    assert torch.equal(steps, spikes)


def test_augmentation() -> None:
    """Every image is itself, moved by up to two pixels each way and maybe mirrored."""
    image = torch.zeros(200, 1, 28, 28)
    image[:, 0, 10, 5], image[:, 0, 10, 6] = 1.0, 0.5  # its left pixel is the brighter one
    moved = augment(image)[:, 0]
    assert moved.shape == (200, 28, 28)
    found = set()
    for one in moved:
        assert float(one.sum()) == 1.5
        row, column = (one == 1.0).nonzero()[0].tolist()
        dim = (one == 0.5).nonzero()[0, 1].item()
        mirrored = dim < column
        assert dim == (column - 1 if mirrored else column + 1)
        found.add((row - 10, column - (22 if mirrored else 5), mirrored))
    downs, rights, mirrors = map(set, zip(*found, strict=True))
    assert downs == rights == {-2, -1, 0, 1, 2}
    assert mirrors == {False, True}


def test_augmentation_in_training_only() -> None:
    options = Options(T=1, channels=2)
    net, image = make_net(options), images(1, True)[:][0]
    spikes = [respond(net, image, options).input_spikes for _ in range(2)]
    assert torch.equal(*spikes)
    assert not torch.equal(augment(image.expand(9, 1, 28, 28)), image.expand(9, 1, 28, 28))


def test_learning_rate_along_a_cosine() -> None:
    options = Options(epochs=4, lr=1.0)
    rates = [learning_rate(options, epoch, batch, 10) for epoch in range(4) for batch in (0, 5)]
    assert rates == pytest.approx([1, 0.962, 0.854, 0.691, 0.5, 0.309, 0.146, 0.038], abs=1e-3)


def test_neurons_vote() -> None:
    spikes = torch.zeros(2, 1, 100)
    spikes[0, 0, 30:35] = 1.0
    rate = conv_fashion_mnist.firing_rate(torch.nn.Identity(), spikes)
    assert rate.tolist() == votes(spikes.mean(0)).tolist() == [[0, 0, 0, 0.25, 0, 0, 0, 0, 0, 0]]


def test_picture_of_the_first_layer() -> None:
    rates = torch.zeros(2, 6 * 28 * 28)
    rates[0, 784] = 1.0  # the first pixel of the second map, in one of two steps
    answer = Answer(torch.zeros(28, 28), rates, torch.zeros(2, 100), torch.zeros(2, 100))
    figure = draw_input(answer)
    drawn = [axes.images[0].get_array() for axes in figure.axes if axes.images]
    assert sum(float(array.max()) for array in drawn if array is not None) == 0.5
    plt.close(figure)


def test_it_learns(
    tmp_path: Path, only: Only, conv: Conv, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conv("-epochs", "15", "-lr", "0.02", "-out-dir", tmp_path) == 0
    run = only(tmp_path)
    assert run.folder.name == "conv_fashion_mnist_T2_b16_c2_adam_lr0.02_epochs15"
    rows = run.metrics()
    assert len(rows) == 15
    assert rows[-1]["train_loss"] < 0.8 * rows[0]["train_loss"]
    assert rows[-1]["train_acc"] > 0.3
    names = {path.name for path in run.folder.iterdir()}
    assert names > {
        "args.txt", "metrics.csv", "checkpoint_latest.pth", "checkpoint_max.pth", "voltage.png",
        "spikes.png", "input.png", "accuracy.png", "v_t_array.npy", "s_t_array.npy",
    }  # fmt: skip
    assert set(run.scalars()) > {"train_loss", "test_acc"}
    capsys.readouterr()
    argv = ("-predict", run.best, "-image", "3")
    assert conv(*argv) == 0
    out = capsys.readouterr().out
    assert "(test image 3, label 3)" in out
    assert (run.folder / "predict_3" / "voltage.png").exists()


def test_stop_and_resume_to_the_bit(
    tmp_path: Path, only: Only, conv: Conv, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    argv = ("-epochs", "3", "-out-dir")
    assert conv(*argv, tmp_path / "whole") == 0

    class Stopped(StopRequest):
        """Ctrl-C after the sixth question: in the second epoch."""

        asked = 0
        exit_code = 130

        def __bool__(self) -> bool:
            Stopped.asked += 1
            return Stopped.asked > 7

    with monkeypatch.context() as patch:
        patch.setattr(training, "StopRequest", Stopped)
        assert conv(*argv, tmp_path / "parts") == 130
    run = only(tmp_path / "parts")
    state = run.state()
    assert (len(state["history"]), state["batch"]) in {(1, 1), (1, 2), (1, 3)}
    assert conv("-resume", run.latest) == 0
    run.assert_same_checkpoints_as(only(tmp_path / "whole"))
    assert run.metrics() == only(tmp_path / "whole").metrics()


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("-channels 0", "-channels must be at least 1, but is 0"),
        ("-T 0", "-T must be at least 1, but is 0"),
        ("-resume a.pth", "checkpoint a.pth does not exist"),
    ],
)
def test_refused(argv: str, message: str, conv: Conv, capsys: Any, tmp_path: Path) -> None:
    assert conv(*argv.split(), "-out-dir", tmp_path) == 2
    assert capsys.readouterr().err.startswith(f"conv_fashion_mnist: error: {message}")
    assert not list(tmp_path.iterdir())


def test_epochs_belong_to_the_run(tmp_path: Path, only: Only, conv: Conv, capsys: Any) -> None:
    """The learning rate depends on them."""
    assert conv("-epochs", "0", "-out-dir", tmp_path) == 0
    latest = only(tmp_path).latest
    assert conv("-resume", latest, "-epochs", "5") == 2
    assert "-epochs 5 differs from the checkpoint's 0" in capsys.readouterr().err
    with_more = conv_fashion_mnist.main(["-resume", str(latest), "-channels", "3"])
    assert with_more == 2
    assert "-channels 3 differs" in capsys.readouterr().err


def test_mixed_precision(tmp_path: Path, only: Only, conv: Conv) -> None:
    assert conv("-amp", "-epochs", "1", "-out-dir", tmp_path) == 0
    run = only(tmp_path)
    assert run.folder.name.endswith("_amp")
    assert run.state()["net"]["encode.0.weight"].dtype == torch.float32


@pytest.mark.backend("auto")
def test_on_bits(tmp_path: Path, only: Only, conv: Conv) -> None:
    assert conv("-epochs", "1", "-out-dir", tmp_path) == 0
    assert len(only(tmp_path).metrics()) == 1


def test_a_silent_layer_is_reported(capsys: Any, tmp_path: Path, conv: Conv) -> None:
    def deaf(options: Options) -> ConvNet:
        net = make_net(options)
        last = net.rest[-1]
        assert isinstance(last, neuron.LIFNode)
        last.v_threshold = 1e9
        return net

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv_fashion_mnist, "make_net", deaf)
        assert conv("-epochs", "26", "-out-dir", tmp_path) == 0
    out = capsys.readouterr().out
    assert out.count("Warning: LIFNode 'rest.11' has not fired once in 100 calls") == 1
