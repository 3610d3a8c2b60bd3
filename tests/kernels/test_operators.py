"""The operators of ``torch.ops.bitspike``: torch's own checks of each, and what they compute."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.library import opcheck

from bitspike import kernels, neuron, spikes
from bitspike.dispatch import IMPLEMENTATIONS

bits = torch.ops.bitspike
pytestmark = [
    pytest.mark.backend("auto"),
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),  # opcheck looks at it
]

_RANDOM = ("test_schema", "test_faketensor")  # the other checks expect the same numbers twice


def _spikes(*shape: int) -> Tensor:
    return (torch.rand(shape) < 0.4).float()


def _words(*shape: int, lead: int) -> Tensor:
    return spikes.pack(_spikes(*shape), lead).words


def _described(node: Any, states: int = 1) -> tuple[list[Tensor], list[float], str]:
    """A neuron's step as the operator of the scan takes it: parameters, numbers, text."""
    text, numbers, parameters = kernels.describe_step(node.step, states)
    return [one.detach().requires_grad_() for one in parameters], numbers, text


def _scan(node: Any, x_seq: Tensor, states: Sequence[Tensor], store: bool = False) -> Any:
    parameters, numbers, text = _described(node, len(states))
    return bits.scan, (x_seq, list(states), parameters, numbers, text, store)


def _learning(*shape: int) -> Tensor:
    return torch.randn(shape).requires_grad_()


_PIXELS = kernels.encode_held(torch.rand(2, 5), 3, 7, 0, "numba").bits  # type: ignore[attr-defined]
_ONE_STEP = neuron.LIFNode(v_reset=None)

CASES: dict[str, Callable[[], tuple[Any, tuple[Any, ...]]]] = {
    "scan": lambda: _scan(neuron.LIFNode(), _learning(3, 2, 5), [_learning(2, 5)]),
    "scan, one step": lambda: _scan(_ONE_STEP, _learning(1, 2, 3), [torch.zeros(2, 3)]),
    "scan, no gradient": lambda: _scan(neuron.IFNode(), torch.randn(2, 1, 3), [torch.zeros(1, 3)]),
    "scan, learned": lambda: _scan(
        neuron.ParametricLIFNode(), torch.randn(2, 2, 3), [_learning(2, 3)], True
    ),
    "scan, two states": lambda: _scan(
        neuron.IzhikevichNode(), _learning(3, 2, 5).movedim(1, 2), [torch.zeros(5, 2)] * 2
    ),
    "scan, no sample": lambda: _scan(neuron.IFNode(), _learning(3, 0, 5), [_learning(0, 5)]),
    "scan, float64": lambda: _scan(
        neuron.IFNode(), _learning(2, 1, 3).double(), [torch.zeros(1, 3).double()]
    ),
    "linear_scan": lambda: (
        bits.linear_scan,
        (
            _PIXELS.index, _PIXELS.count, _PIXELS.units, 3, _learning(4, 5), [torch.zeros(2, 4)],
            *_described(neuron.LIFNode())[1:],
        ),
    ),
    "pack": lambda: (bits.pack, (_spikes(3, 2, 67),)),
    "pack, empty": lambda: (bits.pack, (_spikes(3, 0, 5),)),
    "unpack": lambda: (bits.unpack, (_words(3, 2, 67, lead=2), 67, torch.float32)),
    "unpack, strided": lambda: (
        bits.unpack, (_words(3, 2, 5, lead=2).movedim(0, 1), 5, torch.float64)
    ),
    "reorder": lambda: (bits.reorder, (_words(3, 5, lead=1), torch.randperm(5).int())),
    "count_over_time": lambda: (bits.count_over_time, (_words(3, 2, 67, lead=2), 67, 3)),
    "linear": lambda: (bits.linear, (_words(3, 2, 67, lead=2), _learning(5, 67), _learning(5))),
    "linear, no bias": lambda: (bits.linear, (_words(1, 1, 3, lead=2), _learning(5, 3), None)),
    "linear, no sample": lambda: (bits.linear, (_words(3, 0, 3, lead=2), _learning(5, 3), None)),
    "linear_weight_gradient": lambda: (
        bits.linear_weight_gradient, (_words(3, 2, 67, lead=2), torch.randn(3, 2, 5), 67)
    ),
    "conv": lambda: (
        bits.conv,
        (
            _words(2, 3, 5, 4, lead=1), [3, 5, 4], _learning(2, 3, 3, 3), _learning(2),
            [2, 1], [1, 1], [1, 1], 1,
        ),
    ),
    "conv, one axis": lambda: (
        bits.conv, (_words(2, 3, 5, lead=1), [3, 5], _learning(2, 3, 3), None, [1], [0], [1], 1)
    ),
    "max_pool2d": lambda: (
        bits.max_pool2d,
        (_words(2, 3, 5, 4, lead=1), [3, 5, 4], [2, 2], [2, 2], [0, 0], [1, 1], True),
    ),
    "avg_pool2d": lambda: (
        bits.avg_pool2d,
        (_words(2, 3, 5, 4, lead=1), [3, 5, 4], [2, 2], [1, 2], [0, 0], False, True),
    ),
    "batch_norm": lambda: (
        bits.batch_norm, (_learning(4, 3, 2, 2), _learning(3), _learning(3), 1e-5)
    ),
    "batch_norm, plain": lambda: (bits.batch_norm, (_learning(4, 3), None, None, 1e-5)),
    "poisson": lambda: (bits.poisson, (torch.rand(3, 2, 5), 0, "auto")),
    "poisson, one image": lambda: (bits.poisson, (torch.rand(2, 5), 3, "auto")),
    "poisson_held": lambda: (bits.poisson_held, (torch.rand(2, 5), 3, 7, 1, "auto")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_torch_finds_no_fault_in_an_operator(case: str) -> None:
    function, arguments = CASES[case]()
    random = case.startswith("poisson,") or case == "poisson"
    checks: Any = {"test_utils": _RANDOM} if random else {}
    opcheck(function.default, arguments, **checks)


def test_every_operation_has_an_operator() -> None:
    families = {"bits": "pack", "fused": "linear_scan", "norm": "batch_norm", "pool": "max_pool2d"}
    for operation in IMPLEMENTATIONS:
        name = families.get(operation, operation)
        assert hasattr(bits, name), operation
        assert any(case.split(",")[0] == name for case in CASES), operation


def test_operators_compute_what_torch_computes_on_dense_tensors() -> None:
    dense = _spikes(2, 3, 5, 4)
    words = spikes.pack(dense, 1).words
    assert torch.equal(bits.unpack(words, 60, torch.float32).view_as(dense), dense)
    assert torch.equal(bits.pack(dense.view(2, 60)), words)
    order = torch.randperm(60).int()
    moved = bits.unpack(bits.reorder(words, order), 60, torch.float32)
    assert torch.equal(moved[:, order.long()], dense.view(2, 60))
    assert torch.equal(bits.count_over_time(words, 60, 2), dense.view(2, 60).mean(0))
    weight, kernel = torch.randn(7, 60), torch.randn(2, 3, 3, 3)
    torch.testing.assert_close(
        bits.linear(words, weight, None), F.linear(dense.view(2, 60), weight)
    )
    torch.testing.assert_close(
        bits.conv(words, [3, 5, 4], kernel, None, [1, 1], [1, 1], [1, 1], 1),
        F.conv2d(dense, kernel, padding=1),
    )
    pooled = bits.max_pool2d(words, [3, 5, 4], [2, 2], [2, 2], [0, 0], [1, 1], False)
    assert torch.equal(bits.unpack(pooled, 12, torch.float32), F.max_pool2d(dense, 2).flatten(1))
    means = bits.avg_pool2d(words, [3, 5, 4], [2, 2], [2, 2], [0, 0], False, True)
    assert torch.equal(means, F.avg_pool2d(dense, 2))


def test_batch_norm_gives_the_statistics_of_the_batch() -> None:
    x = torch.randn(8, 3, 4, 4)
    y, mean, variance = bits.batch_norm(x, None, None, 1e-5)
    torch.testing.assert_close(y, F.batch_norm(x, None, None, training=True))
    torch.testing.assert_close(mean, x.mean((0, 2, 3)))
    torch.testing.assert_close(variance, x.var((0, 2, 3)))


def test_a_poisson_operator_draws_from_torchs_generator() -> None:
    x = torch.rand(2, 70)
    torch.manual_seed(3)
    words = bits.poisson(x, 4, "auto")
    torch.manual_seed(3)
    expected: Any = kernels.encode_poisson(x.expand(4, 2, 70), None, x.dtype)
    assert torch.equal(words, expected.words)
    held: Any = kernels.encode_held(x, 4, seed=5, first=1)
    assert torch.equal(bits.poisson_held(x, 4, 5, 1, "auto"), held.words)


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("kind", [neuron.LIFNode, neuron.ParametricLIFNode, neuron.IzhikevichNode])
def test_the_scan_gives_outputs_and_gradients_of_the_kernels(kind: Any, backend: str) -> None:
    node = kind()
    count = len(node.state_names)
    x = _learning(4, 2, 5)
    states = [_learning(2, 5) for _ in range(count)]
    text, numbers, parameters = kernels.describe_step(node.step, count)
    with kernels.use_backend(backend):
        results = []
        y, v_seq, last = bits.scan(x, states, parameters, numbers, text, True)
        for outputs in ((y, v_seq, *last), _flat(kernels.scan(node.step, x, states, True))):
            total = sum((k + 1) * output.sum() for k, output in enumerate(outputs))
            inputs = [x, *states, *node.parameters()]
            results.append([*outputs, *torch.autograd.grad(total, inputs)])
    for got, expected in zip(*results, strict=True):
        assert torch.equal(got, expected)


def _flat(results: Any) -> tuple[Tensor, ...]:
    y, last, v_seq = results
    return (y.dense() if isinstance(y, spikes.SpikeTensor) else y, v_seq, *last)


def test_a_parameter_that_does_not_fit_raises() -> None:
    text, numbers, _ = kernels.describe_step(lambda x, v: (x + v, v * torch.ones(3)), 1)
    x, v = torch.ones(2, 1, 5, device="meta"), torch.ones(1, 5, device="meta")
    with pytest.raises(ValueError, match=r"parameter of shape \(3,\) does not fit.*\(1, 5\)"):
        bits.scan(x, [v], [torch.ones(3, device="meta")], numbers, text, False)


_PERMUTATION = torch.tensor([4, 3, 2, 1, 0], dtype=torch.int32)
_FIVE = torch.full((2, 1), 31)


@pytest.mark.parametrize(
    "target",
    [
        _PERMUTATION - 7,
        _PERMUTATION + 700,
        _PERMUTATION.clamp(max=3),
        _PERMUTATION.view(5, 1),
        _PERMUTATION.long(),
    ],
    ids=["negative", "too large", "twice", "two axes", "int64"],
)
def test_a_target_that_is_no_permutation_raises(target: Tensor) -> None:
    with pytest.raises(ValueError, match=r"^spikes"):
        bits.reorder(_FIVE, target)


@pytest.mark.parametrize(
    ("shape", "features", "divisor"), [((3, 2, 1), 500, 2), ((3, 2, 1), 5, 0), ((1,), 5, 2)]
)
def test_a_count_of_other_words_raises(shape: Any, features: int, divisor: int) -> None:
    with pytest.raises(ValueError, match=r"^spikes"):
        bits.count_over_time(torch.full(shape, 31), features, divisor)


_ZEROS = torch.zeros(2, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"states": [torch.zeros(2)]},
        {"states": [torch.zeros(5)]},
        {"states": [torch.zeros(5, 2)]},
        {"states": []},
        {"states": [_ZEROS, _ZEROS]},
        {"states": [_ZEROS.double()]},
        {"numbers": []},
        {"parameters": [torch.ones(5)]},
        {"x_seq": torch.ones(0, 2, 5)},
    ],
    ids=lambda change: f"{next(iter(change))} {next(map(str, change.values()))[:20]}",
)
def test_a_scan_with_other_arguments_raises(change: dict[str, Any]) -> None:
    text, numbers, parameters = kernels.describe_step(neuron.LIFNode().step, 1)
    given = {"x_seq": torch.ones(3, 2, 5), "states": [_ZEROS], "parameters": parameters}
    given |= {"numbers": numbers, "step": text, "store_v_seq": False}
    with pytest.raises(ValueError, match=r"^scan"):
        bits.scan(**(given | change))


@pytest.mark.parametrize("change", ["index", "negative index", "count", "state", "numbers"])
def test_a_linear_scan_with_other_arguments_raises(change: str) -> None:
    text, numbers, _ = kernels.describe_step(neuron.LIFNode().step, 1)
    index, count, units = _PIXELS.tensors
    index = index + {"index": 10**6, "negative index": -(10**6)}.get(change, 0)
    count = count + (10**5 if change == "count" else 0)
    state = torch.zeros(3, 2) if change == "state" else torch.zeros(2, 3)
    given = [] if change == "numbers" else numbers
    with pytest.raises(ValueError, match=r"scan"):
        bits.linear_scan(index, count, units, 3, torch.ones(3, 5), [state], given, text)
