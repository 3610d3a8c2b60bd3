"""The fused time loop against the eager reference: outputs and every gradient."""

from collections.abc import Sequence
from inspect import signature
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, kernels, layer, neuron, surrogate
from bitspike.kernels.scan import numba as fast
from bitspike.kernels.scan import reference
from bitspike.kernels.scan.record import record
from bitspike.spikes import SpikeTensor, pack

Node = neuron.BaseNode


def takes(kind: Any, argument: str) -> bool:
    """Whether a constructor has an argument, by name or handed on by ``**kwargs``."""
    return argument in signature(kind).parameters or "kwargs" in signature(kind).parameters


ELEMENTWISE: dict[str, Any] = {
    # Spikes of one neuron enter the others only if the neuron is told their number.
    name: (kind, {} if kind.demo.loop else dict(kind.demo.tested))
    for name, kind in neuron.catalogue().items()
    if not neuron.is_base(kind)
    and issubclass(kind, Node)
    and kind.single_step_forward is Node.single_step_forward
}
"""Every neuron with the time loop of `BaseNode`, from the classes."""
NODES: dict[str, Any] = {
    **{name: made for name, made in ELEMENTWISE.items() if takes(made[0], "v_reset")},
    "LIFNode whole input": (neuron.LIFNode, {"tau": 3.0, "decay_input": False}),
    "ParametricLIFNode whole input": (
        neuron.ParametricLIFNode, {"init_tau": 1.7, "decay_input": False},
    ),
    "KLIFNode scaled": (neuron.KLIFNode, {"scale_reset": True}),
}  # fmt: skip
SOFT_ONLY = {name: made for name, made in ELEMENTWISE.items() if name not in NODES}
EXACT = {
    "IFNode", "LIFNode", "ParametricLIFNode", "CUBALIFNode", "SynapticNode", "TernaryIFNode",
    "TernaryLIFNode", "RAFNode", "LapicqueNode",
}  # fmt: skip
RESETS = {"hard": 0.0, "soft": None}


def compiled(
    step: Any, x: Tensor, states: Sequence[Tensor], store_v_seq: bool = False, bits: bool = True
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """`reference.scan` by the kernels."""
    program = record(step, len(states), x.shape[1:], x)
    assert not isinstance(program, str), program
    return fast.scan(program, x, states, store_v_seq, bits)


def run(
    scan: Any, node: Node, x: Tensor, states: list[Tensor], store: bool
) -> tuple[list[Tensor], Any]:
    """Outputs, and all gradients, for a loss on all outputs."""
    x, states = x.clone().requires_grad_(), [v.clone().requires_grad_() for v in states]
    s, last, v_seq = scan(node.step, x, states, store)
    generator = torch.Generator().manual_seed(3)
    outputs = [s, *last, *([v_seq] if store else [])]
    loss = sum(
        (out * torch.randn(out.shape, generator=generator, dtype=x.dtype)).sum() for out in outputs
    )
    wanted = [x, *states, *node.parameters()]
    gradients = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
    return [out.dense() if isinstance(out, SpikeTensor) else out for out in outputs], gradients


def assert_parity(
    node: Node, x: Tensor, v: Tensor, store: bool = False, exact: bool = True, scan: Any = None
) -> None:
    states = [v, *(0.3 * torch.randn_like(v) for _ in node.state_names[1:])]
    expected, expected_gradients = run(reference.scan, node, x, states, store)
    outputs, gradients = run(scan or compiled, node, x, states, store)
    scale = 1e-5 if x.dtype == torch.float32 else 1e-12
    for got, want in zip(outputs, expected, strict=True):
        if exact:  # the arithmetic is the same, operation by operation
            assert torch.equal(got, want)
        else:  # functions such as exp are rounded differently
            torch.testing.assert_close(got, want, rtol=scale, atol=scale)
    for got, want in zip(gradients, expected_gradients, strict=True):
        bound = scale * max(1.0, float(want.abs().max()))
        torch.testing.assert_close(got, want, rtol=10 * scale, atol=10 * bound)


def make(name: str, reset: str, spike: Any) -> Node:
    """A neuron of the tables with a reset and a surrogate."""
    if name in SOFT_ONLY:
        cls, arguments = SOFT_ONLY[name]
        fixed = cls is neuron.ILIFNode or not takes(cls, "surrogate_function")
        node: Node = cls(**arguments, **({} if fixed else {"surrogate_function": spike}))
        return node
    cls, arguments = NODES[name]
    made: Node = cls(**arguments, v_reset=RESETS[reset], surrogate_function=spike)
    return made


def surrogates() -> list[Any]:
    """Every surrogate whose spikes are a function of its input."""
    classes: list[Any] = [cls for cls in surrogate.registry.values() if cls.deterministic]
    return [cls(3) if "max_spike_count" in cls.names else cls() for cls in classes]


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(
    ("name", "reset"), [*product(NODES, RESETS), *product(SOFT_ONLY, ["soft"])]
)
def test_every_neuron_and_reset(name: str, reset: str) -> None:
    node = make(name, reset, surrogate.ATan())
    x, v = torch.randn(7, 3, 70) * 1.5, torch.randn(3, 70)
    exact = name.split(" ")[0] in EXACT
    assert_parity(node, x, v, exact=exact)
    assert_parity(node, x, v, store=True, exact=exact)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize(
    ("name", "reset"), [*product(NODES, RESETS), *product(SOFT_ONLY, ["soft"])]
)
def test_every_neuron_and_reset_with_every_surrogate(name: str, reset: str) -> None:
    for spike in surrogates():
        node = make(name, reset, spike)
        x, v = torch.randn(5, 2, 3) * 2, torch.randn(2, 3)
        assert_parity(node, x, v, exact=name.split(" ")[0] in EXACT)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", [*NODES, *SOFT_ONLY])
def test_single_steps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    monkeypatch.setattr("bitspike.neuron._run.FUSED_FROM", 0)
    x = torch.randn(4, 2, 9, generator=torch.Generator().manual_seed(1)) * 1.5
    for backend in ("eager", "numba"):
        torch.manual_seed(0)
        node = make(name, "soft", surrogate.ATan())
        node.backend = backend
        inputs = x.clone().requires_grad_()
        y = torch.stack([node(one) for one in inputs])
        assert not isinstance(y, SpikeTensor)
        last = getattr(node, node.state_names[-1])
        wanted = [inputs, *node.parameters()]
        gradients = torch.autograd.grad((y * y).sum() + last.sum(), wanted)
        results.append([y, node.v, *gradients])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_a_random_surrogate_is_left_to_the_reference() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.PoissonPass())
    assert isinstance(record(node.step, 1, (2,), torch.zeros(2)), str)


@pytest.mark.parametrize(
    "node",
    [
        neuron.LIFNode(surrogate_function=surrogate.ATan()),
        neuron.ParametricLIFNode(v_reset=None),
    ],
    ids=["lif", "plif"],
)
def test_compiled(node: Node) -> None:
    assert_parity(node, torch.randn(7, 3, 70) * 1.5, torch.randn(3, 70), store=True)


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("reset", RESETS)
def test_detached_reset(reset: str) -> None:
    node = neuron.LIFNode(
        v_reset=RESETS[reset], detach_reset=True, surrogate_function=surrogate.ATan()
    )
    assert_parity(node, torch.randn(9, 2, 10) * 2, torch.randn(2, 10))


def test_other_parameters_need_no_other_kernel() -> None:
    node = neuron.LIFNode(
        tau=5.5, v_threshold=0.7, v_reset=-0.2, surrogate_function=surrogate.ATan(3.0)
    )
    assert_parity(node, torch.randn(20, 2, 33) * 2, torch.randn(2, 33))


def test_float64() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    x, v = torch.randn(6, 3, 130, dtype=torch.float64), torch.randn(3, 130, dtype=torch.float64)
    assert_parity(node, x * 2, v, store=True)


@pytest.mark.parametrize(
    "shape",
    [
        (1, 1),
        (1, 1, 1),
        (5, 1),
        (3, 2, 64),
        (3, 2, 65),
        (2, 3, 2, 5, 7),
        (10_000, 1, 1),
        (4, 2500),
        (600, 2, 200),
    ],
)
def test_extreme_shapes(shape: tuple[int, ...]) -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    assert_parity(node, torch.randn(shape) * 2, torch.zeros(shape[1:]), store=True)


LAYOUTS: dict[str, Any] = {
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "features first": lambda x: x.transpose(0, 2).contiguous().transpose(0, 2),
    "padded": lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
    "every second": lambda x: torch.stack([x, x], 1)[:, 0],
    "expanded over time": lambda x: x[:1].expand_as(x),
    "expanded over batch": lambda x: x[:, :1].expand_as(x),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_and_gradients_that_are_not_contiguous(layout: str) -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    base, g = torch.randn(6, 4, 10) * 2, LAYOUTS[layout](torch.randn(6, 4, 10))
    results = []
    for scan in (reference.scan, compiled):
        x = base.clone().requires_grad_()
        s, _, _ = scan(node.step, LAYOUTS[layout](x), [torch.zeros(4, 10)])
        results.append((s + 0, *torch.autograd.grad(s, x, g)))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


@pytest.mark.parametrize("shape", [(3, 2, 5, 4), (4, 70)])
def test_an_input_that_is_held_over_time(shape: tuple[int, ...]) -> None:
    """Its gradient is summed over the steps on the way."""
    first = layer.Conv2d(2, 3, 3) if len(shape) == 4 else layer.Linear(70, 80)
    net = nn.Sequential(first, neuron.ParametricLIFNode())
    functional.set_step_mode(net, "m")
    image = torch.randn(shape) * 2
    results = []
    for backend in ("eager", "numba"):
        functional.set_backend(net, backend)
        x = image.clone().requires_grad_()
        y = net(x.expand(6, *shape))
        loss = (y * torch.linspace(-1, 1, y.numel()).view(y.shape)).sum()
        results.append([y + 0, *torch.autograd.grad(loss, [x, *net.parameters()])])
        functional.reset_net(net)
    assert torch.equal(results[0][0], results[1][0])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


def test_threshold_is_met_exactly() -> None:
    node = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan())
    x = torch.tensor([2.0, 1.0, 1.5, 0.0, 4.0]).reshape(5, 1, 1)  # dyadic: no rounding anywhere
    s, (v,), v_seq = compiled(node.step, x, [torch.zeros(1, 1)], store_v_seq=True)
    assert (s + 0).flatten().tolist() == [1, 0, 1, 0, 1]
    assert v_seq is not None
    assert v_seq.flatten().tolist() == [0, 0.5, 0, 0, 0]
    assert v.item() == 0


def test_no_gradient_keeps_nothing() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    x = torch.randn(4, 2, 3)
    s, (v,), _ = compiled(node.step, x, [torch.zeros(2, 3)])
    assert not s.requires_grad
    assert not v.requires_grad
    assert torch.equal(s + 0, reference.scan(node.step, x, [torch.zeros(2, 3)])[0])


def test_only_the_last_potential_is_used() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    gradients = []
    for scan in (reference.scan, compiled):
        x = torch.linspace(-2, 2, 24).reshape(4, 2, 3).requires_grad_()
        _, (v,), _ = scan(node.step, x, [torch.zeros(2, 3)])
        gradients.append(torch.autograd.grad(v.sum(), x)[0])
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("x", "spike", "why"),
    [
        (torch.zeros(2, 3, 4, dtype=torch.float16), surrogate.ATan(), "float16"),
        (torch.zeros(2, 3, 4), lambda h: h.cumsum(0), "uses .cumsum"),
        (torch.zeros(2, 3, 4), lambda h: h if h.sum() > 0 else 0 * h, "uses .sum"),
    ],
)
def test_what_it_cannot_run_raises_if_asked_for_and_else_runs_eagerly(
    x: Tensor, spike: Any, why: str
) -> None:
    node = neuron.IFNode(step_mode="m", surrogate_function=spike)
    node.backend = "numba"
    with pytest.raises(kernels.BackendError, match=f"'numba' was requested.*{why}"):
        node(x)
    node.backend = "auto"
    node.reset()
    with kernels.use_backend("auto"):
        assert not isinstance(node(x), SpikeTensor)


@pytest.mark.usefixtures("interpreted")
def test_a_parameter_that_was_frozen_at_first_learns_later() -> None:
    node = neuron.ParametricLIFNode(step_mode="m")
    node.backend = "numba"
    x = torch.randn(4, 2, 3)
    for _ in range(2):  # kernels without its gradient, then the same equations with it
        node.w.requires_grad_(not node.w.requires_grad)
        inputs = x.clone().requires_grad_()
        node(inputs).sum().backward()
        node.reset()
    with torch.no_grad():
        node(x)
        node.reset()
    assert node.w.grad is not None
    assert node.w.grad.abs() > 0


def test_spikes_as_state_and_as_gradient() -> None:
    torch.manual_seed(0)
    dense = (torch.rand(3, 2, 70) < 0.4).float()
    x, results = 2 * torch.rand(3, 2, 70), []
    for state, grad in ((pack(dense[0]), pack(dense)), (dense[0], dense)):
        node, given = neuron.LIFNode(step_mode="m"), x.clone().requires_grad_()
        node.v = state
        y = node(given)
        y.backward(grad)
        assert given.grad is not None
        results.append((y.dense() if isinstance(y, SpikeTensor) else y, given.grad))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_no_step_leaves_the_states() -> None:
    start = torch.rand(2, 5)
    step, x_seq = neuron.LIFNode().step, torch.ones(0, 2, 5)
    _, (last,), _ = kernels.scan(step, x_seq, [start], backend="numba")
    assert torch.equal(last, start)
