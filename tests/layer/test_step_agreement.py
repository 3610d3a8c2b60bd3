"""What every layer with both step modes keeps: loops of steps, chunks and whole sequences agree."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, layer, neuron, spikes

T, B = 6, 3
IMAGE, FEATURES = (4, 5, 5), (8,)


def recurrent(kind: str) -> nn.Module:
    if kind == "linear":
        return layer.LinearRecurrentContainer(neuron.LIFNode(v_threshold=0.3), 8, 8)
    sub = nn.Sequential(nn.Linear(8, 8), neuron.LIFNode(v_threshold=0.2))
    return layer.ElementWiseRecurrentContainer(sub, torch.add)


def through_time(dim: int) -> nn.Module:
    norm: nn.Module = getattr(layer, f"BatchNormThroughTime{dim}d")(T, 4)
    for parameter in norm.parameters():
        nn.init.uniform_(parameter)
    return norm


STATEFUL: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "SynapseFilter": (lambda: layer.SynapseFilter(5), FEATURES),
    "SynapseFilter, learned": (lambda: layer.SynapseFilter(5.0, learnable=True), FEATURES),
    "Delay 0": (lambda: layer.Delay(0), FEATURES),
    "Delay 2": (lambda: layer.Delay(2), FEATURES),
    "Delay 9": (lambda: layer.Delay(9), FEATURES),
    "LearnableDelay": (lambda: layer.LearnableDelay(8, 3), FEATURES),
    "LearnableDelay, gauss": (lambda: layer.LearnableDelay(4, 3, "gauss"), IMAGE),
    "NeuNorm": (lambda: layer.NeuNorm(4, 5, 5), IMAGE),
    "NeuNorm, shared": (lambda: layer.NeuNorm(4, 5, 5, 0.5, True), IMAGE),
    "LinearRecurrentContainer": (lambda: recurrent("linear"), FEATURES),
    "ElementWiseRecurrentContainer": (lambda: recurrent("element-wise"), FEATURES),
    "BatchNormThroughTime1d": (lambda: through_time(1), (4,)),
    "BatchNormThroughTime2d": (lambda: through_time(2), IMAGE),
    "BatchNormThroughTime3d": (lambda: through_time(3), (*IMAGE, 2)),
    "Dropout": (lambda: layer.Dropout(0.3), FEATURES),
    "Dropout2d": (lambda: layer.Dropout2d(0.3), IMAGE),
    "DropConnectLinear": (lambda: layer.DropConnectLinear(8, 6, invariant=True), FEATURES),
}
STATELESS: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "VotingLayer": (lambda: layer.VotingLayer(4), FEATURES),
    "WSConv2d": (lambda: layer.WSConv2d(4, 6, 3, padding=1, padding_mode="circular"), IMAGE),
    "WSLinear": (lambda: layer.WSLinear(8, 5), FEATURES),
    "StepModeContainer": (
        lambda: layer.StepModeContainer(False, "s", nn.Linear(8, 4), nn.ReLU()),
        FEATURES,
    ),
    "StepModeContainer with state": (
        lambda: layer.StepModeContainer(
            True, "s", nn.Linear(8, 4), neuron.LIFNode(v_threshold=0.1)
        ),
        FEATURES,
    ),
}
every_stateful = pytest.mark.parametrize("name", STATEFUL)
every_one = pytest.mark.parametrize("name", [*STATEFUL, *STATELESS])


def make(name: str) -> tuple[Any, Tensor]:
    """The layer in single-step mode, and a sequence of spikes for it."""
    build, sample = {**STATEFUL, **STATELESS}[name]
    return build(), (torch.rand(T, B, *sample) < 0.4).float()


def trained(module: nn.Module, x: Tensor, run: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Output and all gradients of a run after a reset; masks are those of one seed."""
    functional.reset_net(module)
    x = x.clone().requires_grad_()
    torch.manual_seed(1)
    y = run(x)
    wanted = [x, *module.parameters()]
    weight = torch.linspace(-1, 2, y.numel()).view(y.shape)
    gradients = torch.autograd.grad((weight * y).sum(), wanted, allow_unused=True)
    return [y, *(torch.zeros(()) if g is None else g for g in gradients)]


@every_one
def test_a_loop_of_steps_and_chunks_are_the_whole(name: str) -> None:
    module, x = make(name)
    module, x = module.double(), x.double()
    loop = trained(module, x, lambda x: torch.stack([module(one) for one in x]))
    functional.set_step_mode(module, "m")
    whole = trained(module, x, module)
    chunks = trained(module, x, lambda x: torch.cat([module(x[:1]), module(x[1:4]), module(x[4:])]))
    assert loop[0].abs().sum() > 0 or name == "Delay 9"
    for one, two, three in zip(loop, whole, chunks, strict=True):
        torch.testing.assert_close(one, two)
        torch.testing.assert_close(three, two)


@every_one
def test_spikes_stored_as_bits_give_the_same(name: str) -> None:
    module, x = make(name)
    for step_mode in ("s", "m"):
        functional.set_step_mode(module, step_mode)
        results = []
        for given in (x, spikes.pack(x)):
            functional.reset_net(module)
            torch.manual_seed(1)
            y = module(given) if step_mode == "m" else torch.stack([module(one) for one in given])
            results.append(y.dense() if isinstance(y, spikes.SpikeTensor) else y)
        torch.testing.assert_close(*results)


@every_stateful
def test_reset_forgets(name: str) -> None:
    module, x = make(name)
    functional.set_step_mode(module, "m")
    outputs = []
    for _ in range(2):
        functional.reset_net(module)
        torch.manual_seed(1)
        outputs.append(module(x))
    assert torch.equal(*outputs)


@pytest.mark.parametrize("name", [n for n in STATEFUL if n[:9] not in ("BatchNorm", "Delay 0")])
def test_another_batch_size_meets_old_state(name: str) -> None:
    module, x = make(name)
    module(x[0])
    with pytest.raises(base.StateError, match=r"reset_net"):
        module(x[1, :2])


@pytest.mark.parametrize(
    ("name", "input_grad"),
    [
        ("SynapseFilter", True),
        ("SynapseFilter, learned", True),
        ("SynapseFilter, learned", False),
        ("Delay 2", True),
        ("LearnableDelay", True),
        ("LearnableDelay", False),
        ("NeuNorm", True),
        ("NeuNorm", False),
        ("LinearRecurrentContainer", True),
        ("LinearRecurrentContainer", False),
        ("ElementWiseRecurrentContainer", False),
    ],
)
def test_a_forgotten_reset_is_noticed_and_detach_is_legal(name: str, input_grad: bool) -> None:
    module, x = make(name)
    functional.set_step_mode(module, "m")
    x.requires_grad_(input_grad)
    module(x).sum().backward()
    with pytest.raises(base.StateError, match=r"detach_net"):
        module(x)
    functional.detach_net(module)
    module(x).sum().backward()


def test_masks_may_be_carried_on() -> None:
    module, x = make("DropConnectLinear")
    for one in x:
        module(one).sum().backward()
        functional.detach_net(module)
    assert all(p.grad is not None for p in module.parameters())


@every_stateful
def test_it_is_a_function_of_its_states(name: str) -> None:
    module, x = make(name)
    forward = base.to_functional_forward(module)
    states, outputs = tuple(base.extract_memories(module)), []
    torch.manual_seed(1)
    for one in x:
        (y,), states = forward((one,), states)
        outputs.append(y)
    assert all(not isinstance(memory, Tensor) for memory in base.memories(module))
    torch.manual_seed(1)
    assert torch.equal(torch.stack([module(one) for one in x]), torch.stack(outputs))


@every_one
def test_copies_and_pickles_go_on_where_the_original_stopped(name: str) -> None:
    module, x = make(name)
    if "element_wise_function" in module.__dict__:
        module.element_wise_function = torch.mul
    functional.set_step_mode(module, "m")
    module(x[:2])
    others = [copy.deepcopy(module), pickle.loads(pickle.dumps(module))]  # noqa: S301
    expected = module(x[2:])
    for other in others:
        assert other.step_mode == "m"
        assert torch.equal(other(x[2:]), expected)


@every_one
def test_repr_says_the_step_mode(name: str) -> None:
    module, _ = make(name)
    functional.set_step_mode(module, "m")
    assert "step_mode='m'" in repr(module).split("(sub_module")[0] or name.startswith("StepMode")


@every_one
def test_it_works_in_double_precision(name: str) -> None:
    module, x = make(name)
    module = module.double()
    functional.set_step_mode(module, "m")
    assert module(x.double()).dtype == torch.float64


# The surrogate of a neuron is not the derivative of the spike.
SMOOTH = [n for n in [*STATEFUL, *STATELESS] if "Recurrent" not in n and "with state" not in n]


@pytest.mark.parametrize("name", SMOOTH)
def test_gradients_by_finite_differences(name: str) -> None:
    module, x = make(name)
    module = module.double()
    functional.set_step_mode(module, "m")
    names, parameters = (
        zip(*module.named_parameters(), strict=True) if list(module.parameters()) else ((), ())
    )

    def run(x: Tensor, *values: Tensor) -> Tensor:
        functional.reset_net(module)
        torch.manual_seed(1)
        y: Tensor = torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))
        return y

    small = x[:, :2, :, :2, :2] if "NeuNorm" not in name and x.ndim > 4 else x[:, :2]
    small = (small + 0.3 * torch.rand_like(small)).double().requires_grad_()
    values = [p.detach().clone().requires_grad_() for p in parameters]
    assert torch.autograd.gradcheck(run, (small, *values), fast_mode=True)
