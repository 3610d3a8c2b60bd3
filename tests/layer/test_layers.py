"""Every layer is torch's own, in single-step mode, and merges time and batch in multi-step mode."""

import copy
import inspect
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import layer
from bitspike.layer import Stepwise

T, B = 4, 3
LAYERS = [
    name
    for name in layer.__all__
    if isinstance(getattr(layer, name), type)
    and issubclass(getattr(layer, name), Stepwise)
    and hasattr(nn, name)
    and "Unpool" not in name
]
every_layer = pytest.mark.parametrize("name", LAYERS)


def example(name: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Arguments that are not the defaults, and the shape of one sample."""
    space = (8,) * int(name[-2]) if name.endswith("d") else (8, 8)
    if name == "Linear":
        return {"in_features": 5, "out_features": 2, "bias": False}, (6, 5)
    if name == "Flatten":
        return {"start_dim": 2}, (2, 3, 4)
    if name == "GroupNorm":
        return {"num_groups": 2, "num_channels": 4}, (4, *space)
    if name == "Upsample":
        return {"scale_factor": 2, "mode": "bilinear", "align_corners": True}, (2, *space)
    if name.startswith("Conv"):
        return {"in_channels": 4, "out_channels": 2, "kernel_size": 3, "groups": 2}, (4, *space)
    if name.startswith("BatchNorm"):
        return {"num_features": 4, "momentum": 0.3}, (4, *space)
    if name.startswith("Adaptive"):
        return {"output_size": 3}, (2, *space)
    return {"kernel_size": 3, "stride": 2, "padding": 1}, (2, *space)


def pair(name: str, step_mode: str) -> tuple[Any, Any]:
    """Our layer and torch's, with the same parameters."""
    arguments, _ = example(name)
    ours = getattr(layer, name)(**arguments, step_mode=step_mode)
    theirs = getattr(nn, name)(**arguments)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    theirs.load_state_dict(ours.state_dict(), strict=True)
    return ours, theirs


def backward(module: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    weight = torch.linspace(-1, 1, y.numel()).view(y.shape)
    return list(torch.autograd.grad((weight * y).sum(), [x, *module.parameters()]))


def assert_same(ours: Any, x: Tensor, y: Tensor, theirs: Any, x2: Tensor, y2: Tensor) -> None:
    assert torch.equal(y, y2)
    for one, other in zip(backward(ours, x, y), backward(theirs, x2, y2), strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        assert torch.equal(one, other)


def test_all_layers_are_stepwise() -> None:
    assert len(LAYERS) == 22
    for name in LAYERS:
        assert issubclass(getattr(layer, name), Stepwise)
        assert issubclass(getattr(layer, name), getattr(nn, name))


@every_layer
def test_single_step_is_torch(name: str) -> None:
    ours, theirs = pair(name, "s")
    assert getattr(layer, name)(**example(name)[0]).step_mode == "s"
    x = torch.randn(B, *example(name)[1], requires_grad=True)
    x2 = x.detach().clone().requires_grad_()
    assert_same(ours, x, ours(x), theirs, x2, theirs(x2))


@every_layer
def test_multi_step_is_one_large_batch(name: str) -> None:
    ours, theirs = pair(name, "m")
    x = torch.randn(T, B, *example(name)[1], requires_grad=True)
    x2 = x.detach().clone().requires_grad_()
    y2 = theirs(x2.flatten(0, 1))
    assert_same(ours, x, ours(x), theirs, x2, y2.view(T, B, *y2.shape[1:]))


@every_layer
def test_multi_step_is_the_layer_at_each_step(name: str) -> None:
    ours, theirs = pair(name, "m")
    if name.startswith("BatchNorm"):  # in training its statistics are those of all steps
        ours(torch.randn(T, B, *example(name)[1]))
        theirs.load_state_dict(ours.state_dict())
    ours.eval()
    theirs.eval()
    x = torch.randn(T, B, *example(name)[1])
    torch.testing.assert_close(ours(x), torch.stack([theirs(one) for one in x]))


@every_layer
def test_sequence_need_not_be_contiguous(name: str) -> None:
    ours, _ = pair(name, "m")
    ours.eval()
    x = torch.randn(B, T, *example(name)[1]).transpose(0, 1)
    assert not x.is_contiguous()
    torch.testing.assert_close(ours(x), ours(x.contiguous()))
    held = torch.randn(B, *example(name)[1]).expand(T, B, *example(name)[1])
    torch.testing.assert_close(ours(held)[-1], ours(held[:1])[0])


def test_batch_norm_takes_its_statistics_over_time_and_batch() -> None:
    norm = layer.BatchNorm1d(1, momentum=1.0, step_mode="m")
    y = norm(torch.tensor([1.0, 3.0, 5.0, 7.0]).view(2, 2, 1))
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.item() == 4.0
    torch.testing.assert_close(norm.running_var.item(), 20 / 3)  # (9 + 1 + 1 + 9) / (4 - 1)
    torch.testing.assert_close(y.flatten(), torch.tensor([-3.0, -1, 1, 3]) / 5**0.5)
    assert norm.num_batches_tracked is not None
    assert norm.num_batches_tracked.item() == 1


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_max_pool_can_return_indices(step_mode: str) -> None:
    ours = layer.MaxPool2d(2, return_indices=True, step_mode=step_mode)
    x = torch.randn(T, B, 2, 4, 4)
    values, indices = ours(x if step_mode == "m" else x[0])
    expected = [nn.MaxPool2d(2, return_indices=True)(one) for one in x]
    for actual, part in ((values, 0), (indices, 1)):
        wanted = torch.stack([one[part] for one in expected])
        assert torch.equal(actual, wanted if step_mode == "m" else wanted[0])


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_transposed_convolution_takes_an_output_size(step_mode: str) -> None:
    ours = layer.ConvTranspose2d(1, 1, 3, stride=2, step_mode=step_mode)
    x = torch.randn(*((T, B) if step_mode == "m" else (B,)), 1, 4, 4)
    assert ours(x, output_size=[10, 10]).shape == (*x.shape[:-2], 10, 10)


@every_layer
def test_signature_is_torch_s_with_step_mode(name: str) -> None:
    parameters = inspect.signature(getattr(layer, name)).parameters
    theirs = inspect.signature(getattr(nn, name)).parameters.values()
    names = [p.name for p in theirs]
    assert [p for p in parameters if p not in ("bias", "step_mode")] == [
        name
        for name in names
        if name != "bias"  # which torch's norms have had since 2.13
    ]
    assert set(parameters) >= {*names, "step_mode"}
    assert parameters["step_mode"].default == "s"
    for p in theirs:
        assert parameters[p.name].default == p.default
        assert parameters[p.name].annotation is not inspect.Parameter.empty
    assert f"torch.nn.{name}`` in both step modes" in (getattr(layer, name).__doc__ or "")


@every_layer
def test_step_mode_by_position_comes_before_the_device(name: str) -> None:
    names = list(inspect.signature(getattr(layer, name)).parameters)
    after = names[names.index("step_mode") + 1 :]
    assert after in ([], ["device", "dtype"], ["device", "dtype", "bias"])


def test_a_subclass_keeps_its_own_signature() -> None:
    class Halving(layer.Linear):
        """Half as many outputs as inputs."""

        def __init__(self, features: int, step_mode: str = "s") -> None:
            super().__init__(features, features // 2, step_mode=step_mode)

    assert list(inspect.signature(Halving).parameters) == ["features", "step_mode"]
    assert Halving(4, step_mode="m")(torch.zeros(T, B, 4)).shape == (T, B, 2)


def test_anyone_can_make_a_layer_stepwise() -> None:
    class PixelShuffle(Stepwise, nn.PixelShuffle): ...

    x = torch.randn(T, B, 4, 2, 2)
    ours = PixelShuffle(2, step_mode="m")
    assert torch.equal(ours(x), nn.PixelShuffle(2)(x))


@every_layer
@pytest.mark.parametrize("bad", ["x", None])
def test_step_mode_is_checked(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=f"{name}: step_mode must be 's' or 'm'"):
        getattr(layer, name)(**example(name)[0], step_mode=bad)


@pytest.mark.parametrize("shape", [(5,), (0, 3, 5)])
def test_what_is_no_sequence_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"must be a sequence \[T, B, \.\.\.\] with T >= 1"):
        layer.Linear(5, 2, step_mode="m")(torch.zeros(shape))


@every_layer
def test_repr_and_copy_keep_the_mode(name: str) -> None:
    ours, theirs = pair(name, "m")
    inner = theirs.extra_repr()
    assert ours.extra_repr() == (f"{inner}, step_mode='m'" if inner else "step_mode='m'")
    assert copy.deepcopy(ours).step_mode == "m"
