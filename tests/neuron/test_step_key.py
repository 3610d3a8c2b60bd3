"""A recorded step is found again only while nothing that it depends on has changed."""

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from bitspike import dynamics, kernels, neuron, surrogate
from bitspike.neuron import step_key

KINDS = {
    name: kind
    for name, kind in neuron.catalogue().items()
    if not neuron.is_base(kind) and not kind.demo.loop
}
KEYED = (
    "IFNode", "LIFNode", "LapicqueNode", "QIFNode", "EIFNode", "IzhikevichNode", "AdaptiveLIFNode",
    "CUBALIFNode", "SynapticNode", "AlphaNode", "ComplementaryLIFNode", "TernaryIFNode",
    "TernaryLIFNode", "RAFNode", "ILIFNode", "MultiSpikeLIFNode", "HalfThresholdIFNode",
    "SimpleIFNode", "SimpleLIFNode", "NonSpikingLIFNode",
)  # fmt: skip
X = torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(2)) * 1.5


def made(name: str) -> Any:
    node = KINDS[name](**KINDS[name].demo.tested)
    if "m" in node.supported_step_mode():
        node.step_mode = "m"
    return node


def answer(node: Any, backend: str) -> torch.Tensor:
    node.backend = backend
    node.reset()
    y = node(X)
    return torch.stack([*y]) if isinstance(y, list | tuple) else y + 0


def changed(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 1.25 + 0.125
    return 0.25 if value is None else value + "x"


@pytest.mark.parametrize("name", KEYED)
def test_equal_neurons_share_a_record_and_copies_too(name: str) -> None:
    first, second = made(name), made(name)
    assert step_key(first.step) is not None
    assert step_key(first.step) == step_key(second.step)
    first(X)
    assert step_key(first.step) == step_key(second.step), "a call changes states, not the step"


@pytest.mark.parametrize("name", KEYED)
def test_every_attribute_counts(name: str) -> None:
    """Found by looking at the object, so that a new parameter cannot be forgotten."""
    frame = {*nn.Module().__dict__, "_memories", "_memories_rv", "_records", "_graph_node"}
    node = made(name)
    before = step_key(node.step)
    attributes = [key for key in node.__dict__ if key not in frame or key == "training"]
    assert len(attributes) >= 2
    for key in attributes:
        value = node.__dict__[key]
        node.__dict__[key] = changed(value)
        assert step_key(node.step) != before, key
        node.__dict__[key] = value
        assert step_key(node.step) == before, key
    spike = node.surrogate_function if hasattr(node, "surrogate_function") else None
    for key in set(spike.__dict__ if spike is not None else ()) - frame:
        value = spike.__dict__[key]
        spike.__dict__[key] = changed(value)
        assert step_key(node.step) != before, key
        spike.__dict__[key] = value


@pytest.mark.backend("numba")
@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("tau", 3.0), ("decay_input", False), ("v_threshold", 0.5), ("v_reset", None),
        ("v_reset", -0.5), ("surrogate_function", surrogate.ATan()),
    ],
)  # fmt: skip
def test_a_changed_neuron_computes_the_change(attribute: str, value: Any) -> None:
    node = made("LIFNode")
    answer(node, "numba")
    setattr(node, attribute, value)
    assert torch.equal(answer(node, "numba"), answer(node, "eager"))


def test_numbers_that_are_equal_and_not_the_same() -> None:
    node = made("LIFNode")
    keys = set()
    for value in (0.0, -0.0, False, 0, None):
        node.v_reset = value
        keys.add(step_key(node.step))
    assert len(keys) == 5
    node.v_reset = math.nan
    assert step_key(node.step) == step_key(node.step)


class Further(neuron.LIFNode):
    """A user's neuron with a parameter of its own."""

    gain = 1.0

    def charge(self, x: Any, v: Any) -> Any:
        return super().charge(self.gain * x, v)


@pytest.mark.backend("numba")
def test_a_subclass_with_an_attribute_of_its_own_is_recorded_each_time() -> None:
    node = Further(step_mode="m")
    assert step_key(node.step) is None
    for gain in (1.0, 2.0, 0.5):
        node.gain = gain
        assert torch.equal(answer(node, "numba"), answer(node, "eager"))


def half(self: Any, *arguments: Any) -> Any:
    return 0.5 * sum(arguments)


def half_charge(x: Any, v: Any, *_: Any) -> Any:
    return 0.5 * (x + v)


def own_reset(h: Any, s: Any, *_: Any) -> Any:
    return 0.25 * h * (1 - s)


REPLACED: list[tuple[Any, str, Callable[..., Any]]] = [
    (neuron.LIFNode, "charge", half),
    (neuron.BaseNode, "reset_potential", half),
    (dynamics, "lif_charge", half_charge),
    (dynamics, "voltage_reset", own_reset),
    (surrogate.Sigmoid, "derivative", staticmethod(lambda x, alpha: x * 0 + alpha)),
]


@pytest.mark.backend("numba")
@pytest.mark.parametrize(("owner", "name", "other"), REPLACED)
def test_a_function_that_is_replaced(
    owner: Any, name: str, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = made("LIFNode")
    before = step_key(node.step)
    answer(node, "numba")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, other)
        assert step_key(node.step) is None, "the function is not the library's"
        assert torch.equal(answer(node, "numba"), answer(node, "eager"))
    assert step_key(node.step) is not None
    assert step_key(node.step) != before
    assert torch.equal(answer(node, "numba"), answer(node, "eager"))


def test_functions_far_from_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    node = made("LIFNode")
    reset = dynamics.hard_reset
    home: Any = __import__("sys").modules[reset.__module__]
    monkeypatch.setattr(home, "hard_reset", lambda h, s, v_reset: reset(h, s, v_reset))
    assert step_key(node.step) is None


def test_methods_and_modules_of_one_object() -> None:
    node = made("LIFNode")
    node.charge = lambda x, v: x + v
    assert step_key(node.step) is None
    node = made("LIFNode")
    node.step = lambda x, v: (x, v)
    assert step_key(node.step) is None
    node = made("LIFNode")
    node.surrogate_function.register_forward_hook(lambda *_: None)
    assert step_key(node.step) is None
    node = made("LIFNode")
    node.more = nn.Linear(2, 2)
    assert step_key(node.step) is None
    node = made("LIFNode")
    node.tau = nn.Parameter(torch.tensor(2.0))
    assert step_key(node.step) is None


def test_a_property_that_is_added_to_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    node = made("LIFNode")
    before = step_key(node.step)
    monkeypatch.setattr(neuron.LIFNode, "v_threshold", property(lambda _: 0.1), raising=False)
    assert step_key(node.step) != before


def test_without_a_key_everything_still_runs() -> None:
    assert step_key(lambda x, v: (x, v)) is None
    assert step_key(made("ParametricLIFNode").step) is None
    with kernels.use_backend("eager"):
        assert made("LIFNode")(X).shape == X.shape


def step_with(gain: float) -> Callable[..., Any]:
    def another_name(self: Any, x: Any, v: Any) -> Any:
        h = v + gain * x
        s = self.fire(h)
        return s, self.reset_potential(h, s)

    return another_name


@pytest.mark.backend("numba")
def test_a_step_that_is_replaced_by_functions_of_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for gain in (1.0, 2.0, 0.5):
        monkeypatch.setattr(neuron.BaseNode, "step", step_with(gain))
        node = made("LIFNode")
        assert step_key(node.step) is None
        assert torch.equal(answer(node, "numba"), answer(node, "eager"))


@pytest.mark.backend("numba")
def test_code_that_is_replaced_inside_of_a_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """As IPython does it when it reloads a module that was edited."""
    node = made("LIFNode")
    before = step_key(node.step)
    answer(node, "numba")

    def edited(x: Any, v: Any, tau: Any, decay_input: bool, v_reset: Any) -> Any:
        return v + 3.0 * x

    with monkeypatch.context() as patch:
        patch.setattr(dynamics.lif_charge, "__code__", edited.__code__)
        assert step_key(node.step) not in (None, before)
        assert torch.equal(answer(node, "numba"), answer(node, "eager"))
    assert torch.equal(answer(node, "numba"), answer(node, "eager"))


def test_a_default_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    node = made("LIFNode")
    before = step_key(node.step)
    monkeypatch.setattr(dynamics.voltage_reset, "__defaults__", (True,))
    changed_default = step_key(node.step)
    assert changed_default != before
    monkeypatch.setattr(dynamics.voltage_reset, "__defaults__", (1,))
    assert step_key(node.step) != changed_default, "equal, and not the same"
    monkeypatch.setattr(dynamics.voltage_reset, "__defaults__", ([],))
    assert step_key(node.step) is None


def test_constants_of_a_class_that_are_equal_and_not_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = made("LIFNode")
    del node.v_reset
    keys = []
    for value in (0.0, -0.0, 0, False):
        monkeypatch.setattr(neuron.BaseNode, "v_reset", value, raising=False)
        keys.append(step_key(node.step))
    assert None not in keys
    assert len(set(keys)) == 4


@pytest.mark.parametrize("name", ["__call__", "__getattribute__", "alpha"])
def test_what_is_added_to_a_class_under_any_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = made("LIFNode")
    assert step_key(node.step) is not None
    added: Any = {
        "__call__": lambda self, x: nn.Module.__call__(self, 2 * x),
        "__getattribute__": lambda self, name: nn.Module.__getattribute__(self, name),
        "alpha": property(lambda _: 2.0),
    }[name]
    monkeypatch.setattr(surrogate.Sigmoid, name, added, raising=False)
    assert step_key(node.step) is None


def test_classes_of_users_are_not_held() -> None:
    def look() -> weakref.ref[type]:
        kind = type("OfUser", (neuron.LIFNode,), {"__module__": "user"})
        assert step_key(kind().step) is None
        return weakref.ref(kind)

    held = look()
    gc.collect()
    assert held() is None
