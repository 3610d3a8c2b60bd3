"""Losses and accuracies on what an output layer does over time."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import functional, spikes

# Two samples, two classes, three steps: spike counts [[2, 1], [0, 3]].
S = torch.tensor([[[1.0, 0], [0, 1]], [[1, 0], [0, 1]], [[0, 1], [0, 1]]])
TARGET = torch.tensor([0, 0])


def cross_entropy(right: float, wrong: float) -> float:
    return math.log(1 + math.exp(wrong - right))


def test_count_losses_by_hand() -> None:
    expected = (cross_entropy(2, 1) + cross_entropy(0, 3)) / 2
    assert functional.ce_count_loss(S, TARGET).item() == pytest.approx(expected)
    # Wanted: [[3, 0], [3, 0]].
    assert functional.mse_count_loss(S, TARGET).item() == pytest.approx((1 + 1 + 9 + 9) / 4 / 3)
    # Wanted, rounded down: [[2, 1], [2, 1]].
    loss = functional.mse_count_loss(S, TARGET, correct_rate=0.9, incorrect_rate=0.4)
    assert loss.item() == pytest.approx((0 + 0 + 4 + 4) / 4 / 3)


def test_rate_loss_by_hand() -> None:
    per_step = [(1, 0), (0, 1), (1, 0), (0, 1), (0, 1), (0, 1)]
    expected = sum(cross_entropy(right, wrong) for right, wrong in per_step) / 6
    assert functional.ce_rate_loss(S, TARGET).item() == pytest.approx(expected)
    tet = functional.temporal_efficient_training_cross_entropy(S, TARGET)
    assert tet.item() == pytest.approx(expected)


def test_tet_takes_maps_of_labels() -> None:
    x, target = torch.randn(3, 2, 5, 4, 4), torch.randint(5, (2, 4, 4))
    expected = torch.stack([F.cross_entropy(step, target) for step in x]).mean()
    loss = functional.temporal_efficient_training_cross_entropy(x, target)
    torch.testing.assert_close(loss, expected)


def test_membrane_losses_by_hand() -> None:
    v = S * 2 - 0.5
    expected = (cross_entropy(1.5, 1.5) + cross_entropy(-0.5, 1.5)) / 2
    assert functional.ce_max_membrane_loss(v, TARGET).item() == pytest.approx(expected)
    wanted = torch.tensor([1.5, -0.5])
    expected = (v - wanted).square().mean().item()
    loss = functional.mse_membrane_loss(v, TARGET, on_target=1.5, off_target=-0.5)
    assert loss.item() == pytest.approx(expected)
    over_time = torch.tensor([[0, 1], [0, 1], [1, 1]])
    loss = functional.mse_membrane_loss(v, over_time, on_target=1.5, off_target=-0.5)
    assert loss.item() == 0.0


def test_population_code() -> None:
    s_seq = torch.tensor([[[1.0, 1, 0, 1, 0, 0]], [[1, 0, 0, 0, 0, 1]]])  # counts 3, 1, 1 in pairs
    target = torch.tensor([0])
    expected = math.log(1 + 2 * math.exp(1 - 3))
    loss = functional.ce_count_loss(s_seq, target, num_classes=3)
    assert loss.item() == pytest.approx(expected)
    loss = functional.mse_count_loss(s_seq, target, num_classes=3)  # wanted 4, 0, 0
    assert loss.item() == pytest.approx((1 + 1 + 1) / 3 / 2)
    assert functional.accuracy_rate(s_seq, target, num_classes=3) == 1.0
    assert functional.accuracy_rate(s_seq, torch.tensor([2]), num_classes=3) == 0.0
    with pytest.raises(ValueError, match="6 outputs and num_classes=4"):
        functional.ce_count_loss(s_seq, target, num_classes=4)


def test_losses_of_bits() -> None:
    bits = spikes.pack(S)
    for loss in (functional.ce_count_loss, functional.mse_count_loss, functional.ce_rate_loss):
        torch.testing.assert_close(loss(bits, TARGET), loss(S, TARGET))


def test_accuracy() -> None:
    assert functional.accuracy_rate(S, TARGET) == 0.5
    assert functional.accuracy_rate(S, torch.tensor([0, 1])) == 1.0
    assert functional.accuracy_temporal(S, torch.tensor([0, 1])) == 1.0
    assert functional.accuracy_temporal(S, torch.tensor([1, 1])) == 0.5
    early = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 0.0]]])
    assert functional.accuracy_temporal(early, torch.tensor([1])) == 1.0
    assert functional.accuracy_rate(early, torch.tensor([1])) == 0.0


def test_first_spike_time_and_its_gradient() -> None:
    s_seq = torch.tensor([[0.0, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 1]], requires_grad=True)
    time = functional.first_spike_time(s_seq)
    assert time.tolist() == [1, 0, 2, 2]
    (time * torch.tensor([1.0, 2, 4, 8])).sum().backward()  # type: ignore[no-untyped-call]
    assert s_seq.grad is not None
    assert s_seq.grad.tolist() == [[0, -2, 0, 0], [-1, 0, 0, 0], [0, 0, -4, -8]]


def test_first_spike_index_has_time_last() -> None:
    s = torch.tensor([[0.0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 0, 1]])
    assert functional.first_spike_index(s).int().tolist() == [[0, 1, 0, 0], [0] * 4, [1, 0, 0, 0]]


def test_temporal_losses_by_hand() -> None:
    # First spikes: [[0, 2], [2, 0]]; the silent neuron of sample 1 counts as the last step.
    loss = functional.mse_temporal_loss(S, TARGET)  # wanted [[0, 2], [0, 2]]
    assert loss.item() == pytest.approx((4 + 4) / 4 / 9)
    loss = functional.mse_temporal_loss(S, TARGET, on_target=1, off_target=1)
    assert loss.item() == pytest.approx(1 / 9)
    loss = functional.mse_temporal_loss(S, TARGET, on_target=1, off_target=1, tolerance=2)
    assert loss.item() == 0
    times = torch.tensor([[0, 1], [-1, 0]])
    loss = functional.mse_temporal_loss(S, times, target_is_time=True)
    assert loss.item() == pytest.approx(1 / 4 / 9)
    assert times.tolist() == [[0, 1], [-1, 0]], "the target is not written into"
    expected = (cross_entropy(0, -2) + cross_entropy(-2, 0)) / 2
    assert functional.ce_temporal_loss(S, TARGET).item() == pytest.approx(expected)
    expected = (cross_entropy(1, 1 / 3) + cross_entropy(1 / 3, 1)) / 2
    loss = functional.ce_temporal_loss(S, TARGET, inverse="reciprocal")
    assert loss.item() == pytest.approx(expected)
    with pytest.raises(ValueError, match="'negate' or 'reciprocal'"):
        functional.ce_temporal_loss(S, TARGET, inverse="no")


def test_temporal_loss_pulls_the_right_spike_earlier() -> None:
    s_seq = S.clone().requires_grad_()
    functional.ce_temporal_loss(s_seq, TARGET).backward()  # type: ignore[no-untyped-call]
    assert s_seq.grad is not None
    assert s_seq.grad[0, 0, 0] < 0, "more spikes of the right class lower the loss"
    assert s_seq.grad[0, 1, 1] > 0


@pytest.mark.parametrize(
    "loss",
    [
        functional.ce_count_loss,
        functional.ce_rate_loss,
        functional.ce_max_membrane_loss,
        functional.mse_count_loss,
        functional.mse_membrane_loss,
        functional.mse_temporal_loss,
        functional.ce_temporal_loss,
    ],
)
def test_a_rate_is_no_sequence(loss: object) -> None:
    assert callable(loss)
    with pytest.raises(ValueError, match=r"must be a sequence \[T, B, ...\]"):
        loss(S[0], TARGET)


@pytest.mark.parametrize(
    ("kernel", "args", "expected"),
    [
        ("linear", (), [[5.0, 2.0], [2.0, 4.0]]),
        ("polynomial", (2,), [[25.0, 4.0], [4.0, 16.0]]),
        (
            "sigmoid",
            (0.5,),
            [[1 / (1 + math.exp(-v / 2)) for v in row] for row in [[5, 2], [2, 4]]],
        ),
        ("gaussian", (2.0,), [[1.0, math.exp(-5 / 8)], [math.exp(-5 / 8), 1.0]]),
    ],
)
def test_kernels_by_hand(kernel: str, args: tuple[float, ...], expected: list[list[float]]) -> None:
    x = torch.tensor([[1.0, 2.0], [2.0, 0.0]])
    torch.testing.assert_close(
        functional.kernel_dot_product(x, x, kernel, *args), torch.tensor(expected)
    )


def test_kernels_take_sets_of_different_sizes() -> None:
    x, y = torch.rand(3, 4), torch.rand(5, 4)
    distance = torch.cdist(x, y).square()
    found = functional.kernel_dot_product(x, y, "gaussian", 1.0)
    torch.testing.assert_close(found, torch.exp(-distance / 2))


def test_similar_loss_is_least_for_alike_spikes() -> None:
    labels = F.one_hot(torch.tensor([0, 0, 1]))
    alike = torch.tensor([[[1.0, 0], [1, 0]], [[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    assert functional.spike_similar_loss(alike, labels).item() == pytest.approx(0, abs=1e-12)
    mixed = alike[[0, 2, 1]]
    assert functional.spike_similar_loss(mixed, labels).item() == pytest.approx(4 / 9)
    assert functional.spike_similar_loss(mixed, labels, "linear", "l1").item() == pytest.approx(
        4 / 9
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: functional.kernel_dot_product(x, x, "cubic"), "one of linear, polynomial"),
        (lambda x: functional.kernel_dot_product(x, x, "gaussian"), "takes sigma"),
        (lambda x: functional.kernel_dot_product(x, x, "linear", 2), "takes no parameter"),
        (lambda x: functional.kernel_dot_product(x, x, "gaussian", 0.0), "sigma > 0"),
        (lambda x: functional.spike_similar_loss(x, x, loss_type="hinge"), "one of mse, l1, bce"),
    ],
)
def test_similarity_refuses(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 2))


def test_redundant_one_hot() -> None:
    labels = functional.redundant_one_hot(torch.tensor([1, 0]), 2, 3)
    assert labels.tolist() == [[0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0]]
    assert labels.dtype is torch.float32


def test_gradients_of_losses_reach_the_spikes() -> None:
    def grad(loss: Tensor, x: Tensor) -> Tensor:
        (g,) = torch.autograd.grad(loss, x)
        return g

    x = S.double().requires_grad_()
    for loss in (functional.ce_count_loss, functional.mse_count_loss, functional.ce_rate_loss):
        assert torch.autograd.gradcheck(lambda s, f=loss: f(s, TARGET), (x,))
        assert grad(loss(x, TARGET), x).shape == x.shape
