"""The layers, the sequence functions and the Poisson encoder against SpikingJelly's."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import encoding, functional, layer

T, B = 4, 3
LAYERS = [
    name
    for name in layer.__all__
    if isinstance(getattr(layer, name), type)
    and issubclass(getattr(layer, name), layer.Stepwise)
    and hasattr(nn, name)
    and "Unpool" not in name
]


def example(name: str) -> tuple[dict[str, Any], tuple[int, ...]]:
    """Arguments, and the shape of one sample."""
    space = (6,) * int(name[-2]) if name.endswith("d") else (6, 6)
    if name == "Linear":
        return {"in_features": 5, "out_features": 2}, (5,)
    if name == "GroupNorm":
        return {"num_groups": 2, "num_channels": 4}, (4, *space)
    if name.startswith("Conv"):
        return {"in_channels": 4, "out_channels": 2, "kernel_size": 3}, (4, *space)
    if name.startswith("BatchNorm"):
        return {"num_features": 4}, (4, *space)
    if name.startswith("Adaptive"):
        return {"output_size": 3}, (2, *space)
    if "Pool" in name:
        return {"kernel_size": 2}, (2, *space)
    return ({"scale_factor": 2} if name == "Upsample" else {}), (2, *space)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("training", [True, False])
def test_layer(peer: Any, name: str, step_mode: str, training: bool) -> None:
    arguments, sample = example(name)
    ours: nn.Module = getattr(layer, name)(**arguments, step_mode=step_mode).train(training)
    theirs = getattr(peer.layer, name)(**arguments, step_mode=step_mode).train(training)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(T, B, *sample) if step_mode == "m" else torch.randn(B, *sample)
    results = []
    for module in (ours, theirs):
        x = x.detach().requires_grad_()
        y = module(x)
        weight = torch.linspace(-1, 2, y.numel()).view(y.shape)
        wanted = [x, *module.parameters()]
        gradients: tuple[Tensor, ...] = torch.autograd.grad((weight * y).sum(), wanted)
        results.append([y, *gradients, *(buffer.clone() for buffer in module.buffers())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["multi_step_forward", "seq_to_ann_forward"])
def test_sequence_function(peer: Any, name: str) -> None:
    chain = [nn.Linear(5, 4), nn.ReLU()]
    x_seq = torch.randn(T, B, 5)
    for module in (chain, tuple(chain), nn.Sequential(*chain), chain[0]):
        ours = getattr(functional, name)(x_seq, module)
        assert torch.equal(ours, getattr(peer.functional, name)(x_seq, module))


def test_poisson_encoder_gives_the_same_spikes_from_the_same_seed(peer: Any) -> None:
    x = torch.rand(T, B, 28, 28, generator=torch.Generator().manual_seed(1))
    spikes = []
    with torch.random.fork_rng():
        for module in (encoding, peer.encoding):
            torch.manual_seed(4)
            spikes.append(module.PoissonEncoder()(x))
    assert torch.equal(*spikes)
    assert 0.45 < spikes[0].mean() < 0.55
