"""A new neuron is one file and one import line: everything else finds it by itself.

Only `tests/fuzz` needs to be told, since it holds the library to equations of its own.
"""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from bitspike import dynamics, functional, kernels, neuron
from bitspike.testing import check_neuron

face: Any = functional  # a type checker does not see the toy
ROOT = Path(__file__).parents[2]
TOY = '''
"""A neuron of one file."""

from typing import Any

from bitspike import dynamics
from bitspike.base import check_positive
from bitspike.neuron import BaseNode, Demo, Potential, pulse


def toy_step(x, v, gain, v_threshold, v_reset, surrogate_function, detach_reset=False):
    """Run one step of `ToyNode`; return ``(s, v)``."""
    h = dynamics.if_charge(gain * x, v)
    return dynamics.spike_and_reset(h, v_threshold, v_reset, surrogate_function, detach_reset)


class ToyNode(BaseNode):
    """Integrate and fire with a louder input.

    Charge: ``H[t] = V[t-1] + gain X[t]``. Fire, reset and the other arguments: see `BaseNode`.

    Args:
        gain: factor of the input.

    Paper: Nobody, "Toys", 2020.
    """

    group = "integrate"
    demo = Demo(pulse(0.1, 0.4), {"gain": 1.5}, {"gain": 2.0})
    step_function = staticmethod(toy_step)

    def __init__(self, gain: Potential = 3.0, v_threshold: Potential = 1.0, **more: Any) -> None:
        super().__init__(v_threshold, **more)
        self.gain = check_positive(self, "gain", gain)

    def charge(self, x, v):
        return dynamics.if_charge(self.gain * x, v)
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The class, from one file and the import of ``bitspike/neuron/__init__.py``."""
    path = tmp_path / "toy.py"
    path.write_text(TOY, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("toy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setitem(sys.modules, "toy", module)  # for pickles
    monkeypatch.setattr(neuron, "ToyNode", module.ToyNode, raising=False)
    monkeypatch.syspath_prepend(str(ROOT))
    return module.ToyNode


def script(name: str) -> ModuleType:
    return importlib.import_module(f"scripts.{name}")


def test_the_catalogue_and_its_translation(toy: Any) -> None:
    for language in ("en", "zh"):
        page = script("documentation._catalogue").page(language)
        entry = page[page.index("### ToyNode") :].split("\n### ")[0]
        assert "H[t] = V[t-1] + gain X[t]\nS[t] = Theta(H[t] - v_threshold)" in entry
        assert "![" in entry
        assert "images/neurons/ToyNode.svg" in entry
        assert "*gain=1.5*" in entry.replace("`", "").replace("Picture: ", "").replace("图： ", "")
        assert 'Nobody, "Toys", 2020.' in entry
    assert "| `gain` | `3.0` | 电位 | factor of the input. |" in entry
    wanted = script("documentation._text").untranslated()
    assert {"ToyNode", "ToyNode.gain"} <= set(wanted)


def test_the_picture(toy: Any) -> None:
    assert "ToyNode" in script("documentation._traces").drawn()
    svg = script("documentation._pictures").neuron(toy)
    assert svg.startswith("<svg")
    assert svg.count("<polyline") >= 4


def test_the_step_function(toy: Any) -> None:
    x, v = torch.tensor([0.2, 0.5]), torch.zeros(2)
    spike = toy().surrogate_function
    s, after = face.toy_step(x, v, 2.0, 1.0, 0.0, spike)
    assert s.tolist() == [0.0, 1.0]
    assert after.tolist() == pytest.approx([0.4, 0.0])
    assert dynamics.toy_step is face.toy_step
    assert functional.neuron_implementation("toy", "cpu")["implementation"] == "eager"


@pytest.mark.backend("numba")
def test_conformance_and_kernel_parity(toy: Any) -> None:
    assert neuron.catalogue()["ToyNode"] is toy
    report = check_neuron(lambda: toy(**toy.demo.tested), without=toy.demo.without)
    assert any("compiled kernel" in line for line in report.passed), report


def test_the_table_of_compatibility(toy: Any) -> None:
    compatibility = script("compatibility")
    assert "`ToyNode`" in compatibility.rendered("en", compatibility.rows())


def test_no_neuron_without_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ToyNode" not in neuron.catalogue()
    with pytest.raises(AttributeError, match="toy_step"):
        _ = face.toy_step
    with pytest.raises(AttributeError, match="toy_step"):
        _ = dynamics.toy_step
    assert kernels.BACKENDS


def test_each_step_function_is_listed_for_type_checkers() -> None:
    functions = neuron.step_functions()
    assert set(functions) <= set(functional.__all__)
    for name, function in functions.items():
        assert getattr(functional, name) is function
        assert getattr(neuron, name) is function


def same_names(kind: Any) -> bool:
    """Whether the arguments of the step function are attributes of the neuron."""
    node = kind(**kind.demo.tested)
    names = list(inspect.signature(kind.step_function).parameters)[1:]
    return hasattr(node, "state_names") and all(hasattr(node, name) for name in names)


STEPPED = [
    kind
    for kind in neuron.catalogue().values()
    if "step_function" in vars(kind) and same_names(kind)
]


def test_most_step_functions_take_the_names_of_attributes() -> None:
    assert len(STEPPED) >= 12


@pytest.mark.parametrize("kind", STEPPED)
def test_the_class_and_its_step_function_compute_the_same(kind: Any) -> None:
    node, x = kind(**kind.demo.tested), torch.randn(3, 6)
    states = {name: torch.randn(3, 6) for name in node.state_names}
    if hasattr(node, "channel_dim"):
        node(x)  # spreads the thresholds over the channels
    names = list(inspect.signature(kind.step_function).parameters)[1:]
    outputs = kind.step_function(x, *(states.get(name, getattr(node, name)) for name in names))
    found = node.step(x, *states.values())
    assert len(found) == len(outputs)
    assert torch.equal(found[0], outputs[0])
    for state in found[1:]:
        assert any(torch.equal(state, other) for other in outputs[1:])
