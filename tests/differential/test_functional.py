"""Functions on sequences, labels, losses and bits against SpikingJelly's."""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import bitspike
from bitspike import functional

Call = Callable[[Any], Any]

S = (torch.rand(6, 4, 5, generator=torch.Generator().manual_seed(1)) < 0.4).float()
X = torch.randn(6, 4, 5, generator=torch.Generator().manual_seed(2))
LABELS = torch.tensor([0, 3, 3, 1])
ROWS = S.transpose(0, 1)
ONE_HOT = F.one_hot(LABELS, 5)


def steps_of_delay(f: Any) -> list[Tensor]:
    queue: tuple[Tensor, ...] = ()
    outputs = []
    for x in X:
        y, queue = f.delay_step(x, queue, 2)
        outputs.append(y)
    return [*outputs, *queue]


def threshold_margin(f: Any) -> list[Any]:
    node = nn.Identity()
    functions = []
    for _ in range(2):
        f.set_threshold_margin(node, ONE_HOT, eval_threshold=1.5, threshold0=0.5)
        functions.append(node.v_threshold)
        node.eval()
    return functions


def kaiming(f: Any) -> list[Tensor]:
    net: Any = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(4, 5), nn.BatchNorm1d(3))
    nn.init.zeros_(net[0].bias)
    nn.init.zeros_(net[1].bias)
    torch.manual_seed(5)
    f.kaiming_normal_conv_linear_weight(net)
    return list(net.parameters())


CALLS: dict[str, Call] = {
    "bit_spike_compress": lambda f: f.bit_spike_compress(X.relu()),
    "bit_spike_decompress": lambda f: f.bit_spike_decompress(
        torch.arange(15, dtype=torch.uint8), (6, 4, 5), torch.float16
    ),
    "bit_spike_decompress, default": lambda f: f.bit_spike_decompress(
        torch.arange(2, dtype=torch.uint8), (3, 4)
    ),
    "chunk_multi_step_forward": lambda f: f.chunk_multi_step_forward(4, X, lambda x: x.cumsum(0)),
    "delay": lambda f: [f.delay(X, steps) for steps in (0, 2, 6, 9)],
    "delay_step": steps_of_delay,
    "first_spike_index": lambda f: f.first_spike_index(S),
    "kaiming_normal_conv_linear_weight": kaiming,
    "multi_step_forward": lambda f: f.multi_step_forward(X, [torch.sin, torch.relu]),
    "neunorm_step": lambda f: f.neunorm_step(
        S.unsqueeze(-1), X[:, :1].unsqueeze(-1), X[0, :, :, None], 0.9, 0.1
    ),
    "redundant_one_hot": lambda f: f.redundant_one_hot(LABELS, 6, 3),
    "seq_to_ann_forward": lambda f: f.seq_to_ann_forward(X, (torch.sin, torch.relu)),
    "seq_to_ann_forward, pairs": lambda f: f.seq_to_ann_forward(
        (X, S), lambda x, s: (x + s, x - s)
    ),
    "set_threshold_margin": threshold_margin,
    "sparse_linear": lambda f: f.sparse_linear(S[0], X[1], X[2, 0, :4]),
    "synapse_filter_step": lambda f: f.synapse_filter_step(S, X, 0.3),
    "t_last_multi_step_forward": lambda f: f.t_last_multi_step_forward(
        X, lambda x: x.mean(1, keepdim=True)
    ),
    "t_last_seq_to_ann_forward": lambda f: f.t_last_seq_to_ann_forward(X, [torch.sin, torch.relu]),
    "t_last_seq_to_ann_forward, pairs": lambda f: f.t_last_seq_to_ann_forward(
        X, lambda x: (x.sum(1), x)
    ),
}


def tensors(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple | list) else [result]


@pytest.mark.parametrize("name", CALLS)
def test_result(peer: Any, name: str) -> None:
    ours, theirs = (tensors(CALLS[name](f)) for f in (functional, peer.functional))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        if isinstance(other, Tensor):
            assert one.dtype is other.dtype
            torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)
        else:
            assert one == other


KERNELS = (("linear",), ("polynomial", 2), ("sigmoid", 0.3), ("gaussian", 1.5))


def similar_loss(kernel: tuple[Any, ...], loss: str) -> Callable[[Any, Tensor], Any]:
    return lambda f, x: f.spike_similar_loss(
        x.transpose(0, 1), ONE_HOT, kernel[0], loss, *kernel[1:]
    )


LOSSES: dict[str, Callable[[Any, Tensor], Any]] = {
    f"{kernel[0]}, {loss}": similar_loss(kernel, loss)
    for kernel, loss in itertools.product(KERNELS, ("mse", "l1", "bce"))
    if (kernel[0], loss) != ("polynomial", "bce")
} | {
    "TET": lambda f, x: f.temporal_efficient_training_cross_entropy(x, LABELS),
    "TET of maps": lambda f, x: f.temporal_efficient_training_cross_entropy(
        x.unflatten(2, (5, 1)).expand(-1, -1, -1, 2), LABELS.unsqueeze(1).expand(-1, 2)
    ),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss(peer: Any, name: str) -> None:
    results = []
    for f in (functional, peer.functional):
        x = S.clone().requires_grad_()
        loss = LOSSES[name](f, x)
        loss.backward()
        results.append((loss.detach(), x.grad))
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_kernel_dot_product(peer: Any, kernel: tuple[Any, ...]) -> None:
    ours, theirs = (
        f.kernel_dot_product(X[0], X[1], *kernel) for f in (functional, peer.functional)
    )
    torch.testing.assert_close(ours, theirs)


def test_reset_functions(peer: Any) -> None:
    class Other(nn.Identity):
        resets = 0

        def reset(self) -> None:
            self.resets += 1

    for library in (bitspike, peer):
        net: Any = nn.Sequential(nn.Linear(5, 5), library.neuron.IFNode(), Other())
        net(X[0])
        modules = library.functional.collect_reset_modules(net)
        assert modules == (net[1], net[2])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ours warns of Other, theirs logs
            library.functional.reset_collected_modules(modules)
            assert net[1].v == 0.0
            library.functional.reset_net(net)
            net.append(Other())
            library.functional.invalidate_reset_cache(net)
            library.functional.reset_net(net)
        assert [module.resets for module in net[2:]] == [3, 1]


def test_conv_bn_fusion(peer: Any) -> None:
    from spikingjelly.activation_based.functional.conv_bn_fusion import fuse_conv_bn_eval_modules

    outputs = []
    for library in (bitspike, peer):
        torch.manual_seed(3)
        net: Any = nn.Sequential(
            library.layer.Conv2d(3, 4, 3, step_mode="m"),
            library.layer.BatchNorm2d(4, step_mode="m"),
            library.neuron.IFNode(step_mode="m"),
        )
        nn.init.normal_(net[1].running_mean)
        nn.init.normal_(net[1].weight)
        fuse = functional.fuse_conv_bn if library is bitspike else fuse_conv_bn_eval_modules
        fused: Any = fuse(net.eval())
        weight, bias = fused.get_submodule("0").weight, fused.get_submodule("0").bias
        x = torch.randn(4, 2, 3, 5, 5, generator=torch.Generator().manual_seed(4))
        outputs.append((weight.detach(), bias.detach(), fused(x).detach()))
    torch.testing.assert_close(*outputs, rtol=1e-5, atol=1e-6)
    assert outputs[0][2].any()
