"""A loss or a weight that is no number stops the run; the last good checkpoint stays."""

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor

from bitspike.examples import lif_fc_mnist

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.examples.tutorial import Program, Run

    from bitspike.training import TrainingState

loss_of, train_epoch = lif_fc_mnist.loss_of, lif_fc_mnist.train_epoch
FIFTH_OF_EPOCH_2 = 15


def bad_loss(value: float) -> "Callable[[], Callable[..., Tensor]]":
    """A loss that is ``value`` once, in the fifth batch of epoch 2."""

    def make() -> "Callable[..., Tensor]":
        batches = []

        def bad(rate: Tensor, label: Tensor) -> Tensor:
            batches.append(rate.requires_grad)
            at = rate.requires_grad and sum(batches) == FIFTH_OF_EPOCH_2
            return loss_of(rate, label) * (value if at else 1.0)

        return bad

    return make


def with_bad_weight(state: "TrainingState", *args: Any) -> None:
    """One weight becomes NaN in epoch 2, which silences a neuron but not the loss: and Ctrl-C."""
    if len(state.history) == 1:
        with torch.no_grad():
            next(state.net.parameters())[3, 400] = torch.nan
        os.kill(os.getpid(), signal.SIGINT)
    train_epoch(state, *args)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf], ids=str)
def test_a_loss_that_is_no_number(
    program: "Program",
    small: list[str],
    reference: "Run",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: float,
) -> None:
    monkeypatch.setattr(lif_fc_mnist, "loss_of", bad_loss(value)())
    assert program.here(*small, "-epochs", "3", "-out-dir", tmp_path) == 1
    check_and_go_on(program, reference, program.only(tmp_path), monkeypatch, capsys)


def test_a_weight_that_is_no_number_and_ctrl_c(
    program: "Program",
    small: list[str],
    reference: "Run",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(lif_fc_mnist, "train_epoch", with_bad_weight)
    assert program.here(*small, "-epochs", "3", "-out-dir", tmp_path) == 1
    check_and_go_on(program, reference, program.only(tmp_path), monkeypatch, capsys)


def check_and_go_on(
    program: "Program",
    reference: "Run",
    run: "Run",
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, err = capsys.readouterr()
    assert err == ""
    assert "became infinite or NaN in epoch 2" in out
    assert f"{run.latest} is kept as it was after epoch 1" in out
    assert "Try a smaller -lr, or leave out -amp" in out
    assert "Firing rate" not in out
    assert run.metrics() == reference.metrics()[:1]
    assert len(run.state()["history"]) == 1
    monkeypatch.undo()
    assert program.here("-resume", run.latest, "-epochs", "3") == 0
    run.assert_same_as(reference)


def test_a_learning_rate_that_is_too_large(
    program: "Program", small: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.here(*small, "-lr", "3e37", "-out-dir", tmp_path) == 1
    assert "Stopped: the weights became infinite or NaN in epoch 1" in capsys.readouterr().out
    run = program.only(tmp_path)
    assert run.metrics() == []
    state = run.state()
    assert state["history"] == []
    assert bool(state["net"]["1.weight"].isfinite().all())
    assert program.here("-resume", run.latest, "-epochs", "0") == 0
