"""The neurons against SpikingJelly's: spikes, membrane, gradients."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from bitspike import neuron, surrogate

T, B, N = 8, 3, 5
LEAKS: list[tuple[str, dict[str, Any]]] = [
    ("IFNode", {}),
    *(("LIFNode", {"tau": 2.0, "decay_input": decay}) for decay in (True, False)),
    *(("ParametricLIFNode", {"init_tau": 2.0, "decay_input": decay}) for decay in (True, False)),
]
every_leak = pytest.mark.parametrize(
    ("kind", "leak"), LEAKS, ids=[f"{kind}-{leak.get('decay_input', '')}" for kind, leak in LEAKS]
)
every_reset = pytest.mark.parametrize(
    ("v_reset", "detach_reset"), list(product((None, 0.0, -0.5), (False, True)))
)
every_mode = pytest.mark.parametrize("step_mode", ["s", "m"])


def dyadic() -> Tensor:
    """Inputs of which every sum and halving over T steps is exact in float32."""
    generator = torch.Generator().manual_seed(5)
    return torch.randint(-8, 21, (T, B, N), generator=generator) / 8


def run(node: Any, x: Tensor) -> dict[str, Tensor]:
    """All that comes out of a node, and the gradients of a loss that uses all of it."""
    x = x.clone().requires_grad_()
    spikes = node(x) if node.step_mode == "m" else torch.stack([node(one) for one in x])
    weight = torch.linspace(-1, 2, x.numel(), dtype=x.dtype).view(x.shape)
    loss = (weight * spikes).sum() + node.v.sum() + (weight * node.v_seq).mean()
    wanted = {"grad x": x, **{f"grad {name}": p for name, p in node.named_parameters()}}
    gradients = torch.autograd.grad(loss, list(wanted.values()))
    values = {"spikes": spikes, "v": node.v, "v_seq": node.v_seq}
    return {**values, **dict(zip(wanted, gradients, strict=True))}


def pair(peer: Any, kind: str, **options: Any) -> tuple[Any, Any]:
    """The same neuron, ours and theirs; the surrogate is named by a function of the module."""
    choose = options.pop("choose", lambda module: module.ATan())
    ours = getattr(neuron, kind)(**options, surrogate_function=choose(surrogate), store_v_seq=True)
    theirs = getattr(peer.neuron, kind)(
        **options, surrogate_function=choose(peer.surrogate), store_v_seq=True
    )
    return ours, theirs


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        tolerance = 1e-6 if name.startswith("grad") else 0.0
        torch.testing.assert_close(value, theirs[name], rtol=tolerance, atol=tolerance)


@every_leak
@every_reset
@every_mode
def test_equal_on_dyadic_inputs(
    peer: Any,
    kind: str,
    leak: dict[str, Any],
    v_reset: float | None,
    detach_reset: bool,
    step_mode: str,
) -> None:
    ours, theirs = pair(
        peer, kind, **leak, v_reset=v_reset, detach_reset=detach_reset, step_mode=step_mode
    )
    x = dyadic()
    result = run(ours, x)
    assert_same(result, run(theirs, x))
    assert 0.02 < result["spikes"].mean() < 0.98


@every_leak
@every_mode
def test_equal_with_the_default_arguments(
    peer: Any, kind: str, leak: dict[str, Any], step_mode: str
) -> None:
    ours = getattr(neuron, kind)(step_mode=step_mode, store_v_seq=True)
    theirs = getattr(peer.neuron, kind)(step_mode=step_mode, store_v_seq=True)
    assert_same(run(ours, dyadic()), run(theirs, dyadic()))


@every_leak
@every_mode
def test_state_goes_on_and_resets_alike(
    peer: Any, kind: str, leak: dict[str, Any], step_mode: str
) -> None:
    ours, theirs = pair(peer, kind, **leak, v_reset=-0.5, step_mode=step_mode)
    x = dyadic()
    for _ in range(2):
        for reset in (lambda: None, lambda: None, ours.reset):
            reset()
            if reset == ours.reset:
                peer.functional.reset_net(theirs)
                assert ours.v == theirs.v == -0.5
                assert ours.v_seq is theirs.v_seq is None
            with torch.no_grad():
                for node in (ours, theirs):
                    if step_mode == "m":
                        node(x)
                    else:
                        for one in x:
                            node(one)
            assert torch.equal(ours.v, theirs.v)
            assert torch.equal(ours.v_seq, theirs.v_seq)


@every_leak
@pytest.mark.parametrize("v_reset", [None, 0.0])
@pytest.mark.parametrize("threshold", [1.0, 0.7])
def test_random_inputs(
    peer: Any, kind: str, leak: dict[str, Any], v_reset: float | None, threshold: float
) -> None:
    """A spike may differ only where rounding decides it; what follows is another trajectory."""
    leak = {name: 2.3 if "tau" in name else value for name, value in leak.items()}
    ours, theirs = pair(peer, kind, **leak, v_threshold=threshold, v_reset=v_reset, step_mode="m")
    distances: list[Tensor] = []
    ours.surrogate_function.register_forward_pre_hook(lambda _, args: distances.append(args[0]))
    generator = torch.Generator().manual_seed(11)
    x = torch.randn(50, 2000, generator=generator) + 0.5
    with torch.no_grad():
        s, s2 = ours(x), theirs(x)
    differs = s != s2
    first = differs & (differs.cumsum(0) == 1)
    assert (torch.stack(distances)[first].abs() < 1e-5).all()
    same = ~differs.any(0)
    assert same.float().mean() > 0.99
    torch.testing.assert_close(ours.v[same], theirs.v[same], rtol=0, atol=1e-5)
    assert 0.05 < s.mean() < 0.95


@every_leak
def test_random_inputs_in_double_precision_with_gradients(
    peer: Any, kind: str, leak: dict[str, Any]
) -> None:
    leak = {name: 2.3 if "tau" in name else value for name, value in leak.items()}
    ours, theirs = (node.double() for node in pair(peer, kind, **leak, step_mode="m"))
    x = torch.randn(20, B, N, generator=torch.Generator().manual_seed(2)).double() + 0.5
    result, expected = run(ours, x), run(theirs, x)
    for name, value in result.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-10, atol=1e-12)


@every_leak
@pytest.mark.parametrize("alpha", [1.0, 4.0])
@pytest.mark.parametrize("name", ["ATan", "Sigmoid"])
@pytest.mark.parametrize("spiking", [True, False])
def test_surrogates_inside(
    peer: Any, kind: str, leak: dict[str, Any], name: str, alpha: float, spiking: bool
) -> None:
    ours, theirs = pair(
        peer, kind, **leak, choose=lambda module: getattr(module, name)(alpha, spiking=spiking)
    )
    result, expected = run(ours, dyadic()), run(theirs, dyadic())
    for part, value in result.items():
        torch.testing.assert_close(value, expected[part], rtol=2e-6, atol=2e-6)


def test_parameters_carry_over(peer: Any) -> None:
    ours, theirs = pair(peer, "ParametricLIFNode", init_tau=3.5)
    assert torch.equal(ours.w, theirs.w)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
