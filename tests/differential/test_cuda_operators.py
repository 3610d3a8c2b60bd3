"""Functions that SpikingJelly has for GPUs only, by its own references on the CPU."""

import contextlib
import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional, surrogate

T, M, K, N = 5, 4, 11, 3
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    (kind, {**own, "v_reset": v_reset, "detach_reset": detach})
    for kind, own in (
        ("if_linear", {"v_threshold": 0.75}),
        ("lif_linear", {"tau": 4.0, "v_threshold": 0.25}),
        ("lif_linear", {"tau": 2.0, "decay_input": False}),
    )
    for v_reset, detach in ((0.0, False), (None, True), (None, False), (-0.25, False))
]


@pytest.fixture
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its operators take CUDA's tensors only, and run in plain PyTorch if nothing was built."""
    sparse = importlib.import_module("spikingjelly._ops.spike_linear.sparse")
    operators = [sparse.bit_pack_spike_dense]
    for kind in ("if_linear", "lif_linear"):
        module = importlib.import_module(f"spikingjelly._ops.{kind}.functional")
        operators += [module._forward, module._backward_kernel]
    for operator in operators:
        if "cpu" not in operator._backend_fns:
            operator.register_kernel("cpu", operator._init_fn)
    monkeypatch.setattr(torch.Tensor, "is_cuda", True)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())


@pytest.mark.usefixtures("on_the_cpu")
@pytest.mark.parametrize("steps", [True, False])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_neuron_and_layer(
    peer: Any, kind: str, options: dict[str, Any], with_bias: bool, steps: bool
) -> None:
    generator = torch.Generator().manual_seed(3)
    shape = (T, M, K) if steps else (M, K)
    x = torch.randint(-4, 12, shape, generator=generator) / 8
    v = torch.randint(-4, 6, (M, K), generator=generator) / 8
    weight_t, bias = (torch.randn(*one, generator=generator) for one in ((K, N), (N,)))
    results = []
    for library, spikes in ((functional, surrogate), (peer.functional, peer.surrogate)):
        leaves = [one.clone().requires_grad_() for one in (x, v, weight_t, bias)]
        y, last = getattr(library, kind)(
            leaves[0], leaves[1], leaves[2], leaves[3] if with_bias else None,
            surrogate_function=spikes.ATan(), **options,
        )  # fmt: skip
        scale = torch.linspace(-1, 2, y.numel()).view(y.shape)
        wanted = leaves if with_bias else leaves[:3]
        grads = torch.autograd.grad((y * scale).sum() + last.square().sum(), wanted)
        results.append([y, last, *grads])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    assert results[0][0].unique().numel() > 2 * N


@pytest.mark.usefixtures("on_the_cpu")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("columns", [1, 8, K, 64])
def test_packed_spikes(peer: Any, columns: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(4)
    spike = (torch.rand(M, columns, generator=generator) < 0.4).to(dtype)
    spike[0, 0] = 0.75  # above 0.5
    weight = torch.randint(-8, 9, (N, columns), generator=generator).to(dtype) / 8
    bias = torch.randint(-8, 9, (N,), generator=generator).to(dtype) / 8
    results: list[list[Tensor]] = []
    for library in (functional, peer.functional):
        leaves = [one.clone().requires_grad_() for one in (weight, bias)]
        packed = library.bit_pack_spike_dense(spike)
        y = library.packed_spike_linear(packed, *leaves)
        without = library.packed_spike_linear(packed, weight)
        scale = torch.arange(y.numel()).view(y.shape).to(dtype)
        results.append([packed, y, without, *torch.autograd.grad((y * scale).sum(), leaves)])
    for ours, theirs in zip(*results, strict=True):
        assert torch.equal(ours, theirs)
