"""E-prop against autograd, in the cases in which the two agree, and by its definition."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import functional, surrogate
from bitspike.base import StateError
from bitspike.learning import EPropNetwork
from bitspike.learning.online_learning import eprop_online_training

T, B = 7, 3


def network(**more: Any) -> EPropNetwork:
    options: dict[str, Any] = {"tau": 3.0, "tau_out": 4.0, "tau_adaptation": 6.0, **more}
    return EPropNetwork(
        5, 4, 2, v_threshold=0.5, surrogate_function=surrogate.ATan(), **options
    ).double()


def eprop_gradients(net: EPropNetwork, x_seq: Tensor, target: Tensor) -> dict[str, Tensor]:
    functional.reset_net(net)
    net.zero_grad()
    for x, wanted in zip(x_seq, target, strict=True):
        y = net.online_step(x).requires_grad_()
        (error,) = torch.autograd.grad(F.mse_loss(y, wanted, reduction="sum"), y)
        net.learn(error)
    return gradients(net)


def gradients(net: EPropNetwork) -> dict[str, Tensor]:
    found = {}
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None
        found[name] = parameter.grad.clone()
    return found


def unrolled(net: EPropNetwork, x_seq: Tensor, cut_recurrence: bool) -> Tensor:
    """The network once more, from its equations; returns ``Y``, ``[T, B, O]``."""
    v = a = s = torch.zeros(B, 4, dtype=torch.float64)
    y = torch.zeros(B, 2, dtype=torch.float64)
    outputs = []
    for x in x_seq:
        h = (1 - 1 / net.tau) * v + x @ net.w_in.t()
        if net.w_rec is not None:
            h = h + (s.detach() if cut_recurrence else s) @ net.w_rec.t()
        s = net.surrogate_function(h - net.v_threshold - net.beta * a)
        v = h - net.v_threshold * s.detach()
        a = (1 - 1 / net.tau_adaptation) * a + s
        y = (1 - 1 / net.tau_out) * y + s @ net.w_out.t() + net.bias
        outputs.append(y)
    return torch.stack(outputs)


@pytest.fixture
def data() -> tuple[Tensor, Tensor]:
    return 2 * torch.rand(T, B, 5).double(), torch.randn(T, B, 2).double()


@pytest.mark.parametrize("recurrent", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.7])
@pytest.mark.parametrize("tau_out", [1, 4.0])
def test_gradient_is_that_of_bptt_with_recurrent_spikes_cut(
    data: tuple[Tensor, Tensor], recurrent: bool, beta: float, tau_out: float
) -> None:
    """Without recurrent connections nothing is cut: e-prop is then exact."""
    x_seq, target = data
    net = network(beta=beta, recurrent=recurrent, tau_out=tau_out)
    found = eprop_gradients(net, x_seq, target)
    net.zero_grad()
    F.mse_loss(unrolled(net, x_seq, True), target, reduction="sum").backward()  # type: ignore[no-untyped-call]
    for name, expected in gradients(net).items():
        torch.testing.assert_close(found[name], expected)
        assert expected.any()
    assert ("w_rec" in found) is recurrent


def test_recurrence_makes_a_difference(data: tuple[Tensor, Tensor]) -> None:
    """What the test above cuts is there: e-prop is an approximation, and BPTT is not e-prop."""
    net = network(beta=0.7)
    found = eprop_gradients(net, *data)
    net.zero_grad()
    functional.reset_net(net)
    net.step_mode = "m"
    F.mse_loss(net(data[0]), data[1], reduction="sum").backward()  # type: ignore[no-untyped-call]
    exact = gradients(net)
    torch.testing.assert_close(found["w_out"], exact["w_out"])
    assert F.cosine_similarity(found["w_in"].flatten(), exact["w_in"].flatten(), 0) > 0.5
    assert not torch.allclose(found["w_in"], exact["w_in"], rtol=1e-2)


@pytest.mark.parametrize("beta", [0.0, 0.7])
def test_forward_and_online_step_agree(data: tuple[Tensor, Tensor], beta: float) -> None:
    net = network(beta=beta)
    expected = unrolled(net, data[0], False)
    single = torch.stack([net(x) for x in data[0]])
    functional.reset_net(net)
    online = torch.stack([net.online_step(x) for x in data[0]])
    torch.testing.assert_close(single, expected)
    torch.testing.assert_close(online, expected)
    assert expected.any()
    assert single.requires_grad
    assert not online.requires_grad


def test_random_feedback(data: tuple[Tensor, Tensor]) -> None:
    """Errors reach the neurons by the random matrix; readouts learn as before."""
    net = network(feedback="random")
    random = eprop_gradients(net, *data)
    net.feedback = "symmetric"
    symmetric = eprop_gradients(net, *data)
    torch.testing.assert_close(random["w_out"], symmetric["w_out"])
    assert not torch.allclose(random["w_in"], symmetric["w_in"])
    with torch.no_grad():
        net.random_feedback.copy_(net.w_out)
    net.feedback = "random"
    torch.testing.assert_close(eprop_gradients(net, *data), symmetric)


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("feedback", ["symmetric", "random"])
def test_training_learns_a_pattern(online: bool, feedback: str) -> None:
    net = EPropNetwork(6, 30, 1, tau=5, tau_out=5, beta=0.2, feedback=feedback)
    x_seq = (torch.rand(2, 20, 6) < 0.5).float()
    target = torch.sin(torch.linspace(0, 6, 20)).repeat(2, 1).unsqueeze(2)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003 if online else 0.02)
    losses = []
    for _ in range(40):
        loss, y = eprop_online_training(net, optimizer, x_seq, target, F.mse_loss, online)
        functional.reset_net(net)
        losses.append(loss.item())
    assert y.shape == (2, 20, 1)
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"tau": 0.5}, "tau is in time steps"),
        ({"beta": -1.0}, "beta"),
        ({"feedback": "none"}, "symmetric.*random"),
        ({"hidden_features": 0}, "hidden_features"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], match: str) -> None:
    sizes = {"in_features": 2, "hidden_features": 2, "out_features": 2}
    with pytest.raises(ValueError, match=match):
        EPropNetwork(**{**sizes, **arguments})


def test_bad_use() -> None:
    net = EPropNetwork(2, 2, 2)
    with pytest.raises(RuntimeError, match="online_step"):
        net.learn(torch.ones(1, 2))
    with pytest.raises(ValueError, match=r"\[B, 2\].*\(1, 3\)"):
        net(torch.ones(1, 3))
    net.online_step(torch.ones(3, 2))
    with pytest.raises(StateError, match="reset_net"):
        net.online_step(torch.ones(4, 2))
