"""Neurons with equations of their own against SpikingJelly's: spikes, states, gradients."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import functional, neuron, surrogate
from bitspike.neuron import BaseNode

T, B, N = 8, 3, 5
CASES: list[tuple[str, dict[str, Any]]] = [
    ("QIFNode", {}),
    ("QIFNode", {"tau": 3.0, "v_c": 0.6, "a0": 0.5, "v_rest": 0.1}),
    ("EIFNode", {}),
    ("EIFNode", {"tau": 3.0, "delta_T": 0.5, "theta_rh": 0.5, "v_rest": 0.1, "v_threshold": 0.5}),
    ("IzhikevichNode", {}),
    ("IzhikevichNode", {"a": 0.3, "b": 0.2, "tau_w": 4.0, "w_rest": 0.1}),
    ("KLIFNode", {}),
    ("KLIFNode", {"scale_reset": True, "decay_input": False}),
    ("TernaryIFNode", {}),
    ("TernaryLIFNode", {}),
    ("TernaryLIFNode", {"decay_input": False, "tau": 1.5}),
    ("RAFNode", {}),
    ("RAFNode", {"b": -0.5, "omega": 2.0, "dt": 0.5}),
]
FIXED: list[tuple[str, dict[str, Any]]] = [
    ("ComplementaryLIFNode", {}),
    ("ComplementaryLIFNode", {"tau": 3.0, "v_threshold": 0.7}),
    ("CUBALIFNode", {}),
    ("CUBALIFNode", {"c_decay": 0.2, "v_decay": 0.9, "v_reset": None}),
    ("ILIFNode", {}),
    ("ILIFNode", {"tau": 2.0, "v_threshold": 0.5, "detach_reset": True}),
    ("HalfThresholdIFNode", {"v_threshold": 0.8}),
]
MODES = ["s", "m"]


def run(node: Any, x: Tensor) -> list[Tensor]:
    """Spikes, states, and the gradients of a loss that uses all of them."""
    x = x.clone().requires_grad_()
    y = node(x) if node.step_mode == "m" else torch.stack([node(one) for one in x])
    states = [value for value in node.memories() if isinstance(value, Tensor)]
    weight = torch.linspace(-1, 2, x.numel(), dtype=x.dtype).view(x.shape)
    loss = (weight * y).sum() + sum((k + 1) * state.sum() for k, state in enumerate(states))
    gradients = torch.autograd.grad(loss, [x, *node.parameters()])
    return [y, *states, *gradients]


def assert_same(ours: Any, theirs: Any, x: Tensor) -> None:
    results = run(ours, x), run(theirs, x)
    assert len(results[0]) == len(results[1])
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-9, atol=1e-9)
    assert 0 < results[0][0].abs().mean() < 2


def inputs(scale: float = 1.0) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return (0.6 + torch.randn(T, B, N, generator=generator, dtype=torch.float64)) * scale


@pytest.mark.parametrize("step_mode", MODES)
@pytest.mark.parametrize(("v_reset", "detach"), list(product((None, 0.0, -0.25), (False, True))))
@pytest.mark.parametrize(("kind", "options"), CASES)
def test_with_every_reset(
    peer: Any,
    kind: str,
    options: dict[str, Any],
    v_reset: float | None,
    detach: bool,
    step_mode: str,
) -> None:
    common = {**options, "v_reset": v_reset, "detach_reset": detach, "step_mode": step_mode}
    ours = getattr(neuron, kind)(**common, surrogate_function=surrogate.ATan()).double()
    theirs = getattr(peer.neuron, kind)(**common, surrogate_function=peer.surrogate.ATan())
    assert_same(ours, theirs.double(), inputs(0.5 if kind == "EIFNode" else 1.0))


@pytest.mark.parametrize("step_mode", MODES)
@pytest.mark.parametrize(("kind", "options"), [*FIXED, *CASES])
def test_with_its_own_defaults(
    peer: Any, kind: str, options: dict[str, Any], step_mode: str
) -> None:
    ours, theirs = getattr(neuron, kind)(**options), getattr(peer.neuron, kind)(**options)
    functional.set_step_mode(ours, step_mode)
    peer.functional.set_step_mode(theirs, step_mode)
    assert_same(ours.double(), theirs.double(), inputs(0.5 if kind == "EIFNode" else 1.0))


@pytest.mark.parametrize("step_mode", MODES)
@pytest.mark.parametrize("related", [True, False])
def test_analog_output(peer: Any, related: bool, step_mode: str) -> None:
    # Their multi-step mode ignores the activation (docs/compatibility.md): compare with theirs
    # in single-step mode.
    ours = neuron.LIAFNode(torch.tanh, related, tau=3.0, step_mode=step_mode)
    theirs = peer.neuron.LIAFNode(torch.tanh, related, tau=3.0)
    assert_same(ours, theirs, inputs())


def test_complementary_neuron_records_both_states(peer: Any) -> None:
    ours = neuron.ComplementaryLIFNode(step_mode="m", store_state_seqs=True)
    theirs = peer.neuron.ComplementaryLIFNode(step_mode="m", store_state_seqs=True)
    x = inputs().float()
    assert torch.equal(ours(x), theirs(x))
    assert ours.state_seqs is not None
    for got, want in zip(ours.state_seqs, theirs.state_seqs, strict=True):
        torch.testing.assert_close(got, want)
    ours.reset()
    assert ours.state_seqs is None


def test_complementary_neuron_has_no_gradient_in_evaluation(peer: Any) -> None:
    for module in (neuron, peer.neuron):
        node = module.ComplementaryLIFNode(step_mode="m").eval()
        x = inputs().float().requires_grad_()
        node(x)
        (gradient,) = torch.autograd.grad(node.v.sum(), x)
        assert gradient.abs().sum() > 0


@pytest.mark.parametrize("bad", ["tau=1.0", "a0=0.0", "b=0.1", "v_reset=2.0"])
def test_both_refuse(peer: Any, bad: str) -> None:
    name, value = bad.split("=")
    kind = {"a0": "IzhikevichNode", "b": "RAFNode", "v_reset": "TernaryIFNode"}.get(name, "QIFNode")
    for module, error in ((neuron, ValueError), (peer.neuron, (ValueError, AssertionError))):
        with pytest.raises(error):
            getattr(module, kind)(**{name: float(value)})


STEPS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "if_step": (1, (1.0, 0.0)),
    "lif_step": (1, (2.0, True, 1.0, None)),
    "qif_step": (1, (2.0, 1.0, 0.0, 0.8, 1.0, 0.0)),
    "eif_step": (1, (4.0, 1.0, 0.8, 0.0, 1.0, 0.0)),
    "izhikevich_step": (2, (2.0, 1.0, 0.0, 0.8, 2.0, 0.1, 0.2, 1.0, 0.0)),
    "cuba_lif_step": (2, (0.5, 0.75, 1.0, 0.0)),
    "raf_step": (2, (-0.2, 1.0, 1.0, 1.0, 0.0)),
    "ternary_if_step": (1, (1.0, 0.0)),
    "ternary_lif_step": (1, (2.0, True, 1.0, 0.0)),
    "clif_step": (2, (2.0, 1.0)),
    "plif_step": (1, (torch.tensor(0.3), False, 1.0, None)),
    "ilif_step": (1, (2.0, 0.5)),
    "klif_step": (1, (torch.tensor(1.5), 2.0, True, True, 1.0, -0.25)),
    "liaf_step": (1, (2.0, False, 1.0, 0.0, torch.tanh, True)),
}


@pytest.mark.parametrize("name", STEPS)
def test_step_functions(peer: Any, name: str) -> None:
    states, arguments = STEPS[name]
    values = [torch.randn(B, N, dtype=torch.float64) for _ in range(states + 1)]
    ours = getattr(functional, name)(*values, *arguments, surrogate.ATan())
    theirs = getattr(peer.functional, name)(*values, *arguments, peer.surrogate.ATan())
    assert len(ours) == len(theirs)
    for got, want in zip(ours, theirs, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("name", ["if", "lif", "qif", "eif", "izhikevich", "ilif", "plif"])
@pytest.mark.parametrize("record", [False, True])
def test_multi_step_functions(peer: Any, name: str, record: bool) -> None:
    x_seq = inputs(0.5).float()
    states = [torch.zeros(B, N) for _ in range(2 if name == "izhikevich" else 1)]
    extra = (torch.tensor(0.3),) if name == "plif" else ()
    key = "store_state_seq" if name == "izhikevich" else "store_v_seq"
    results = [
        getattr(module, f"{name}_multi_step")(x_seq, *states, *extra, **{key: record})
        for module in (functional, peer.functional)
    ]
    assert len(results[0]) == len(results[1])
    for got, want in zip(*results, strict=True):
        assert (got is None) == (want is None)
        if got is not None:
            torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)


def test_adaptation(peer: Any) -> None:
    arguments = (torch.randn(4), 3.0, 0.2, -0.1, torch.randn(4))
    torch.testing.assert_close(
        neuron.AdaptBaseNode.jit_neuronal_adaptation(*arguments),
        peer.neuron.AdaptBaseNode.jit_neuronal_adaptation(*arguments),
    )
    node = neuron.AdaptBaseNode(a=0.5)
    node.v, node.w = torch.ones(2), torch.zeros(2)
    node.neuronal_adaptation()
    assert node.w.tolist() == [0.25, 0.25]
    assert isinstance(node, BaseNode)
