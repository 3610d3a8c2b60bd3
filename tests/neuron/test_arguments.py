"""Constructor arguments: what is taken, what is refused, and in which words."""

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from bitspike import neuron
from bitspike.neuron import BaseNode, IFNode, LIFNode, ParametricLIFNode
from bitspike.surrogate import ATan, Sigmoid

SHARED = {"v_threshold", "v_reset", "surrogate_function", "detach_reset", "step_mode"}


def signature(cls: Any) -> Any:
    parameters = inspect.signature(cls).parameters
    return {name: p for name, p in parameters.items() if p.kind is not p.VAR_KEYWORD}


def shared_arguments(name: str) -> bool:
    """Whether it is an elementwise neuron with all the arguments of `BaseNode`."""
    cls = getattr(neuron, name)
    if not (isinstance(cls, type) and issubclass(cls, BaseNode)):
        return False
    parameters = signature(cls)
    return set(parameters) >= SHARED and all(p.default is not p.empty for p in parameters.values())


ELSEWHERE = {
    "BaseNode",
    "ActivationAwareIFNode",  # takes a threshold for each channel
    "MPBNBaseNode",  # need to know their sizes
    "MPBNLIFNode",
    "OTTTLIFNode",  # work in single-step mode only
    "SLTTLIFNode",
}
NODES: list[type[BaseNode]] = [
    getattr(neuron, name)
    for name in neuron.catalogue()
    if shared_arguments(name) and name not in ELSEWHERE
]
LEARNED = {
    "ParametricLIFNode": ["w"],
    "KLIFNode": ["k"],
    "RecurrentLIFNode": ["weight"],
    "RecurrentSynapticNode": ["weight"],
}
TAU = [(LIFNode, "tau"), (ParametricLIFNode, "init_tau")]
every_node = pytest.mark.parametrize("cls", NODES)


def test_the_list_is_complete() -> None:
    assert len(NODES) >= 15
    assert {IFNode, LIFNode, ParametricLIFNode} <= set(NODES)
    assert all(shared_arguments(name) for name in ELSEWHERE)


@every_node
@pytest.mark.parametrize("name", ["v_threshold", "v_reset"])
@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (math.nan, ValueError, "must be finite, but got nan"),
        (math.inf, ValueError, "must be finite, but got inf"),
        (-math.inf, ValueError, "must be finite, but got -inf"),
        (True, TypeError, "must be a number, but got True"),
        ("1", TypeError, "must be a number, but got '1'"),
        ([1.0], TypeError, "must be a number"),
        (1j, TypeError, "must be a number"),
    ],
)
def test_potentials(cls: Any, name: str, value: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=f"^{cls.__name__}: {name} {words}"):
        cls(**{name: value})


@every_node
def test_only_the_reset_may_be_none(cls: Any) -> None:
    assert cls(v_reset=None).v_reset is None
    with pytest.raises(TypeError, match="v_threshold must be a number, but got None"):
        cls(v_threshold=None)


@pytest.mark.parametrize(("cls", "name"), TAU)
@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (1, ValueError, "is in time steps and must be greater than 1, but got 1"),
        (1.0, ValueError, "greater than 1"),
        (0.5, ValueError, "greater than 1"),
        (-2.0, ValueError, "greater than 1"),
        (math.nan, ValueError, "finite"),
        (math.inf, ValueError, "finite"),
        (True, TypeError, "number"),
        ("2.0", TypeError, "number"),
        (None, TypeError, "number"),
    ],
)
def test_time_constant(
    cls: Any, name: str, value: object, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=f"^{cls.__name__}: {name} .*{words}"):
        cls(**{name: value})


@pytest.mark.parametrize("number", [int, float, np.float32, np.float64, np.int64])
def test_any_real_number_will_do(number: Any) -> None:
    for cls, name in TAU:
        options: dict[str, Any] = {name: number(2), "v_threshold": number(1), "v_reset": number(0)}
        node: BaseNode = cls(**options)
        assert type(node.v_threshold) is float
        assert type(node.v_reset) is float
        assert getattr(node, "tau") == 2.0  # noqa: B009
        x = torch.tensor([2.0])
        assert torch.equal(node(x), cls()(x))


@every_node
@pytest.mark.parametrize("bad", ["x", None, "sm"])
def test_step_mode(cls: Any, bad: object) -> None:
    assert cls(step_mode="m").step_mode == "m"
    with pytest.raises(ValueError, match=f"{cls.__name__}: step_mode must be 's' or 'm', but got"):
        cls(step_mode=bad)


@every_node
def test_unknown_argument(cls: Any) -> None:
    with pytest.raises(TypeError, match="v_treshold"):
        cls(v_treshold=1.0)


@every_node
def test_surrogate_function(cls: Any) -> None:
    default = cls().surrogate_function
    assert isinstance(default, Sigmoid)
    assert default.alpha == 4.0
    assert cls().surrogate_function is not default, "neurons do not share their surrogate"
    node = cls(surrogate_function=ATan(3.0))
    assert node.surrogate_function.alpha == 3.0
    assert isinstance(node, nn.Module)
    assert node.surrogate_function in set(node.modules())


@every_node
def test_parameters(cls: Any) -> None:
    names = [name for name, _ in cls().named_parameters()]
    assert names == LEARNED.get(cls.__name__, [])


@every_node
def test_repr_says_what_was_chosen(cls: Any) -> None:
    text = repr(cls(v_threshold=0.75, v_reset=None, detach_reset=True, step_mode="m"))
    for part in ("v_threshold=0.75", "v_reset=None", "detach_reset=True", "step_mode='m'"):
        assert part in text
    for name in {"tau", "decay_input", "tau_w", "a0", "v_c", "beta"} & set(signature(cls)):
        assert f"{name}={signature(cls)[name].default}".removesuffix(".0") in text
