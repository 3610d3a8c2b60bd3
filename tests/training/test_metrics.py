import csv
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bitspike.training import EpochMetrics, RateMeter, load_checkpoint, save_checkpoint, write_csv

CPU = torch.device("cpu")
ROW = EpochMetrics(
    epoch=1,
    train_loss=0.1,
    train_acc=1 / 3,
    test_loss=2e-17,
    test_acc=0.75,
    firing_rate=0.125,
    dead=0.0,
    saturated=0.1,
    train_images_per_s=12345.6789,
    seconds=1.5,
)
HEADER = (
    "epoch,train_loss,train_acc,test_loss,test_acc,firing_rate,dead,saturated,"
    "train_images_per_s,seconds"
)

# Four neurons and three images in two batches; neuron 1 never fires, neuron 3 almost always.
FIRST = (
    torch.tensor([[0.5, 0.0, 0.25, 1.0], [0.75, 0.0, 0.0, 0.5]]),
    torch.tensor(0.5),
    torch.tensor([3, 2]),
)
SECOND = (torch.tensor([[0.25, 0.0, 0.5, 0.0]]), torch.tensor(2.0), torch.tensor([2]))


def filled(*batches: tuple[Tensor, Tensor, Tensor]) -> RateMeter:
    meter = RateMeter(CPU)
    for batch in batches:
        meter.add(*batch)
    return meter


def figures(meter: RateMeter) -> tuple[float, ...]:
    return (
        meter.images,
        meter.loss,
        meter.accuracy,
        meter.firing_rate,
        meter.dead,
        meter.saturated,
        *meter.neuron_rate.tolist(),
    )


def test_figures_by_hand() -> None:
    meter = filled(FIRST, SECOND)
    assert meter.images == 3
    assert meter.loss == (2 * 0.5 + 2.0) / 3  # a mean over images, not over batches
    assert meter.accuracy == 2 / 3
    assert meter.neuron_rate.tolist() == [0.5, 0.0, 0.25, 0.5]
    assert meter.firing_rate == 1.25 / 4
    assert meter.dead == 0.25
    assert meter.saturated == 0.0


@pytest.mark.parametrize(
    ("rates", "dead", "saturated"),
    [
        ([0.0, 0.0, 0.0, 0.0], 1.0, 0.0),
        ([1.0, 1.0, 1.0, 1.0], 0.0, 1.0),
        ([0.0, 1e-6, 0.949, 0.95], 0.25, 0.25),
        ([0.0, 0.0, 0.96, 1.0], 0.5, 0.5),
    ],
)
def test_dead_and_saturated_neurons(rates: list[float], dead: float, saturated: float) -> None:
    rate = torch.tensor([rates], dtype=torch.float64)
    meter = filled((rate, torch.tensor(0.0), torch.tensor([0])))
    assert (meter.dead, meter.saturated) == (dead, saturated)


def test_a_neuron_that_fires_for_one_image_is_not_dead() -> None:
    silent, once = torch.zeros(100, 1), torch.zeros(1, 1)
    once[0, 0] = 0.01
    label, loss = torch.zeros(100, dtype=torch.int64), torch.tensor(0.0)
    assert filled((silent, loss, label)).dead == 1.0
    assert filled((silent, loss, label), (once, loss, label[:1])).dead == 0.0


def test_no_gradient_is_kept() -> None:
    rate = FIRST[0].clone().requires_grad_()
    meter = filled((rate, rate.sum(), FIRST[2]))
    assert not meter.neuron_rate.requires_grad
    assert not any(
        value.requires_grad for value in meter.state_dict().values() if isinstance(value, Tensor)
    )


def test_an_empty_meter_has_no_figures() -> None:
    meter = RateMeter(CPU)
    assert meter.images == 0
    with pytest.raises(ValueError, match="no batch has been added yet"):
        _ = meter.firing_rate
    with pytest.raises(ZeroDivisionError):
        _ = meter.loss


@pytest.mark.parametrize("before", [(), (FIRST,)])
def test_state_survives_a_checkpoint(
    tmp_path: Path, before: tuple[tuple[Tensor, Tensor, Tensor], ...]
) -> None:
    save_checkpoint(tmp_path / "m.pth", "prog", {"meter": filled(*before).state_dict()})
    again = filled(SECOND, SECOND)  # what is in it is replaced
    again.load_state_dict(load_checkpoint(tmp_path / "m.pth", "prog")["meter"])
    again.add(*SECOND)
    assert figures(again) == figures(filled(*before, SECOND))


def test_a_state_does_not_change_afterwards() -> None:
    meter = filled(FIRST)
    state = meter.state_dict()
    meter.add(*SECOND)
    again = RateMeter(CPU)
    again.load_state_dict(state)  # type: ignore[arg-type]
    assert figures(again) == figures(filled(FIRST))
    again.add(*SECOND)
    third = RateMeter(CPU)
    third.load_state_dict(state)  # type: ignore[arg-type]
    assert figures(third) == figures(filled(FIRST))


@given(cuts=st.lists(st.integers(0, 40), max_size=5).map(sorted))
def test_the_partition_into_batches_does_not_matter(cuts: list[int]) -> None:
    generator = torch.Generator().manual_seed(0)
    rate = torch.randint(0, 17, (40, 5), generator=generator) / 16
    label = torch.randint(0, 5, (40,), generator=generator)
    loss = torch.randint(0, 9, (40,), generator=generator) / 8
    meter = RateMeter(CPU)
    for start, stop in zip([0, *cuts], [*cuts, 40], strict=True):
        if stop > start:
            part = slice(start, stop)
            meter.add(rate[part], loss[part].mean(dtype=torch.float64), label[part])
    whole = filled((rate, loss.mean(dtype=torch.float64), label))
    assert figures(meter) == pytest.approx(figures(whole), rel=1e-14)


def test_when_a_meter_is_read_changes_no_digit() -> None:
    batches = [
        ((torch.rand(B, 10) * 100).round() / 100, torch.rand(()) / 30, torch.randint(10, (B,)))
        for B in [64] * 150 + [32]
    ]
    at_the_end, often = RateMeter(CPU), RateMeter(CPU)
    for batch in batches:
        at_the_end.add(*batch)
        often.add(*batch)
        assert often.accuracy <= 1
        often.load_state_dict(often.state_dict())  # type: ignore[arg-type]
    assert at_the_end.images == often.images == 150 * 64 + 32
    assert (at_the_end.loss, at_the_end.accuracy) == (often.loss, often.accuracy)
    assert torch.equal(at_the_end.neuron_rate, often.neuron_rate)
    loss = sum(float(loss) * len(label) for _, loss, label in batches) / often.images
    assert often.loss == pytest.approx(loss, rel=1e-12)


def test_csv_keeps_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_csv(path, [ROW, EpochMetrics(**{**vars(ROW), "epoch": 2})])
    lines = path.read_text().splitlines()
    assert lines[0] == HEADER
    with path.open(newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    assert rows == [vars(ROW), {**vars(ROW), "epoch": 2}]


def test_csv_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    write_csv(path, [ROW, ROW])
    write_csv(path, [ROW])
    assert len(path.read_text().splitlines()) == 2
    write_csv(path, [])
    assert path.read_text().splitlines() == [HEADER]
    assert list(tmp_path.iterdir()) == [path]
