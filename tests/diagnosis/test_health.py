"""The diagnosis of small networks whose figures are known."""

import inspect
import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import bitspike
from bitspike import diagnosis, encoding, functional, layer, neuron, spikes, surrogate
from bitspike.diagnosis import Health, LayerHealth

T, B = 4, 3


def three_neurons(step_mode: str = "m") -> nn.Sequential:
    """IF neurons with threshold 1 that see 0.25, 1 and -1 at each step, whatever comes in."""
    linear = layer.Linear(1, 3)
    with torch.no_grad():
        linear.weight.zero_()
        linear.bias.copy_(torch.tensor([0.25, 1.0, -1.0]))
    net = nn.Sequential(linear, neuron.IFNode(surrogate_function=surrogate.ATan()))
    functional.set_step_mode(net, step_mode)
    return net


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_figures_by_hand(step_mode: str) -> None:
    """0.25 fires at step 4 alone, 1 always, -1 never; -1 goes down to -4."""
    report = bitspike.health(three_neurons(step_mode), torch.zeros(T, B, 1))
    (row,) = report.rows
    assert (row.name, row.kind, row.neurons) == ("1", "IFNode", 3)
    assert row.rate == pytest.approx((1 + 4 + 0) / 12)
    assert row.dead == pytest.approx(1 / 3)
    assert row.saturated == pytest.approx(1 / 3)
    assert (row.v_min, row.v_max, row.v_threshold) == (-4.0, 0.75, 1.0)
    assert row.gradient is None
    assert (report.steps, report.loss, report.advice) == (T, None, ())
    assert report["1"] is row


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_gradients_by_time_step(step_mode: str) -> None:
    """Norms of dL/dX[t], against autograd on the neuron alone."""
    x = torch.rand(T, B, 5)
    net = nn.Sequential(layer.Linear(5, 4), neuron.LIFNode())
    functional.set_step_mode(net, step_mode)
    target = torch.rand(B, 4)
    current = net[0](x).detach().requires_grad_()
    node = neuron.LIFNode(step_mode="m")
    loss = nn.functional.mse_loss(node(current).mean(0), target)
    (grad,) = torch.autograd.grad(loss, current)
    report = bitspike.health(net, x, target)
    assert report.rows[0].gradient == pytest.approx(grad.flatten(1).norm(dim=1).tolist(), rel=1e-5)
    assert report.loss == pytest.approx(loss.item(), rel=1e-5)
    assert all(p.grad is None for p in net.parameters())


def test_labels_are_one_hot_rates() -> None:
    net, x, label = three_neurons(), torch.zeros(T, B, 1), torch.tensor([0, 1, 2])
    wanted = nn.functional.one_hot(label, 3).float()
    assert bitspike.health(net, x, label).loss == bitspike.health(net, x, wanted).loss
    own = bitspike.health(net, x, label, lambda y, t: (y.sum(0)[:, 0] * t).sum())
    assert own.loss == 1 * (0 + 1 + 2)
    assert bitspike.health(net, x, loss=lambda y: y.sum()).loss == B * 5


def test_nothing_changes() -> None:
    """Parameters, normalisation, state, gradients, hooks and the random numbers to come."""
    net: Any = nn.Sequential(
        layer.Linear(5, 6), layer.BatchNorm1d(6), neuron.LIFNode(), layer.Dropout(0.5)
    )
    functional.set_step_mode(net, "m")
    x = torch.rand(T, B, 5)
    y = net(x)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state, v = torch.get_rng_state(), net[2].v.clone()
    bitspike.health(net, x, torch.tensor([0, 1, 2]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(net[2].v, v)
    assert net[2].backend == "auto"
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    y.sum().backward()  # the graph is whole


def test_a_network_from_encoder_to_votes() -> None:
    net = nn.Sequential(
        encoding.PoissonEncoder(), layer.Flatten(), layer.Linear(16, 20), neuron.LIFNode(),
        layer.Linear(20, 20), neuron.ParametricLIFNode(), layer.VotingLayer(10),
    )  # fmt: skip
    functional.set_step_mode(net, "m")
    report = bitspike.health(net, torch.rand(T, B, 1, 4, 4), torch.tensor([0, 1, 0]))
    assert [row.name for row in report.rows] == ["3", "5"]
    assert all(len(row.gradient or ()) == T for row in report.rows)


class OwnTime(nn.Module):
    """Shows an image three times by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = layer.Linear(5, 4)
        self.node = neuron.IFNode(step_mode="m")

    def forward(self, image: Tensor) -> Tensor:
        current = self.encode(image)
        spikes: Tensor = self.node(current.expand(3, *current.shape))
        return spikes


def test_a_network_that_makes_its_own_time_steps() -> None:
    report = bitspike.health(OwnTime(), 9 * torch.rand(7, 5), torch.zeros(7, dtype=torch.long))
    assert report.steps == 3
    assert len(report["node"].gradient or ()) == 3
    assert not any("axis" in one for one in report.advice)


def test_bits_as_input() -> None:
    x = torch.zeros(T, B, 3)
    x[:, :, 0] = 1
    net = nn.Sequential(neuron.IFNode(step_mode="m"))
    (row,) = bitspike.health(net, spikes.pack(x), loss=lambda y: y.sum()).rows
    assert row.rate == pytest.approx(1 / 3)
    assert (row.dead, row.saturated) == pytest.approx((2 / 3, 1 / 3))
    assert row.gradient is not None


def test_neurons_of_other_kinds() -> None:
    net = nn.Sequential(
        layer.Linear(3, 4), neuron.PSN(T), layer.Linear(4, 2), neuron.NonSpikingLIFNode()
    )
    functional.set_step_mode(net, "m")
    psn, readout = bitspike.health(net, torch.rand(T, B, 3)).rows
    assert psn.rate is not None
    assert psn.v_min is None
    assert readout.rate is None
    assert readout.neurons == 2


class Mine(nn.Module):
    """Fires where it sees more than 0.5."""

    def forward(self, x: Tensor) -> Tensor:
        return (x > 0.5).to(x)


def test_neurons_of_the_users() -> None:
    net = nn.Sequential(Mine())
    with pytest.raises(ValueError, match="only Mine, Sequential; name the classes of yours"):
        bitspike.health(net, torch.rand(T, B))
    (row,) = bitspike.health(net, torch.tensor([[0.4, 0.6], [0.4, 0.6]]), kinds=Mine).rows
    assert row.rate == 0.5


# -- advice -------------------------------------------------------------------------------------


def advice(net: nn.Module, x: Tensor, *args: Any, **kwargs: Any) -> str:
    functional.set_step_mode(net, kwargs.pop("step_mode", "m"))
    return "\n".join(bitspike.health(net, x, *args, **kwargs).advice)


def current(*values: float) -> Any:
    net: Any = three_neurons()
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor(values))
    return net


def test_silent() -> None:
    text = advice(current(0.1, 0.05, -1.0), torch.zeros(T, B, 1))
    assert "IFNode '1' is silent. Its membrane comes to 0.4 of 1." in text
    assert "by a factor of 2.5 or more" in text
    text = advice(current(-0.1, -0.1, -1.0), torch.zeros(T, B, 1))
    assert "never rises above -0.1: no input excites it" in text


def test_dead_and_saturated() -> None:
    text = advice(current(1.0, -1.0, -1.0), torch.zeros(T, B, 1))
    assert text.startswith("IFNode '1': 67% of its neurons never fire. Raise the weights")
    text = advice(current(1.0, 2.0, -1.0), torch.zeros(T, B, 1))
    assert text.startswith("IFNode '1': 67% of its neurons fire at every step")


def test_not_finite() -> None:
    assert "its membrane is not finite" in advice(current(math.nan, 0, 0), torch.zeros(T, B, 1))


def test_gradient_over_time() -> None:
    x = torch.rand(12, B, 1)
    last = {"loss": lambda y: y[-1].sum()}
    fast = nn.Sequential(layer.Linear(1, 3), neuron.LIFNode(tau=1.1))
    assert "the gradient vanishes over time" in advice(fast, x, **last)
    slow = nn.Sequential(layer.Linear(1, 3), neuron.LIFNode(tau=50, decay_input=False))
    assert "over time" not in advice(slow, x, **last)
    assert "explodes over time" in advice(Growing(), x, **last)


class Growing(nn.Sequential):
    """A membrane that doubles at each step."""

    def __init__(self) -> None:
        class Doubling(neuron.BaseNode):
            def charge(self, x: Any, v: Any) -> Any:
                return 2.5 * v + x

        node = Doubling(v_threshold=1e5, v_reset=None, surrogate_function=surrogate.ATan())
        super().__init__(layer.Linear(1, 2), node)


def two_layers() -> nn.Sequential:
    return nn.Sequential(layer.Linear(1, 3), neuron.IFNode(), layer.Linear(3, 2), neuron.IFNode())


def test_no_gradient() -> None:
    net: Any = two_layers()
    nn.init.zeros_(net[2].weight)
    text = advice(net, torch.rand(T, B, 1), torch.rand(B, 2))
    assert "IFNode '1': no gradient arrives" in text
    assert "IFNode '3': no gradient" not in text


def test_gradient_over_layers() -> None:
    net: Any = two_layers()
    nn.init.constant_(net[2].weight, 1e-6)
    text = advice(net, torch.rand(T, B, 1), torch.rand(B, 2))
    assert "The gradient vanishes from the last layer" in text


def test_a_forgotten_reset() -> None:
    net = three_neurons()
    x = torch.zeros(T, B, 1)
    net(x)
    functional.set_step_mode(net, "m")
    assert "IFNode '1': there was state of an earlier input" in advice(net, torch.zeros(T, 9, 1))
    functional.reset_net(net)
    assert advice(net, x) == ""


@pytest.mark.parametrize(
    ("x", "target", "said"),
    [
        (torch.zeros(T, 5), None, "is the time axis missing?"),
        (torch.rand(B, 1, 5).expand(B, T, 5), None, "the same all along axis 1"),
        (255 * torch.rand(T, B, 5), None, "scale it, as pixels to [0, 1]"),
    ],
)
def test_suspicious_input(x: Tensor, target: Tensor | None, said: str) -> None:
    net = nn.Sequential(layer.Linear(5, 3), neuron.IFNode())
    assert said in advice(net, x, target)


def test_batch_before_time() -> None:
    net = nn.Sequential(layer.Linear(5, 3), neuron.IFNode())
    functional.set_step_mode(net, "m")
    x, label = torch.rand(7, T, 5), torch.zeros(7, dtype=torch.long)
    with pytest.raises(ValueError, match=r"is it the batch, .* x.transpose\(0, 1\)"):
        bitspike.health(net, x, label)
    assert "is it the batch" in advice(net, x, label, lambda y, _: y.sum())


def test_ordinary_input_is_not_suspicious() -> None:
    net = current(1.0, 0.3, 0.3)
    for x in (torch.rand(T, B, 1), torch.rand(B, 1).expand(T, B, 1), torch.ones(T, B, 1)):
        assert advice(net, x) == ""


# -- the report ---------------------------------------------------------------------------------


def test_table() -> None:
    text = str(bitspike.health(three_neurons(), torch.zeros(T, B, 1), torch.tensor([0, 1, 2])))
    head, row, *rest = text.split("\n")
    assert head.split() == [
        "layer",
        "neuron",
        "neurons",
        "rate",
        "dead",
        "saturated",
        "membrane",
        "gradient",
    ]
    assert row.split()[:6] == ["1", "IFNode", "3", "41.7%", "33.3%", "33.3%"]
    assert "-4 .. 0.75" in row
    assert rest[0].startswith("4 time steps, loss 0.")
    assert str(Health((), (), 4)).endswith("4 time steps\nNothing conspicuous.")


def test_as_json() -> None:
    row = LayerHealth("1", "IFNode", 3, rate=0.5, v_min=math.nan, gradient=(1.0, math.inf))
    back = json.loads(json.dumps(Health((row,), ("one",), 4).to_dict(), allow_nan=False))
    assert back["rows"][0]["gradient"] == [1.0, None]
    assert back["rows"][0]["v_min"] is None
    assert (back["advice"], back["steps"], back["loss"]) == (["one"], 4, None)


def test_names() -> None:
    report = bitspike.health(three_neurons(), torch.zeros(T, B, 1))
    with pytest.raises(KeyError, match="no layer of neurons is called '7'; there are '1'"):
        report["7"]
    assert inspect.isfunction(bitspike.health)
    assert list(inspect.signature(bitspike.health).parameters) == list(
        inspect.signature(diagnosis.health).parameters
    )
    with bitspike.health.watch(three_neurons(), patience=2) as watched:  # type: ignore[attr-defined]
        assert isinstance(watched, diagnosis.Watch)
    with pytest.raises(AttributeError, match="has no attribute 'wealth'"):
        bitspike.wealth  # type: ignore[attr-defined]  # noqa: B018


def test_a_single_step_network_needs_a_sequence() -> None:
    with pytest.raises(ValueError, match=r"needs a sequence \[T, B, \.\.\.\]"):
        bitspike.health(three_neurons("s"), torch.zeros(3))
