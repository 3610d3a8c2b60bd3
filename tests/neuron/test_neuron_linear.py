"""A neuron and a linear layer in one call, and what would compute a neuron."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from bitspike import functional, kernels, neuron
from bitspike.spikes import SpikeTensor

T, B, K, N = 5, 4, 6, 3
OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("if", {}),
    ("if", {"v_reset": None, "v_threshold": 0.5}),
    ("lif", {}),
    ("lif", {"tau": 3.0, "decay_input": False, "v_reset": None, "detach_reset": True}),
]


@pytest.mark.parametrize("steps", [None, T])
@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_is_the_neuron_and_then_the_layer(
    kind: str, options: dict[str, Any], steps: int | None
) -> None:
    x = torch.randn(*(B, K) if steps is None else (T, B, K), dtype=torch.float64) + 1.0
    weight_t, bias = torch.randn(K, N, dtype=x.dtype), torch.randn(N, dtype=x.dtype)
    start = torch.full((B, K), 0.25, dtype=x.dtype)
    one, other = ([t.clone().requires_grad_() for t in (x, weight_t, bias)] for _ in range(2))

    function = getattr(functional, f"{kind}_linear")
    y, v = function(one[0], start, one[1], one[2], threads=128, **options)

    made = {"if": neuron.IFNode, "lif": neuron.LIFNode}[kind]
    node = made(**options, step_mode="s" if steps is None else "m")
    node.v = start
    wanted = F.linear(node(other[0]), other[1].t(), other[2])
    torch.testing.assert_close(y, wanted)
    torch.testing.assert_close(v, node.v)
    assert 0 < (y != other[2]).double().mean() <= 1
    scale = torch.linspace(-1, 1, y.numel(), dtype=x.dtype).view(y.shape)
    for got, want in zip(
        torch.autograd.grad((y * scale).sum() + v.sum(), one),
        torch.autograd.grad((wanted * scale).sum() + node.v.sum(), other),
        strict=True,
    ):
        torch.testing.assert_close(got, want)


def test_the_spikes_between_are_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: list[type] = []

    def linear(s: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        kinds.append(type(s))
        return torch.zeros(T, B, N)

    monkeypatch.setattr(F, "linear", linear)
    with kernels.use_backend("numba"):
        functional.if_linear(torch.ones(T, B, K), torch.zeros(B, K), torch.ones(K, N))
    assert kinds == [SpikeTensor]


@pytest.mark.parametrize(
    ("x", "v", "weight"), [((K,), (K,), (K, N)), ((B, K), (K,), (K, N)), ((B, K), (B, K), (N, K))]
)
def test_shapes_that_do_not_fit(x: Any, v: Any, weight: Any) -> None:
    with pytest.raises(ValueError, match=r"x must be \[B, K\].*but got shapes"):
        functional.if_linear(torch.zeros(x), torch.zeros(v), torch.zeros(weight))


def test_reduced_precision_is_refused() -> None:
    x, v = torch.zeros(T, B, K), torch.zeros(B, K)
    for function in (functional.if_multi_step, functional.lif_multi_step):
        function(x, v, neuron_storage=None, neuron_fwd="fp32", neuron_bwd="fp32")
        with pytest.raises(ValueError, match=r"neuron_fwd='fp16'.*leave these arguments out"):
            function(x, v, neuron_fwd="fp16")
    with pytest.raises(ValueError, match="neuron_storage='bf16'"):
        functional.plif_multi_step(x, v, torch.zeros(()), neuron_storage="bf16")


NEURONS = (
    "if", "lif", "plif", "qif", "eif", "izhikevich", "ilif", "clif", "activation_aware_if", "stbif",
)  # fmt: skip


@pytest.mark.backend("auto")
@pytest.mark.parametrize("execution", ["eager", "compile"])
@pytest.mark.parametrize("name", NEURONS)
def test_neuron_implementation(name: str, execution: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BITSPIKE_BACKEND", raising=False)
    found = functional.neuron_implementation(name, torch.device("cpu"), execution=execution)
    assert found == {"implementation": "numba", "unavailable": {}}
    found = functional.neuron_implementation(name, "cuda", execution=execution)
    on_gpu = torch.cuda.is_available()
    assert found["implementation"] == ("triton" if on_gpu else "eager")
    assert on_gpu or found["unavailable"]


def test_neuron_implementation_on_eager() -> None:
    found = functional.neuron_implementation("lif", "cpu")  # the backend of these tests
    assert found["implementation"] == "eager"
    assert "'eager' was requested" in str(found["unavailable"])
    with pytest.raises(ValueError, match=r"must be one of .*'if', .*'stbif', .* but got 'x'"):
        functional.neuron_implementation("x", "cpu")
    with pytest.raises(ValueError, match="execution must be"):
        functional.neuron_implementation("if", "cpu", execution="x")
