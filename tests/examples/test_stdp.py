"""The STDP program on a small part of MNIST."""

import csv
import signal
from pathlib import Path

import pytest
import torch

from bitspike import training
from bitspike.datasets import MNIST
from bitspike.examples import stdp_mnist
from bitspike.examples.stdp_mnist import (
    Learner,
    Options,
    WinnerTakeAll,
    learn_epoch,
    read_out,
    vote,
)
from bitspike.training import StopRequest, load_checkpoint

SMALL = ["-T", "5", "-neurons", "30", "-limit", "300", "-readout", "200", "-j", "0", "-b", "50"]


@pytest.fixture
def small_test_set(mnist_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = stdp_mnist.load_data

    def fewer(options: Options) -> tuple[MNIST, MNIST]:
        train, test = load(options)
        return train, test.head(100)  # type: ignore[return-value]

    monkeypatch.setattr(stdp_mnist, "load_data", fewer)


def test_the_winner_takes_all() -> None:
    """Two neurons, tau = 2: the one further above its threshold fires, both go back to 0."""
    neurons = WinnerTakeAll(2, tau=2.0, v_threshold=1.0)
    s = [neurons(torch.tensor([x])).tolist() for x in ([0.5, 0.75], [1.0, 1.0], [0.5, 0.0])]
    assert s == [[[0.0, 0.0]], [[0.0, 1.0]], [[0.0, 0.0]]]
    assert torch.equal(torch.as_tensor(neurons.v), torch.tensor([[0.5, 0.0]]))
    neurons.adapt(torch.tensor([0.0, 4.0]), 0.5)
    assert neurons.theta.tolist() == [0.0, 2.0]


def test_votes_and_readout() -> None:
    counts = torch.tensor([[3.0, 0.0, 1.0], [2.0, 0.0, 0.0], [0.0, 5.0, 1.0], [0.0, 4.0, 0.0]])
    labels = torch.tensor([7, 7, 2, 2])
    test = torch.tensor([[2.5, 0.0, 0.5], [0.0, 4.5, 0.5]])
    assert vote(counts, labels, test).tolist() == [7, 2]
    assert read_out(counts, labels, test, ridge=1e-3).tolist() == [7, 2]


def test_learning_moves_weights_towards_what_was_seen(mnist_root: Path) -> None:
    options = Options(T=5, neurons=20, b=50, j=0, lr=0.1)
    learner, images = Learner(options), MNIST().head(200)
    with StopRequest() as stop:
        for _ in range(2):
            assert learn_epoch(learner, images, stop) == 200
            learner.batch = 0
    weight = learner.synapse.weight.detach()
    torch.testing.assert_close(weight.sum(1), torch.full((20,), 78.4), rtol=1e-4, atol=0.0)
    seen = images[:200][0].mean(0).flatten()
    used = weight[:, seen == 0].mean(1) < 0.05  # where no pixel ever was: below the mean of 0.1
    assert used.float().mean() > 0.5


@pytest.mark.usefixtures("small_test_set")
def test_outputs_resume_and_repeat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two epochs at once, and one after the other, make the same weights to the bit."""
    a, b = tmp_path / "a", tmp_path / "b"
    assert stdp_mnist.main([*SMALL, "-epochs", "2", "-out-dir", str(a)]) == 0
    said = capsys.readouterr().out
    assert "by vote" in said
    (run,) = a.iterdir()
    names = {"args.txt", "checkpoint_latest.pth", "fields.png", "metrics.csv"}
    assert names <= {path.name for path in run.iterdir()}
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 <= float(row["test_acc"]) <= 1 for row in rows)

    stopped = stopping_after(4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "StopRequest", stopped)
        assert stdp_mnist.main([*SMALL, "-epochs", "2", "-out-dir", str(b)]) == 130
    (other,) = b.iterdir()
    assert stdp_mnist.main(["-resume", str(other / "checkpoint_latest.pth"), "-j", "0"]) == 0
    one, two = (
        load_checkpoint(folder / "checkpoint_latest.pth", "stdp_mnist")["net"]
        for folder in (run, other)
    )
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def stopping_after(batches: int) -> type[StopRequest]:
    """A request to stop that comes after so many looks at it."""

    class Stop(StopRequest):
        looks = 0

        def __bool__(self) -> bool:
            Stop.looks += 1
            if Stop.looks >= batches:
                self._signal = signal.SIGINT
            return super().__bool__()

    return Stop


@pytest.mark.parametrize(
    "arguments", [["-T", "0"], ["-neurons", "1"], ["-lr", "-1"], ["-tau", "1"], ["-theta", "-1"]]
)
def test_bad_values(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stdp_mnist.main([*arguments, "-out-dir", str(tmp_path)]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("stdp_mnist: error: ")
    assert arguments[0] in complaint
    assert not list(tmp_path.iterdir())
