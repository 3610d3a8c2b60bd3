"""Every layer knows how many axes a sequence has, and says so."""

import re
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.layer.test_layers import LAYERS, example
from torch import Tensor, nn

from bitspike import functional, layer, models, neuron
from bitspike.layer import Stepwise

T, B = 4, 3
SPACE = {1: "L", 2: "H, W", 3: "D, H, W"}
RANKED = [name for name in LAYERS if name[-2:] in ("1d", "2d", "3d") and name != "BatchNorm1d"]


def made(name: str) -> tuple[Any, tuple[int, ...]]:
    arguments, shape = example(name)
    return getattr(layer, name)(**arguments, step_mode="m"), shape


@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("name", RANKED)
def test_another_number_of_axes(name: str, held: bool) -> None:
    module, shape = made(name)
    net = nn.Sequential(nn.Identity(), module)
    functional.set_step_mode(net, "m")
    axes = re.escape(f"[T, B, C, {SPACE[int(name[-2])]}]")
    for wrong in ((B, *shape), (1, 1, T, *shape), shape):
        x = torch.rand(wrong[1:]).expand(wrong) if held else torch.rand(wrong)
        state = {key: value.clone() for key, value in module.state_dict().items()}
        with pytest.raises(ValueError, match=f"{name} '1': expected {axes}.* got shape .*'s'"):
            net(x)
        assert all(torch.equal(state[key], value) for key, value in module.state_dict().items())
    assert net(torch.rand(T, B, *shape)).shape[:2] == (T, B)
    functional.set_step_mode(net, "s")
    assert net(torch.rand(B, *shape)).shape[0] == B


def test_the_examples_of_the_report() -> None:
    with pytest.raises(ValueError, match=r"expected \[T, B, C, L\].*\(4, 3, 5\)"):
        layer.Conv1d(12, 12, 3, step_mode="m")(torch.rand(4, 3, 5))
    with pytest.raises(ValueError, match=r"expected \[T, B, C, H, W\].*\(4, 3, 8, 8\)"):
        layer.Conv2d(12, 12, 3, step_mode="m")(torch.rand(4, 3, 8, 8))
    with pytest.raises(ValueError, match=r"WSConv2d: expected \[T, B, C, H, W\]"):
        layer.WSConv2d(12, 12, 3, step_mode="m")(torch.rand(4, 3, 8, 8))


@pytest.mark.parametrize("shape", [(T, 6), (B, 6, 5), (T, B, 6, 5, 5), (6,)])
@pytest.mark.parametrize(
    "make",
    [
        lambda: layer.BatchNorm1d(6, step_mode="m"),
        lambda: layer.ThresholdDependentBatchNorm1d(1.0, 1.0, 6),
        lambda: layer.BatchNormThroughTime1d(T, 6, step_mode="m"),
    ],
)
def test_batch_norm_of_vectors_or_lines(
    make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"expected \[T, B, C=6\] or \[T, B, C=6, L\]"):
        make()(torch.rand(shape))
    assert make()(torch.rand(T, B, 6)).shape == (T, B, 6)
    assert make()(torch.rand(T, B, 6, 5)).shape == (T, B, 6, 5)


@pytest.mark.parametrize(
    ("module", "wrong", "right", "axes"),
    [
        (layer.GroupNorm(2, 4, step_mode="m"), (B, 4, 8, 8), (T, B, 4, 8, 8), "T, B, C=4, ..."),
        (layer.GroupNorm(2, 4, step_mode="m"), (B, 4), (T, B, 4), "T, B, C=4, ..."),
        (layer.Upsample(scale_factor=2, step_mode="m"), (B, 2, 8), (T, B, 2, 8), "T, B, C, L"),
        (layer.Upsample(scale_factor=2, mode="bilinear", step_mode="m"), (B, 2, 8, 8),
         (T, B, 2, 8, 8), "T, B, C, H, W"),
        (layer.Upsample(size=(9, 9), step_mode="m"), (B, 2, 8, 8), (T, B, 2, 8, 8),
         "T, B, C, H, W"),
        (layer.Dropout2d(step_mode="m"), (B, 2, 8, 8), (T, B, 2, 8, 8), "T, B, C, H, W"),
        (layer.Flatten(step_mode="m"), (B, 4), (T, B, 4), "T, B, ..."),
        (layer.Flatten(2, step_mode="m"), (T, B, 4), (T, B, 4, 5), "T, B, ..."),
        (layer.VotingLayer(2, step_mode="m"), (B, 4), (T, B, 4), "T, B, C * 2"),
        (layer.ThresholdDependentBatchNorm2d(1.0, 1.0, 4), (B, 4, 8, 8), (T, B, 4, 8, 8),
         "T, B, C, H, W"),
        (layer.TemporalEffectiveBatchNorm2d(T, 4), (T, 4, 8, 8), (T, B, 4, 8, 8),
         "T, B, C, H, W"),
        (layer.BatchNormThroughTime2d(T, 8, step_mode="m"), (B, 8, 8, 8), (T, B, 8, 8, 8),
         "T, B, C, H, W"),
        (layer.SeqToANNContainer(nn.Conv1d(3, 2, 1)), (T, 3, 5), (T, B, 3, 5), "T, B, C, L"),
        (layer.SeqToANNContainer(nn.Sequential(nn.MaxPool2d(2))), (B, 3, 8, 8), (T, B, 3, 8, 8),
         "T, B, C, H, W"),
        (layer.MultiStepContainer(nn.Conv1d(3, 2, 1)), (T, 3, 5), (T, B, 3, 5), "T, B, C, L"),
        (layer.StepModeContainer(False, "m", nn.MaxPool1d(2)), (T, 3, 5), (T, B, 3, 5),
         "T, B, C, L"),
        (layer.TLastSeqToANNContainer(nn.MaxPool1d(2)), (3, 6, T), (B, 3, 6, T), "T, B, C, L"),
        (layer.TLastMultiStepContainer(nn.MaxPool1d(2)), (3, 6, T), (B, 3, 6, T), "T, B, C, L"),
    ],
)  # fmt: skip
def test_layers_whose_names_do_not_say_it(
    module: nn.Module, wrong: tuple[int, ...], right: tuple[int, ...], axes: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected [{axes}]")):
        module(torch.rand(wrong))
    assert module(torch.rand(right)).shape[0] == right[0]


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_undone_pooling(dim: int) -> None:
    pool = getattr(layer, f"MaxPool{dim}d")(2, return_indices=True)
    values, indices = pool(torch.rand(B, 2, *[4] * dim))
    undo = getattr(layer, f"MaxUnpool{dim}d")(2, step_mode="m")
    with pytest.raises(ValueError, match=rf"expected \[T, B, C, {SPACE[dim]}\]"):
        undo(values, indices)
    sequence = values.expand(T, *values.shape), indices.expand(T, *values.shape)
    whole = (T, B, 2, *[4] * dim)
    assert torch.equal(undo(*sequence, whole), undo(*sequence))
    with pytest.raises(ValueError, match=r"must begin as the input's"):
        undo(*sequence, (T + 1, *whole[1:]))
    undo.step_mode = "s"
    assert torch.equal(undo(values[0], indices[0], whole[2:]), undo(values, indices)[0])
    with pytest.raises(ValueError, match=r"must begin as the input's"):
        undo(values, indices, (B + 1, *whole[2:]))


def test_a_layer_of_a_users() -> None:
    class LPPool1d(Stepwise, nn.LPPool1d): ...

    class Identity(Stepwise, nn.Identity): ...

    with pytest.raises(ValueError, match=r"LPPool1d: expected \[T, B, C, L\]"):
        LPPool1d(2, 2, step_mode="m")(torch.rand(4, 3, 8))
    assert Identity(step_mode="m")(torch.rand(T, B)).shape == (T, B)


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.flat = nn.Conv2d(1, 2, 3), nn.Flatten(2)
        self.lif = neuron.LIFNode()

    def forward(self, x: Tensor) -> Any:
        return self.lif(self.flat(self.conv(x)))


class Merging(Plain):
    def forward(self, x: Tensor) -> Any:
        return self.lif(self.flat(functional.seq_to_ann_forward(x, self.conv)))


@pytest.mark.parametrize(
    ("net", "named"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), neuron.LIFNode()),
         "Conv2d '0', BatchNorm2d '1'"),
        (nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.BatchNorm1d(3)),
         "Flatten '0', BatchNorm1d '2'"),
        (nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.MaxPool2d(2))),
         "AdaptiveAvgPool2d '0.0', MaxPool2d '0.1'"),
        (nn.ModuleDict({"a": nn.GroupNorm(1, 2), "b": nn.Upsample(4)}),
         "GroupNorm 'a', Upsample 'b'"),
        (layer.FusedSequential(nn.Softmax(1), nn.LSTM(2, 3, batch_first=True)),
         "Softmax '0', LSTM '1'"),
        (nn.Conv1d(1, 2, 3), "Conv1d"),
        (Plain(), "Conv2d 'conv'"),
    ],
)  # fmt: skip
def test_plain_modules_that_take_time_for_batch(net: nn.Module, named: str) -> None:
    with pytest.warns(UserWarning, match=f"^set_step_mode: {re.escape(named)} of torch's") as seen:
        functional.set_step_mode(net, "m")
    assert len(seen) == 1
    assert seen[0].filename == __file__
    functional.set_step_mode(net, "s")  # warns of nothing


@pytest.mark.parametrize(
    "net",
    [
        nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.LayerNorm(3), nn.Flatten(2), nn.Dropout()),
        nn.Sequential(nn.Softmax(-1), nn.PReLU(), nn.LSTM(2, 3), nn.Identity()),
        layer.SeqToANNContainer(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten()),
        layer.MultiStepContainer(nn.Sequential(nn.Conv2d(1, 2, 3), neuron.IFNode())),
        layer.MultiDimensionalAttention(16, 16),
        layer.BatchNormThroughTime2d(T, 3),
        layer.SpikeDrivenSelfAttention(8),
        Merging(),
        models.spiking_resnet18(),
    ],
    ids=lambda net: type(net).__name__,
)
def test_no_warning_without_need(net: nn.Module) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        functional.set_step_mode(net, "m")
