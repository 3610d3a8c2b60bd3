"""Which backend runs."""

from importlib.util import find_spec

import pytest
import torch
from torch import nn

from bitspike import dispatch, encoding, functional, kernels, layer, neuron
from bitspike.spikes import SpikeTensor

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def chosen(*args: torch.device, backend: str = "auto", operation: str = "bits") -> str:
    """The backend that runs an operation, which has a kernel for the CPU only."""
    return dispatch.explain(operation, *(args or (CPU,)), backend=backend)[0]


def test_auto_takes_what_can_run() -> None:
    with kernels.use_backend("auto"):
        assert chosen() == "numba"
        assert dispatch.explain("bits", GPU) == ("eager", "the spikes are on cuda")
        assert dispatch.choose("bits", GPU) is dispatch.available("bits", GPU) is None
        assert dispatch.choose("bits", CPU) is dispatch.implementation("bits", "numba")


def test_what_is_requested_wins_over_the_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITSPIKE_BACKEND", "numba")
    with kernels.use_backend("numba"):
        assert chosen(backend="eager") == "eager"
    with kernels.use_backend("eager"):
        assert chosen() == "eager"
    with kernels.use_backend("auto"):
        assert chosen() == "numba"
        monkeypatch.setenv("BITSPIKE_BACKEND", "eager")
        assert chosen() == "eager"


def test_nothing_is_swapped_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(kernels.BackendError, match=r"'numba' was requested.*on cuda"):
        chosen(GPU, backend="numba")
    monkeypatch.setattr(dispatch, "_installed", lambda package: False)  # noqa: ARG005
    for backend in ("numba", "triton"):
        cure = f"{backend} is not installed: pip install {backend}"
        with pytest.raises(kernels.BackendError, match=cure):
            chosen(backend=backend, operation="scan")
    with kernels.use_backend("auto"):
        assert chosen() == "eager"
        assert dispatch.available("bits", CPU) is None


def test_torch_compile_gets_plain_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with kernels.use_backend("auto"):
        assert chosen() == "eager"
    with pytest.raises(kernels.BackendError, match=r"torch.compile cannot look"):
        chosen(backend="numba")


def test_what_has_no_kernel_on_a_backend_is_plain_pytorch() -> None:
    assert chosen(GPU, backend="triton") == "eager"
    with kernels.use_backend("triton"):
        assert chosen() == "eager"
        assert chosen(backend="numba") == "numba"
        assert dispatch.available("bits", CPU) is None


def test_every_implementation_says_what_it_does_not_support() -> None:
    for operation, modules in dispatch.IMPLEMENTATIONS.items():
        for backend in set(modules) - {"eager"}:
            if backend != "triton" or find_spec("triton"):
                assert callable(dispatch.implementation(operation, backend).unsupported)


def test_unknown_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "the backend must be one of auto, eager, numba, triton, but got 'tpu'"
    net = nn.Sequential(layer.Linear(3, 2), neuron.IFNode())
    with pytest.raises(ValueError, match=message):
        functional.set_backend(net, "tpu")
    with pytest.raises(ValueError, match=message):
        net[1].backend = "tpu"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=message), kernels.use_backend("tpu"):
        pass
    monkeypatch.setenv("BITSPIKE_BACKEND", "tpu")
    with kernels.use_backend("auto"), pytest.raises(ValueError, match=message):
        chosen()


def test_set_backend_reaches_every_module_with_step_modes() -> None:
    net = nn.Sequential(
        encoding.PoissonEncoder("m"), nn.Sequential(layer.Linear(5, 3), nn.ReLU()), neuron.IFNode()
    )
    functional.set_step_mode(net, "m")
    x = torch.rand(4, 2, 5)
    for backend, kind in (("numba", SpikeTensor), ("eager", torch.Tensor)):
        functional.set_backend(net, backend)
        backends = [m.backend for m in net.modules() if hasattr(m, "backend")]
        assert backends == [backend] * 3
        assert type(net(x)) is kind
        functional.reset_net(net)


def test_a_layer_passes_its_backend_on_to_torchs_function() -> None:
    linear = layer.Linear(5, 3, step_mode="m")
    spikes = encoding.PoissonEncoder("m")
    spikes.backend = linear.backend = "numba"
    half = linear.half()
    with pytest.raises(kernels.BackendError, match="float16"):
        half(spikes(torch.rand(4, 2, 5)))


@pytest.mark.parametrize("backend", ["numba", "triton"])
def test_a_neuron_without_a_kernel_refuses_compiled_ones(backend: str) -> None:
    net = nn.Sequential(
        layer.Linear(5, 3), layer.Dropout(), neuron.IFNode(), neuron.ILCIFNode(1, 3)
    )
    with pytest.raises(kernels.BackendError, match=r"ILCIFNode '3' has no compiled kernel.*auto"):
        functional.set_backend(net, backend)
    with pytest.raises(kernels.BackendError, match=r"ILCIFNode has no compiled kernel"):
        net[3].backend = backend  # type: ignore[assignment]
    assert [module.backend for module in net] == ["auto"] * 4
    functional.set_backend(net, backend, (layer.Linear, layer.Dropout, neuron.BaseNode))
    assert [module.backend for module in net] == [backend] * 3 + ["auto"]
    functional.set_backend(net, "eager")
    assert [module.backend for module in net] == ["eager"] * 4


def test_a_small_single_step_takes_the_kernel_that_was_asked_for() -> None:
    node = neuron.IFNode(surrogate_function=lambda h: h.cumsum(0))
    node(torch.zeros(2, 3))
    node.backend = "numba"
    with pytest.raises(kernels.BackendError, match="cumsum"):
        node(torch.zeros(2, 3))


def test_torch_func_goes_through_neurons() -> None:
    net = nn.Sequential(layer.Linear(5, 3), neuron.LIFNode(), layer.Linear(3, 3), neuron.IFNode())
    functional.set_step_mode(net, "m")
    x = torch.linspace(0, 1, 60).view(6, 2, 5)
    weights = {name: torch.full_like(w, 0.5) for name, w in net.named_parameters()}
    for weight in weights.values():
        weight.requires_grad_()

    def loss(weights: dict[str, torch.Tensor]) -> torch.Tensor:
        functional.reset_net(net)
        y: torch.Tensor = torch.func.functional_call(net, weights, (x,))
        return (y.mean(0) ** 2).sum()

    expected = torch.autograd.grad(loss(weights), list(weights.values()))
    with kernels.use_backend("auto"):
        gradients = torch.func.grad(loss)(weights)
    assert expected[0].abs().max() > 0
    for gradient, want in zip(gradients.values(), expected, strict=True):
        torch.testing.assert_close(gradient, want)
    functional.set_backend(net, "numba")
    with pytest.raises(kernels.BackendError, match="transforms"):
        torch.func.grad(loss)(weights)
