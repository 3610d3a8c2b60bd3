"""Short sequences worked out by hand, in numbers that are exact in binary."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, neuron
from bitspike.neuron import BaseNode, IFNode, LIFNode, ParametricLIFNode
from bitspike.surrogate import heaviside


@dataclass(frozen=True)
class Trace:
    """A neuron, its input, and what must come of it at each step."""

    node: BaseNode
    x: list[float]
    h: list[float] | None  # None: the spike function is not asked about h - v_threshold alone
    s: list[float]
    v: list[float]


# v + x; the threshold 1 itself spikes, the float below it does not
IF_HARD = Trace(
    IFNode(),
    x=[0.5, 0.5, 0.75, 0.5, 1.0 - 2**-24, -0.5],
    h=[0.5, 1.0, 0.75, 1.25, 1.0 - 2**-24, 0.5 - 2**-24],
    s=[0, 1, 0, 1, 0, 0],
    v=[0.5, 0.0, 0.75, 0.0, 1.0 - 2**-24, 0.5 - 2**-24],
)
IF_HARD_TO_HALF = Trace(
    IFNode(v_reset=-0.5),
    x=[1.0, 0.5, 2.0, 0.25],  # the start is -0.5, not 0
    h=[0.5, 1.0, 1.5, -0.25],
    s=[0, 1, 1, 0],
    v=[0.5, -0.5, -0.5, -0.25],
)
IF_SOFT = Trace(
    IFNode(v_reset=None),
    x=[0.5, 0.5, 0.75, 0.5, 3.0, 0.0],
    h=[0.5, 1.0, 0.75, 1.25, 3.25, 2.25],  # a spike takes 1 away, no more
    s=[0, 1, 0, 1, 1, 1],
    v=[0.5, 0.0, 0.75, 0.25, 2.25, 1.25],
)
IF_SOFT_LOW = Trace(
    IFNode(v_threshold=0.5, v_reset=None),
    x=[0.25, 0.25, 0.75],
    h=[0.25, 0.5, 0.75],
    s=[0, 1, 1],
    v=[0.25, 0.0, 0.25],
)
# v + (x - v) / 2
LIF_HARD = Trace(
    LIFNode(),
    x=[1.0, 1.5, 1.0, 2.0, 0.5],
    h=[0.5, 1.0, 0.5, 1.25, 0.25],
    s=[0, 1, 0, 1, 0],
    v=[0.5, 0.0, 0.5, 0.0, 0.25],
)
LIF_SOFT = Trace(
    LIFNode(v_reset=None),
    x=[1.0, 1.5, 1.0, 2.0, 0.0],
    h=[0.5, 1.0, 0.5, 1.25, 0.125],
    s=[0, 1, 0, 1, 0],
    v=[0.5, 0.0, 0.5, 0.25, 0.125],
)
# v + (x - v) / 4
LIF_TAU_4 = Trace(
    LIFNode(tau=4),
    x=[1.0, 2.25, 1.75, 2.0],
    h=[0.25, 0.75, 1.0, 0.5],
    s=[0, 0, 1, 0],
    v=[0.25, 0.75, 0.0, 0.5],
)
# v + (x - (v + 0.5)) / 2, from -0.5
LIF_HARD_TO_HALF = Trace(
    LIFNode(v_reset=-0.5),
    x=[2.0, 1.0, 2.0, 0.0, 3.0],
    h=[0.5, 0.5, 1.0, -0.5, 1.0],
    s=[0, 0, 1, 0, 1],
    v=[0.5, 0.5, -0.5, -0.5, -0.5],
)
# v - v / 2 + x
LIF_WHOLE_INPUT_HARD = Trace(
    LIFNode(decay_input=False),
    x=[0.5, 0.75, 0.5, 1.0, 0.25],
    h=[0.5, 1.0, 0.5, 1.25, 0.25],
    s=[0, 1, 0, 1, 0],
    v=[0.5, 0.0, 0.5, 0.0, 0.25],
)
LIF_WHOLE_INPUT_SOFT = Trace(
    LIFNode(decay_input=False, v_reset=None),
    x=[0.5, 0.75, 0.5, 1.0, 0.25],
    h=[0.5, 1.0, 0.5, 1.25, 0.375],
    s=[0, 1, 0, 1, 0],
    v=[0.5, 0.0, 0.5, 0.25, 0.375],
)
# v - (v - 0.25) / 2 + x, from 0.25
LIF_WHOLE_INPUT_HARD_TO_QUARTER = Trace(
    LIFNode(decay_input=False, v_reset=0.25),
    x=[0.5, 0.5, 0.25, 0.25],
    h=[0.75, 1.0, 0.5, 0.625],
    s=[0, 1, 0, 0],
    v=[0.75, 0.25, 0.5, 0.625],
)
QIF = Trace(  # v + (x + v (v - 0.5)) / 2
    neuron.QIFNode(v_c=0.5, v_reset=0.0),
    x=[1.0, 2.0, 0.5, 1.0],
    h=[0.5, 1.5, 0.25, 0.71875],
    s=[0, 1, 0, 0],
    v=[0.5, 0.0, 0.25, 0.71875],
)
EIF = Trace(  # v + (x - v + exp(v)) / 2, with exp(0) = 1
    neuron.EIFNode(theta_rh=0.0, v_reset=0.0),
    x=[1.0, 2.0, 1.0, 0.0],
    h=[1.0, 1.5, 1.0, 0.5],
    s=[1, 1, 1, 0],
    v=[0.0, 0.0, 0.0, 0.5],
)
IZHIKEVICH = Trace(  # v + (x + v (v - 0.5) - w) / 2; w is 0.25, then 0.9375 + 0.5
    neuron.IzhikevichNode(v_c=0.5, v_rest=0.0, a=1.0, b=0.5),
    x=[1.0, 2.5, 2.0],
    h=[0.5, 1.625, 0.28125],
    s=[0, 1, 0],
    v=[0.5, 0.0, 0.28125],
)
KLIF = Trace(  # max(0, v + (x - v) / 2)
    neuron.KLIFNode(),
    x=[1.0, -3.0, 3.0],
    h=[0.5, 0.0, 1.5],
    s=[0, 0, 1],
    v=[0.5, 0.0, 0.0],
)
LIAF = Trace(  # the output is max(0, h - 1)
    neuron.LIAFNode(torch.relu, True),
    x=[1.0, 1.5, 4.0],
    h=[0.5, 1.0, 2.0],
    s=[0, 0, 1.0],
    v=[0.5, 0.0, 0.0],
)
HALF_THRESHOLD = Trace(  # starts at 0.5
    neuron.HalfThresholdIFNode(),
    x=[0.25, 0.25, 0.5, 1.5],
    h=[0.75, 1.0, 0.5, 2.0],
    s=[0, 1, 0, 1],
    v=[0.75, 0.0, 0.5, 1.0],
)
LAPICQUE = Trace(  # v + (2 x - v) / 2
    neuron.LapicqueNode(R=2.0),
    x=[0.5, 0.75, 0.5],
    h=[0.5, 1.0, 0.5],
    s=[0, 1, 0],
    v=[0.5, 0.0, 0.5],
)
SYNAPTIC = Trace(  # i is 0.5, 0.75, 0.375, 1.1875
    neuron.SynapticNode(alpha=0.5, beta=0.5),
    x=[0.5, 0.5, 0.0, 1.0],
    h=[0.5, 1.0, 0.375, 1.375],
    s=[0, 1, 0, 1],
    v=[0.5, 0.0, 0.375, 0.375],
)
CUBA = Trace(  # c is 0.25, 0.375, 0.1875, 0.09375
    neuron.CUBALIFNode(c_decay=0.5, v_decay=0.5),
    x=[0.25, 0.25, 0.0, 0.0],
    h=[0.25, 0.5, 0.1875, 0.1875],
    s=[0, 1, 0, 0],
    v=[0.25, 0.0, 0.1875, 0.1875],
)
ALPHA = Trace(  # v + 2 (1, 1/2, 1/4, 1/8 less 1, 1/4, 1/16, 1/64)
    neuron.AlphaNode(alpha=0.5, beta=0.25),
    x=[1.0, 0.0, 0.0, 0.0],
    h=[0.0, 0.5, 0.875, 1.09375],
    s=[0, 0, 0, 1],
    v=[0.0, 0.5, 0.875, 0.09375],
)
ADAPTIVE = Trace(  # thresholds 1, 1.5, 1.25, 1.625 and h = 1.25, 1, 1.75, 1.5
    neuron.AdaptiveLIFNode(tau_a=2.0, beta=0.5),
    x=[2.5, 2.0, 2.5, 3.0],
    h=None,
    s=[1, 0, 1, 0],
    v=[0.0, 1.0, 0.0, 1.5],
)
TERNARY_IF = Trace(
    neuron.TernaryIFNode(),
    x=[0.5, -2.0, 1.5, -0.5],
    h=None,
    s=[0, -1, 1, 0],
    v=[0.5, 0.0, 0.0, -0.5],
)
TERNARY_LIF = Trace(
    neuron.TernaryLIFNode(),
    x=[1.0, -4.0, 2.5, -1.0],
    h=None,
    s=[0, -1, 1, 0],
    v=[0.5, 0.0, 0.0, -0.5],
)
# v / 2 + x, at most 4 spikes
ILIF = Trace(
    neuron.ILIFNode(tau=2.0),
    x=[2.25, 0.0, 5.0],
    h=None,
    s=[2, 0, 4],
    v=[0.25, 0.125, 1.0625],
)
MULTI_SPIKE = Trace(
    neuron.MultiSpikeLIFNode(),
    x=[5.0, 0.0, 3.0],
    h=None,
    s=[2, 0, 1],
    v=[0.5, 0.25, 0.625],
)


def hearing(node: neuron.RecurrentLIFNode | neuron.RecurrentSynapticNode) -> BaseNode:
    """With half a spike less as input after each spike."""
    nn.init.constant_(node.weight, -0.5)
    return node


RECURRENT = Trace(  # inputs with the feedback: 2, 2, 0.5, 0.75
    hearing(neuron.RecurrentLIFNode()),
    x=[2.0, 2.5, 1.0, 0.75],
    h=[1.0, 1.0, 0.25, 0.5],
    s=[1, 1, 0, 0],
    v=[0.0, 0.0, 0.25, 0.5],
)
RECURRENT_SYNAPTIC = Trace(  # i is 1, 0.5, 1.25
    hearing(neuron.RecurrentSynapticNode(alpha=0.5, beta=0.5)),
    x=[1.0, 0.5, 1.0],
    h=[1.0, 0.5, 1.5],
    s=[1, 0, 1],
    v=[0.0, 0.5, 0.5],
)
ELSEWHERE = {
    "AdaptBaseNode",  # without a charge
    "BaseNode",
    "ComplementaryLIFNode",  # in numbers that are not exact in binary
    "RAFNode",
    "ActivationAwareIFNode",  # with a test file of their own
    "MPBNBaseNode",
    "MPBNLIFNode",
    "OTTTLIFNode",
    "SLTTLIFNode",
}
TRACES = {
    name.lower(): trace for name, trace in list(globals().items()) if isinstance(trace, Trace)
}


def as_parametric(node: LIFNode) -> ParametricLIFNode:
    return ParametricLIFNode(
        init_tau=node.tau,
        decay_input=node.decay_input,
        v_threshold=node.v_threshold,
        v_reset=node.v_reset,
    )


# With tau = 2 the parameter w is 0 and sigmoid(w) exactly 1/2.
TRACES |= {
    f"p{name}": Trace(as_parametric(trace.node), trace.x, trace.h, trace.s, trace.v)
    for name, trace in TRACES.items()
    if type(trace.node) is LIFNode and trace.node.tau == 2
}


class Listening(nn.Module):
    """The step, remembering what it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.arguments: list[Tensor] = []

    def forward(self, u: Tensor) -> Tensor:
        self.arguments.append(u)
        return heaviside(u)


def column(values: list[float]) -> Tensor:
    """One sample with two equal features: ``[T, 1, 2]``."""
    return torch.tensor(values).view(-1, 1, 1).expand(-1, 1, 2)


def run(trace: Trace, step_mode: str) -> tuple[Tensor | None, Tensor, Tensor]:
    node, listening = trace.node, Listening()
    if trace.h is not None:
        node.surrogate_function = listening
    node.store_v_seq = True
    functional.reset_net(node)
    node.step_mode = step_mode
    x_seq = column(trace.x)
    s = node(x_seq) if step_mode == "m" else torch.stack([node(x) for x in x_seq])
    assert isinstance(node.v_seq, Tensor)
    h = torch.stack(listening.arguments) + node.v_threshold if trace.h is not None else None
    return h, s, node.v_seq


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("name", TRACES)
@torch.no_grad()
def test_trace(name: str, step_mode: str) -> None:
    trace = TRACES[name]
    h, s, v = run(trace, step_mode)
    if trace.h is not None:
        assert h is not None
        assert torch.equal(h, column(trace.h))
    assert torch.equal(s, column([float(spike) for spike in trace.s]))
    assert torch.equal(v, column(trace.v))
    assert isinstance(trace.node.v, Tensor)
    assert torch.equal(trace.node.v, v[-1])


def test_traces_cover_the_neurons() -> None:
    family = {
        name
        for name in neuron.__all__
        if isinstance(kind := getattr(neuron, name), type) and issubclass(kind, BaseNode)
    }
    assert {type(trace.node).__name__ for trace in TRACES.values()} == family - ELSEWHERE
    assert family >= ELSEWHERE


@torch.no_grad()
def test_parametric_lif_with_tau_4() -> None:
    node = ParametricLIFNode(init_tau=4.0)
    torch.testing.assert_close(node.w, torch.tensor(-1.0986123), rtol=1e-6, atol=0)  # -ln 3
    torch.testing.assert_close(node.tau, 4.0, rtol=1e-6, atol=0)
    node(torch.tensor([1.0]))
    torch.testing.assert_close(node.v, torch.tensor([0.25]), rtol=1e-6, atol=0)
    node(torch.tensor([2.25]))
    torch.testing.assert_close(node.v, torch.tensor([0.75]), rtol=1e-6, atol=0)


def test_potentials_are_stored_on_request_only() -> None:
    node = IFNode()
    node(torch.zeros(2))
    assert node.v_seq is None
    node = IFNode(store_v_seq=True)
    for _ in range(3):
        node(torch.zeros(2))
    assert isinstance(node.v_seq, Tensor)
    assert node.v_seq.shape == (3, 2)
    node.reset()
    assert node.v_seq is None
