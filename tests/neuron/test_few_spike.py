"""Few-spike neurons: binary numbers by hand, regions, errors."""

from typing import Any

import pytest
import torch

from bitspike import functional
from bitspike.neuron import FewSpikeNode, FewSpikeTable, HGNode, OutlierAwareThresholdNode

BINARY = FewSpikeTable([4, 2, 1], [4, 2, 1], [4, 2, 1])
HALVES = FewSpikeTable([0.5, 0.25, 0.125], [0.5, 0.25, 0.125], [0.5, 0.25, 0.125])


def test_a_binary_table_rounds_down() -> None:
    x = torch.tensor([0.0, 0.9, 1.0, 5.5, 7.9, 9.0, -3.0])
    assert FewSpikeNode(BINARY)(x).tolist() == [0, 0, 1, 5, 7, 7, 0]


def test_multi_step_output_is_step_by_step() -> None:
    node = FewSpikeNode(BINARY, step_mode="m")
    x = torch.tensor([[1.0, 2.0], [4.0, 0.5], [0.5, 0.0]])
    assert node(x).tolist() == [[4, 0], [0, 2], [1, 0]]  # 5.5 and 2.5
    functional.set_step_mode(node, "s")
    assert node(x.sum(0)).tolist() == [5, 2]


def test_outliers_and_signs() -> None:
    node = OutlierAwareThresholdNode(HALVES, BINARY, split_threshold=1.0)
    x = torch.tensor([0.6, -0.6, 1.0, 5.5, -5.5, 0.0])
    assert node(x).tolist() == [0.5, -0.5, 0.875, 5, -5, 0]
    node = OutlierAwareThresholdNode(HALVES, BINARY, split_threshold=1.0, clamp_value=2.5)
    assert node(x).tolist() == [0.5, -0.5, 0.875, 2, -2, 0]


def test_regions() -> None:
    node = HGNode([HALVES, BINARY], gate_thresholds=[1.0])
    assert node(torch.tensor([0.6, 1.0, 1.1, 5.5])).tolist() == [0.5, 0.875, 1, 5]
    assert HGNode([BINARY], [])(torch.tensor([5.5])).tolist() == [5]
    assert node.K == 3


def test_gradient_passes_through_every_spike() -> None:
    x = torch.tensor([5.5], requires_grad=True)
    FewSpikeNode(FewSpikeTable([4], [4], [4]))(x).backward()
    s = torch.sigmoid(torch.tensor(4 * 1.5))
    assert x.grad is not None
    torch.testing.assert_close(x.grad, (4 * 4 * s * (1 - s)).view(1))


def test_tables_are_buffers() -> None:
    node = FewSpikeNode(BINARY)
    assert set(node.state_dict()) == {"theta", "h", "d"}
    node.theta.fill_(9)
    assert BINARY.theta.tolist() == [4, 2, 1]
    assert node.double().theta.dtype == torch.float64


ONE = FewSpikeTable([1], [1], [1])


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: FewSpikeTable([1, 2], [1, 2], [1]), ValueError, r"same length.*\[2, 2, 1\]"),
        (lambda: FewSpikeTable([], [], []), ValueError, "K >= 1"),
        (lambda: FewSpikeTable([[1.0]], [1], [1]), ValueError, "theta must be one-dimensional"),  # type: ignore[list-item]
        (lambda: FewSpikeTable([1], [float("nan")], [1]), ValueError, "h must be finite"),
        (lambda: FewSpikeTable([1], [1], torch.tensor([1j])), TypeError, "d must be real"),
        (lambda: FewSpikeNode([1]), TypeError, "table must be a FewSpikeTable, but got"),  # type: ignore[arg-type]
        (lambda: HGNode([], []), ValueError, "at least one"),
        (lambda: HGNode([BINARY, ONE], [0.0]), ValueError, r"tables\[1\] must have K = 3"),
        (lambda: HGNode([ONE, ONE], []), ValueError, "1 increasing numbers for 2 tables"),
        (lambda: HGNode([ONE] * 3, [1.0, 1.0]), ValueError, "increasing"),
        (
            lambda: OutlierAwareThresholdNode(BINARY, ONE, 1.0),
            ValueError,
            "outlier_table must have K = 3",
        ),
        (lambda: OutlierAwareThresholdNode(ONE, ONE, -1.0), ValueError, "not be negative"),
        (lambda: OutlierAwareThresholdNode(ONE, ONE, 1.0, 0.5), ValueError, "at least"),
        (lambda: OutlierAwareThresholdNode(ONE, ONE, 0.0, 0.0), ValueError, "positive"),
    ],
)
def test_bad_arguments(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_bad_inputs() -> None:
    with pytest.raises(TypeError, match=r"floating-point dtype, but has torch\.int64"):
        FewSpikeNode(BINARY)(torch.tensor([1]))
    with pytest.raises(ValueError, match=r"T = 3, but got shape \(2, 1\)"):
        FewSpikeNode(BINARY, step_mode="m")(torch.zeros(2, 1))
