import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from bitspike import kernels
from bitspike.spikes import SpikeTensor, pack, trace_unpacking

Operation = Callable[[Tensor], Tensor]

DENSE = (torch.rand(6, 4, 3, 30, generator=torch.Generator().manual_seed(1)) < 0.3).float()

STAY_BITS: dict[str, Operation] = {
    "flatten": lambda s: s.flatten(2),
    "flatten time and batch": lambda s: s.flatten(0, 1),
    "reshape": lambda s: s.reshape(6, 4, 90),
    "view": lambda s: s.view(24, 5, 18),
    "view -1": lambda s: s.view(6, 4, -1),
    "unsqueeze": lambda s: s.unsqueeze(0),
    "squeeze": lambda s: s.unsqueeze(2).squeeze(2),
    "squeeze all": lambda s: s[None, :, :1].squeeze(),
    "squeeze some": lambda s: s[None, :, :1].squeeze((0, 1)),
    "step": lambda s: s[2],
    "last step": lambda s: s[-1],
    "steps": lambda s: s[1:5:2],
    "batch": lambda s: s[:, 1:3],
    "sample": lambda s: s[:, 2],
    "batch by index": lambda s: s[:, torch.tensor([3, 0])],
    "batch by mask": lambda s: s[:, torch.tensor([True, False, True, True])],
    "steps and batch by mask": lambda s: s[DENSE[..., 0, 0] > 0],
    "index_select": lambda s: s.index_select(1, torch.tensor([3, 0])),
    "chunk": lambda s: s.chunk(2)[1],
    "split": lambda s: torch.split(s, [1, 3], 1)[1],
    "split permuted": lambda s: torch.split(s.mT, 4)[1],
    "expand": lambda s: s[:1].expand(5, -1, 3, 30),
    "expand before": lambda s: s.mT.expand(2, *s.mT.shape),
    "cat over time": lambda s: torch.cat([s, s]),
    "cat over batch": lambda s: torch.cat([s, s], 1),
    "stack": lambda s: torch.stack([s, s]),
    "unbind": lambda s: s.unbind(0)[3],
    "transpose": lambda s: s.transpose(0, 1),
    "transposed features": lambda s: s.transpose(2, 3),
    "channels last": lambda s: s.movedim(2, -1),
    "channels last and back": lambda s: s.permute(1, 0, 3, 2).transpose(-2, -1),
    "view of permuted": lambda s: s.movedim(2, -1).view(24, 30, 3),
    "flat permuted": lambda s: s.movedim(2, -1).flatten(2),
    "cut permuted": lambda s: s.movedim(2, -1)[1:, torch.tensor([3, 0])][2],
    "cat permuted": lambda s: torch.cat([s.movedim(2, -1), s.movedim(2, -1)], 1),
    "cat of different orders": lambda s: torch.cat([s.mT.mT, s.mT.flatten(2).view(6, 4, 3, 30)]),
    "stack permuted": lambda s: torch.stack([s.mT, s.mT]),
    "clone of permuted": lambda s: s.mT.clone(),
    "one minus": lambda s: 1 - s,
    "one minus permuted": lambda s: 1 - s.mT,
    "product of spikes": lambda s: s * s[[1, 0, 2, 3, 4, 5]],
    "product of orders": lambda s: s.mT * s.mT.flatten(2).view(6, 4, 30, 3),
    "minimum": lambda s: torch.minimum(s.mT, s.mT),
    "maximum": lambda s: torch.maximum(s, 1 - s),
    "clone": lambda s: s.clone(),
    "detach": lambda s: s.detach(),
    "to float64": lambda s: s.double(),
    "to cpu": lambda s: s.cpu(),
    "pickle": lambda s: pickle.loads(pickle.dumps(s.detach())),  # noqa: S301
    "deepcopy": lambda s: copy.deepcopy(s.detach()),
}

NO_GRADIENT = (
    "detach",
    "pickle",
    "deepcopy",
    "comparison",
    "list",
    "numpy",
    "equal spikes",
    "equal to others",
    "all equal",
    "as an array",
    "different spikes",
    "and",
    "or",
    "xor",
    "not",
)

BECOME_DENSE: dict[str, Operation] = {
    "sum over time": lambda s: s.sum(0),
    "sum over time, kept": lambda s: s.sum(0, keepdim=True),
    "mean over time": lambda s: s.mean(0),
    "sum": lambda s: s.sum(),
    "mean over features": lambda s: s.mean(-1),
    "product": lambda s: s * 2.5,
    "difference": lambda s: 2 - s,
    "time and features": lambda s: s.transpose(0, 2),
    "sum of permuted": lambda s: s.mT.sum(0),
    "product with another shape": lambda s: s * s[:1],
    "equal spikes": lambda s: (s == s).float(),
    "equal to others": lambda s: (s == s[[1, 0, 2, 3, 4, 5]]).float(),
    "all equal": lambda s: torch.tensor([torch.equal(s, s.mT.mT), torch.equal(s, 1 - s)]),
    "as an array": lambda s: torch.from_numpy(np.asarray(s.detach(), dtype=np.float64)),
    "different spikes": lambda s: (s != s[[1, 0, 2, 3, 4, 5]]).float(),
    "and": lambda s: torch.logical_and(s, s[:, [1, 0, 2, 3]]).float(),
    "or": lambda s: torch.logical_or(s, s[:, [1, 0, 2, 3]]).float(),
    "xor": lambda s: torch.logical_xor(s.mT, s[:, [1, 0, 2, 3]].mT).float(),
    "not": lambda s: torch.logical_not(s).float(),
    "cat of two precisions": lambda s: torch.cat([s, s.double()]),
    "expand features": lambda s: s[..., :1, :].expand(-1, -1, 4, -1),
    "cat over features": lambda s: torch.cat([s, s], -1),
    "cut features": lambda s: s[..., 3:7],
    "mask": lambda s: s[DENSE > 0],
    "comparison": lambda s: (s == 1).float(),
    "matmul": lambda s: s.flatten(2) @ torch.ones(90, 2),
    "linear": lambda s: torch.nn.functional.linear(s.flatten(2), torch.ones(5, 90)),
    "conv": lambda s: torch.nn.functional.conv1d(s.flatten(0, 1), torch.ones(2, 3, 5)),
    "max pool": lambda s: torch.nn.functional.max_pool1d(s.flatten(0, 1), 2),
    "average pool": lambda s: torch.nn.functional.avg_pool1d(s.flatten(0, 1), 2),
    "cumsum": lambda s: s.cumsum(0),
    "list": lambda s: torch.tensor(s.tolist()),
    "numpy": lambda s: torch.from_numpy(s.detach().numpy()),
}


@pytest.mark.parametrize("name", STAY_BITS)
def test_stays_bits_and_equals_the_dense_result(name: str) -> None:
    operation = STAY_BITS[name]
    with trace_unpacking() as unpacked:
        result = operation(pack(DENSE))
    assert isinstance(result, SpikeTensor)
    assert not unpacked
    expected = operation(DENSE)
    assert result.dtype == expected.dtype
    assert torch.equal(result.dense(), expected)


@pytest.mark.parametrize("name", BECOME_DENSE)
def test_becomes_the_same_dense_tensor(name: str) -> None:
    operation = BECOME_DENSE[name]
    result = operation(pack(DENSE))
    assert not isinstance(result, SpikeTensor)
    torch.testing.assert_close(result, operation(DENSE))


def _comparison(name: str, number: float) -> Operation:
    return lambda s: getattr(torch, name)(s, number)


COMPARISONS = {
    f"{name} {number}": _comparison(name, number)
    for name in ("eq", "ne", "lt", "le", "gt", "ge")
    for number in (-1, 0, 0.5, 1, 2)
}


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparison_with_a_number_looks_at_the_bits(name: str) -> None:
    operation = COMPARISONS[name]
    with trace_unpacking() as unpacked:
        result = operation(pack(DENSE))
    assert not unpacked
    assert result.dtype == torch.bool
    assert torch.equal(result, operation(DENSE))


GRADIENTS = {
    name: operation
    for name, operation in {**STAY_BITS, **BECOME_DENSE}.items()
    if name not in NO_GRADIENT
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_are_those_of_the_dense_tensor(name: str) -> None:
    operation = GRADIENTS[name]
    gradients = []
    for leaf in (pack(DENSE), DENSE.clone()):
        leaf.requires_grad_()
        result = operation(leaf)
        weight = torch.linspace(-1, 1, result.numel(), dtype=result.dtype).view(result.shape)
        (gradient,) = torch.autograd.grad((result * weight).sum(), leaf)
        assert type(gradient) is Tensor
        gradients.append(gradient)
    torch.testing.assert_close(*gradients)


def test_view_that_cuts_a_row_is_dense_and_right() -> None:
    result = pack(DENSE).view(6, 2, 180)
    assert torch.equal(result + 0, DENSE.view(6, 2, 180))


def test_trace_names_what_unpacked() -> None:
    spikes = pack(DENSE)
    with trace_unpacking() as unpacked:
        spikes * 2
        spikes.mean(0)
    assert dict(unpacked) == {"aten.mul.Tensor": 1}


def test_save_and_load() -> None:
    file = io.BytesIO()
    torch.save({"spikes": pack(DENSE)}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=True)["spikes"]
    assert isinstance(loaded, SpikeTensor)
    assert torch.equal(loaded.dense(), DENSE)


def test_spikes_with_history_cannot_be_deepcopied() -> None:
    with pytest.raises(RuntimeError, match="detach"):
        copy.deepcopy(pack(DENSE).requires_grad_().flatten(2))


@pytest.mark.parametrize(("workers", "start"), [(0, None), (2, "fork"), (1, "spawn")])
def test_data_loader_collates_bits(workers: int, start: str | None) -> None:
    samples: Any = [pack(sample, lead=1) for sample in DENSE]
    (batch,) = DataLoader(samples, batch_size=6, num_workers=workers, multiprocessing_context=start)
    assert isinstance(batch, SpikeTensor)
    assert torch.equal(batch.dense(), DENSE)


@pytest.mark.parametrize("cut", [lambda s: s, lambda s: s.mT, lambda s: s[1:]])
def test_shared_memory(cut: Operation) -> None:
    dense = cut(DENSE)
    spikes: Any = cut(pack(DENSE))
    assert not spikes.is_shared()
    assert spikes.share_memory_() is spikes
    assert spikes.is_shared()
    assert torch.equal(spikes.dense(), dense)


def test_torch_func_sees_dense_tensors() -> None:
    spikes, weight = pack(DENSE).flatten(2), torch.rand(5, 90)

    def loss(weight: Tensor, x: Tensor) -> Tensor:
        return (torch.nn.functional.linear(x, weight).mean(0) ** 2).sum()

    expected = torch.func.grad(loss)(weight, DENSE.flatten(2))
    torch.testing.assert_close(torch.func.grad(loss)(weight, spikes), expected)
    torch.testing.assert_close(torch.vmap(lambda x: x.sum(0))(spikes), DENSE.flatten(2).sum(1))


def test_no_grad_and_autocast() -> None:
    weight = torch.ones(5, 90, requires_grad=True)
    spikes = pack(DENSE).flatten(2)
    with torch.no_grad():
        assert not torch.nn.functional.linear(spikes, weight).requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = torch.nn.functional.linear(spikes, weight)
    torch.testing.assert_close(y.float(), DENSE.flatten(2) @ weight.t())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_shares_are_rounded_once(backend: str, dtype: torch.dtype) -> None:
    """Counts are whole numbers; their quotients must not pass through a smaller type."""
    spikes = DENSE[:3, :, :2].to(dtype)  # a third is not exact in any
    planes = spikes[..., :9].reshape(12, 2, 3, 3)
    with kernels.use_backend(backend):
        assert torch.equal(pack(spikes).mean(0), spikes.mean(0))
        assert torch.equal(pack(spikes).sum(0), spikes.sum(0))
        shares, wanted = (F.adaptive_avg_pool2d(x, 1) for x in (pack(planes, 1), planes))
        torch.testing.assert_close(shares, wanted, rtol=2 * torch.finfo(dtype).eps, atol=0.0)
