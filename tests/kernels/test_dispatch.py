"""Which backend runs."""

import pytest
import torch
from torch import nn

from bitspike import encoding, functional, kernels, layer, neuron
from bitspike.kernels import _dispatch
from bitspike.spikes import SpikeTensor


def nothing() -> None:
    """No obstacle."""


def test_auto_takes_what_can_run() -> None:
    with kernels.use_backend("auto"):
        assert _dispatch.choose("auto", nothing) == "numba"
        assert _dispatch.choose("auto", lambda: "it rains") == "eager"


def test_what_is_asked_for_wins_over_the_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITSPIKE_BACKEND", "numba")
    with kernels.use_backend("numba"):
        assert _dispatch.choose("eager", nothing) == "eager"
    with kernels.use_backend("eager"):
        assert _dispatch.choose("auto", nothing) == "eager"
    with kernels.use_backend("auto"):
        assert _dispatch.choose("auto", nothing) == "numba"
        monkeypatch.setenv("BITSPIKE_BACKEND", "eager")
        assert _dispatch.choose("auto", nothing) == "eager"


def test_nothing_is_swapped_silently(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(kernels.BackendError, match=r"'numba' was asked for.*it rains"):
        _dispatch.choose("numba", lambda: "it rains")
    monkeypatch.setattr(_dispatch, "_installed", lambda package: False)  # noqa: ARG005
    with pytest.raises(kernels.BackendError, match="numba is not installed: pip install numba"):
        _dispatch.choose("numba", nothing)
    with kernels.use_backend("auto"):
        assert _dispatch.choose("auto", nothing) == "eager"


def test_unknown_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    message = "the backend must be one of auto, eager, numba, but got 'tpu'"
    net = nn.Sequential(layer.Linear(3, 2), neuron.IFNode())
    with pytest.raises(ValueError, match=message):
        functional.set_backend(net, "tpu")
    with pytest.raises(ValueError, match=message):
        net[1].backend = "tpu"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=message), kernels.use_backend("tpu"):
        pass
    monkeypatch.setenv("BITSPIKE_BACKEND", "tpu")
    with kernels.use_backend("auto"), pytest.raises(ValueError, match=message):
        _dispatch.choose("auto", nothing)


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
