"""Triton's time loop, interpreted, against the eager reference: outputs and every gradient."""

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import pytest
import torch
from tests.kernels.scan.test_numba import (
    EXACT,
    LAYOUTS,
    NODES,
    RESETS,
    SOFT_ONLY,
    assert_parity,
    make,
    surrogates,
)
from torch import Tensor, nn

from bitspike import encoding, functional, kernels, layer, neuron, surrogate
from bitspike.kernels.scan import reference
from bitspike.spikes import SpikeTensor

pytest.importorskip("triton")
from bitspike.kernels.scan import triton as fast
from bitspike.kernels.scan.record import record

pytestmark = pytest.mark.usefixtures("interpreted")


def compiled(
    step: Any, x: Tensor, states: Sequence[Tensor], store_v_seq: bool = False
) -> tuple[Tensor, tuple[Tensor, ...], Tensor | None]:
    """`reference.scan` by the kernels."""
    recorded = record(step, len(states), x.shape[1:], x)
    assert not isinstance(recorded, str), recorded
    return fast.scan(recorded, x, states, store_v_seq)


@pytest.mark.parametrize(
    ("name", "reset"), [*product(NODES, RESETS), *product(SOFT_ONLY, ["soft"])]
)
def test_every_neuron_and_reset(name: str, reset: str) -> None:
    node = make(name, reset, surrogate.ATan())
    x, v = torch.randn(4, 3, 13) * 1.5, torch.randn(3, 13)
    exact = name.split(" whole")[0] in EXACT
    assert_parity(node, x, v, exact=exact, scan=compiled)
    assert_parity(node, x, v, store=True, exact=exact, scan=compiled)


@pytest.mark.parametrize("name", ["LIFNode", "IzhikevichNode", "KLIFNode"])
def test_every_surrogate(name: str) -> None:
    for spike in surrogates():
        node = make(name, "hard", spike)
        x, v = torch.randn(3, 2, 9) * 2, torch.randn(2, 9)
        assert_parity(node, x, v, exact=name in EXACT, scan=compiled)


@pytest.fixture
def hill() -> Iterator[Any]:
    """A surrogate of a user's, with operations that the library's own do not need."""

    class Hill(surrogate.SurrogateFunctionBase):
        @staticmethod
        def primitive(x: Any) -> Any:
            return torch.tanh(x)

        @staticmethod
        def derivative(x: Any) -> Any:
            outside = ~((x > -1) & (x < 1)) | (x == 0)
            slope = 1 / torch.sqrt(1 + torch.abs(x) ** 1.5)
            far = torch.minimum(torch.cos(x), torch.maximum(torch.sin(x), torch.floor(x)))
            return torch.where(outside, slope, far) + torch.log(2 + torch.round(x) ** 2)

    yield Hill
    surrogate.registry.pop("Hill")


def test_a_user_s_surrogate(hill: Any) -> None:
    node = neuron.LIFNode(surrogate_function=hill())
    assert_parity(node, torch.randn(4, 3, 7) * 3, torch.randn(3, 7), scan=compiled)


def everything(x: Any, v: Any) -> tuple[Any, Any]:
    """A step with every operation that can be recorded."""
    positive = torch.exp(-torch.abs(x)) + 0.5
    smooth = torch.sin(v) * torch.cos(x) + torch.tanh(v) * torch.sigmoid(x) - torch.atan(v)
    smooth = smooth + torch.erf(x) / positive - torch.log(positive) * torch.sqrt(positive)
    smooth = smooth + positive**1.7 + positive**v + torch.clamp(x, min=-0.5) + torch.erfc(v)
    smooth = smooth + torch.rsqrt(positive)
    steps = torch.floor(3 * x) + torch.round(4 * v) + torch.sign(x) + torch.clamp(v, -1, 0.7)
    inside = ((x > -1) & (x <= 1.0) & (v != 0)) | ~(v < 0.5)
    v = torch.where(inside, torch.maximum(smooth, v), torch.minimum(x, steps) + v.detach())
    return torch.where((v >= 0) | (x == 0), v * x, -v), torch.relu(v) - 0.3 * v


def test_every_operation() -> None:
    x, v = torch.randn(4, 3, 13).double(), torch.randn(3, 13).double()
    results = []
    for scan in (reference.scan, compiled):
        inputs, start = x.clone().requires_grad_(), v.clone().requires_grad_()
        y, (last,), _ = scan(everything, inputs, [start])
        results.append([y, last, *torch.autograd.grad((y * y).sum() + last.sum(), [inputs, start])])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("reset", RESETS)
def test_detached_reset(reset: str) -> None:
    node = neuron.LIFNode(
        v_reset=RESETS[reset], detach_reset=True, surrogate_function=surrogate.ATan()
    )
    assert_parity(node, torch.randn(5, 2, 10) * 2, torch.randn(2, 10), scan=compiled)


@pytest.mark.parametrize("name", ["LIFNode", "ParametricLIFNode", "IzhikevichNode", "EIFNode"])
def test_float64(name: str) -> None:
    node = make(name, "soft", surrogate.Sigmoid()).double()
    x, v = torch.randn(4, 3, 9, dtype=torch.float64), torch.randn(3, 9, dtype=torch.float64)
    assert_parity(node, x * 2, v, store=True, exact=name in EXACT, scan=compiled)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 1, 1), (5, 1), (3, 2, 8), (3, 2, 3, 2, 1), (40, 1, 1), (2, 16), (2, 33)]
)
def test_extreme_shapes(shape: tuple[int, ...]) -> None:
    node = neuron.ParametricLIFNode(surrogate_function=surrogate.ATan())
    x = torch.randn(shape) * 2
    assert_parity(node, x, torch.zeros(shape[1:]), store=True, scan=compiled)


def test_an_empty_batch() -> None:
    node = neuron.ParametricLIFNode()
    x = torch.zeros(3, 0, 4, requires_grad=True)
    s, (v,), _ = compiled(node.step, x, [torch.zeros(0, 4)])
    assert s.shape == (3, 0, 4)
    assert v.shape == (0, 4)
    s.sum().backward()  # type: ignore[no-untyped-call]
    assert node.w.grad == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_inputs_and_gradients_that_are_not_contiguous(layout: str) -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    base, g = torch.randn(4, 3, 5) * 2, LAYOUTS[layout](torch.randn(4, 3, 5))
    results = []
    for scan in (reference.scan, compiled):
        x = base.clone().requires_grad_()
        s, _, _ = scan(node.step, LAYOUTS[layout](x), [torch.zeros(3, 5)])
        results.append((s, *torch.autograd.grad(s, x, g)))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[0][1], results[1][1])


def test_large_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_MANY", 4)
    monkeypatch.setattr(fast, "_LARGE", 32)
    node = neuron.ParametricLIFNode(surrogate_function=surrogate.ATan())
    assert_parity(node, torch.randn(3, 40), torch.zeros(40), scan=compiled)


def fields(x: Any, v: Any, decay: Tensor, gain: Tensor) -> tuple[Any, Any]:
    """A step with a parameter for each feature, and one for all that divides by the input."""
    v = decay * v + gain / x
    return torch.tanh(v), v


def test_parameters_of_each_feature_and_of_all() -> None:
    x, v = torch.rand(4, 3, 7) + 0.5, torch.randn(3, 7)  # 21 neurons in blocks of 16
    results = []
    for scan in (reference.scan, compiled):
        decay = torch.linspace(0.1, 0.9, 7).requires_grad_()
        gain = torch.tensor([0.7], requires_grad=True)
        inputs = x.clone().requires_grad_()
        y, (last,), _ = scan(lambda x, v: fields(x, v, decay, gain), inputs, [v])  # noqa: B023
        loss = (y * y).sum() + last.sum()
        results.append([y, *torch.autograd.grad(loss, [inputs, decay, gain])])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want)
    assert results[1][3].isfinite(), "neurons that are not there divide zero by zero"


def test_a_learned_number_gets_the_same_gradient_each_time() -> None:
    node = neuron.ParametricLIFNode(surrogate_function=surrogate.ATan())
    x = torch.randn(4, 40)
    gradients = []
    for _ in range(2):
        s, _, _ = compiled(node.step, x, [torch.zeros(40)])
        gradients.append(torch.autograd.grad(s.sum(), node.w)[0])
    assert torch.equal(*gradients)
    assert gradients[0] != 0


def test_threshold_is_met_exactly() -> None:
    node = neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan())
    x = torch.tensor([2.0, 1.0, 1.5, 0.0, 4.0]).reshape(5, 1, 1)  # dyadic: no rounding anywhere
    s, (v,), v_seq = compiled(node.step, x, [torch.zeros(1, 1)], store_v_seq=True)
    assert s.flatten().tolist() == [1, 0, 1, 0, 1]
    assert v_seq is not None
    assert v_seq.flatten().tolist() == [0, 0.5, 0, 0, 0]
    assert v.item() == 0


def test_no_gradient_keeps_nothing() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    x = torch.randn(3, 2, 3)
    s, (v,), _ = compiled(node.step, x, [torch.zeros(2, 3)])
    assert not s.requires_grad
    assert not v.requires_grad
    assert torch.equal(s, reference.scan(node.step, x, [torch.zeros(2, 3)])[0])


def test_only_the_last_potential_is_used() -> None:
    node = neuron.LIFNode(surrogate_function=surrogate.ATan())
    gradients = []
    for scan in (reference.scan, compiled):
        x = torch.linspace(-2, 2, 24).reshape(4, 2, 3).requires_grad_()
        _, (v,), _ = scan(node.step, x, [torch.zeros(2, 3)])
        gradients.append(torch.autograd.grad(v.sum(), x)[0])
    torch.testing.assert_close(*gradients)


def test_the_gradient_of_a_gradient_is_refused() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    s, _, _ = compiled(neuron.LIFNode().step, x, [torch.zeros(4)])
    with pytest.raises(RuntimeError, match=r"create_graph=True.*set_backend\(net, 'eager'\)"):
        torch.autograd.grad((s * s).sum(), x, create_graph=True)


def test_sizes_and_numbers_need_no_other_kernel() -> None:
    made = fast.store.structures
    for tau, T, M in ((3.0, 2, 5), (5.5, 3, 18), (7.0, 1, 1)):
        node = neuron.LIFNode(tau=tau, v_threshold=0.3 * tau, surrogate_function=surrogate.ATan())
        assert_parity(node, torch.randn(T, M) * 2, torch.randn(M), scan=compiled)
        if T == 2:
            before = len(made)
    assert len(made) == before


def test_a_parameter_that_was_frozen_at_first_learns_later() -> None:
    node = neuron.ParametricLIFNode(step_mode="m")
    node.backend = "triton"
    for _ in range(2):  # kernels without its gradient, then the same equations with it
        node.w.requires_grad_(not node.w.requires_grad)
        node(torch.randn(3, 2, 3).requires_grad_()).sum().backward()
        node.reset()
    assert node.w.grad is not None
    assert node.w.grad.abs() > 0


# -- modules and networks -----------------------------------------------------------------------


def training(backend: str) -> tuple[list[float], list[Tensor]]:
    """The tutorial's network, small, for a few steps on a backend: losses and weights."""
    torch.manual_seed(1)
    net = nn.Sequential(
        encoding.PoissonEncoder("m"), layer.Flatten(), layer.Linear(16, 10, bias=False),
        neuron.LIFNode(tau=2.0, surrogate_function=surrogate.ATan()),
        layer.Linear(10, 4), neuron.ParametricLIFNode(),
    )  # fmt: skip
    functional.set_step_mode(net, "m")
    functional.set_backend(net, backend)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    img, label = torch.rand(6, 1, 4, 4), torch.eye(4)[torch.arange(6) % 4]
    losses = []
    for _ in range(4):
        y = net(img.expand(5, *img.shape))
        assert type(y) is Tensor
        loss = nn.functional.mse_loss(y.mean(0), label)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        functional.reset_net(net)
        losses.append(loss.item())
    return losses, list(net.parameters())


def test_a_network_learns_the_same() -> None:
    (expected, weights), (losses, learned) = training("eager"), training("triton")
    assert losses == pytest.approx(expected, rel=1e-5)
    assert expected[0] != expected[-1]
    for got, want in zip(learned, weights, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["LIFNode", "RecurrentLIFNode", "ComplementaryLIFNode"])
def test_single_steps(name: str) -> None:
    x = torch.randn(3, 2, 9) * 1.5
    results = []
    for backend in ("eager", "triton"):
        torch.manual_seed(0)
        node = make(name, "soft", surrogate.ATan())
        node.backend = backend
        inputs = x.clone().requires_grad_()
        y = torch.stack([node(one) for one in inputs])
        results.append([y, node.v, *torch.autograd.grad((y * y).sum(), inputs)])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_channels_last() -> None:
    x = torch.randn(3, 2, 4, 3, 3).movedim(2, -1).contiguous().movedim(-1, 2)
    results = []
    for backend in ("eager", "triton"):
        node = neuron.LIFNode(step_mode="m", surrogate_function=surrogate.ATan())
        node.backend, node.store_v_seq = backend, True
        inputs = x.clone().requires_grad_()
        y = node(inputs)
        results.append([y, node.v, node.v_seq, *torch.autograd.grad((y * x).sum(), inputs)])
    for got, want in zip(results[1], results[0], strict=True):
        torch.testing.assert_close(got, want)


def test_the_graph_is_watched_as_on_other_backends() -> None:
    net = nn.Sequential(layer.Linear(3, 3), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    functional.set_backend(net, "triton")
    net(torch.rand(2, 1, 3)).sum().backward()
    with pytest.raises(RuntimeError, match="reset_net"):
        net(torch.rand(2, 1, 3))


# -- which backend ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["environment", "surroundings", "module"])
def test_asking_for_it(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    real = fast.scan

    def watched(*args: Any) -> Any:
        calls.append(1)
        return real(*args)

    monkeypatch.setattr(fast, "scan", watched)
    node, encoder = neuron.LIFNode(step_mode="m"), encoding.PoissonEncoder("m")
    if how == "module":
        node.backend = encoder.backend = "triton"
    if how == "environment":
        monkeypatch.setenv("BITSPIKE_BACKEND", "triton")
    with kernels.use_backend("triton" if how == "surroundings" else "auto"):
        spikes = encoder(torch.rand(3, 2, 4))
        assert type(node(spikes)) is Tensor
    assert type(spikes) is Tensor, "there is no kernel for it, and Numba was not asked for"
    assert calls == [1]


def test_auto_never_interprets() -> None:
    node = neuron.LIFNode(step_mode="m")
    with kernels.use_backend("auto"):
        assert kernels.explain_scan(node.step, torch.zeros(2, 3), [torch.zeros(3)]) == (
            "numba",
            None,
        )
        assert isinstance(node(torch.zeros(2, 3)), SpikeTensor)


def test_on_the_cpu_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET")
    for node in (neuron.LIFNode(step_mode="m"), neuron.LIFNode()):
        node.backend = "triton"
        with pytest.raises(
            kernels.BackendError,
            match=r"'triton' was requested .*input is on cpu.*move network and input.*'auto'",
        ):
            node(torch.zeros(2, 3))


def stranger(h: Any) -> Any:
    return h.cumsum(0)


@pytest.mark.parametrize(
    ("x", "spike", "why"),
    [
        (torch.zeros(2, 3, 4, dtype=torch.float16), surrogate.ATan(), "float16: use float32"),
        (torch.zeros(2, 3, 4), stranger, "uses .cumsum"),
    ],
)
def test_what_it_cannot_run_raises(x: Tensor, spike: Any, why: str) -> None:
    node = neuron.IFNode(step_mode="m", surrogate_function=spike)
    node.backend = "triton"
    with pytest.raises(kernels.BackendError, match=f"'triton' was requested.*{why}"):
        node(x)


def test_states_must_fit() -> None:
    x = torch.zeros(2, 3)
    assert "a state torch.float64" in str(fast.unsupported(x, [torch.zeros(3).double()]))
    assert "a state on meta" in str(fast.unsupported(x, [torch.zeros(3, device="meta")]))
    away = torch.zeros(3, device="meta")
    found = record(lambda x, v: (x + away, v), 1, (3,), x)
    assert "a tensor on meta" in str(found)


def test_a_gpu_without_a_driver_is_no_target() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert "Triton cannot use cuda:0: " in str(kernels.triton_unsupported(torch.device("cuda:0")))


def test_torch_func_is_refused() -> None:
    node = neuron.LIFNode(step_mode="m")
    node.backend = "triton"
    with pytest.raises(kernels.BackendError, match="transforms"):
        torch.func.grad(lambda x: node(x).sum())(torch.zeros(2, 3))
