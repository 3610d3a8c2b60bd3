"""Random networks against float64, from fixed seeds; ``make fuzz`` draws others.

When one fails, ``python -m tests.fuzz --few --seed SEED`` shows all that differs, and without
``--few`` the seeds of ``make fuzz``.
"""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.fuzz.cases import Case, Layer
from tests.fuzz.catalogue import NEURONS, READOUTS
from tests.fuzz.comparison import check
from tests.fuzz.networks import draw
from tests.fuzz.shrinking import shrink
from tests.fuzz.surrogates import DERIVATIVES

from bitspike import dynamics, kernels, neuron, surrogate
from bitspike.base import StepModule

pytestmark = pytest.mark.backend("auto")

SEEDS = range(50)
outcomes: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Small tensors: a second thread only waits where other processes hold the cores."""
    torch.set_num_threads(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_random_networks(seed: int) -> None:
    case = draw(seed, everything=False)
    verdict = check(case)
    outcomes[verdict.outcome] += 1
    assert verdict.outcome != "failed", f"{case}\n{verdict.what}\n{verdict.details}"


def test_nearly_all_of_these_were_clear() -> None:
    assert outcomes["passed"] >= 0.9 * outcomes.total() - 1, outcomes


LAYERS = (
    Layer("Linear", {"out_features": 6, "bias": True}),
    Layer(
        "LIFNode",
        {
            "tau": 2.0, "decay_input": True, "v_threshold": 0.5, "v_reset": 0.0,
            "surrogate_function": ("ATan", {"alpha": 2.0}), "detach_reset": False,
        },
    ),
    Layer("Flatten"),
    Layer("Linear", {"out_features": 2, "bias": False}),
)  # fmt: skip
SMALL = Case(0, LAYERS, (5,), T=4, B=3, backend="eager", rounds=2, x_grad=True)


def test_every_neuron_and_surrogate_is_drawn() -> None:
    neurons = {
        name
        for name in neuron.__all__
        if isinstance(getattr(neuron, name), type)
        and issubclass(getattr(neuron, name), StepModule)
        and not name.endswith("BaseNode")
    }
    # Which return two tensors, run a function of the user's, or add noise to a read-out.
    assert neurons - {*NEURONS, *READOUTS} == {"OTTTLIFNode", "FlexSN", "NoisyNonSpikingIFNode"}
    ours = {*surrogate.__all__} & surrogate.registry.keys()
    assert ours - DERIVATIVES.keys() == {"PoissonPass"}


def test_a_case_prints_as_python() -> None:
    for seed in range(50):
        case = draw(seed)
        assert eval(repr(case), {"Case": Case, "Layer": Layer}) == case  # noqa: S307
        assert draw(seed) == case


def test_a_wrong_potential_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = dynamics.lif_charge

    def wrong(x: Any, v: Any, tau: Any, decay_input: bool, v_reset: float | None) -> Any:
        return right(x, v, tau, decay_input, v_reset) + 1e-4 * v

    assert check(SMALL).outcome == "passed"
    monkeypatch.setattr(dynamics, "lif_charge", wrong)
    assert "state 1.v" in check(SMALL).details


def test_a_wrong_gradient_is_found_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    right = surrogate.ATan.derivative
    monkeypatch.setattr(
        surrogate.ATan, "derivative", staticmethod(lambda x, alpha: 1.0001 * right(x, alpha))
    )
    verdict = check(SMALL)
    assert verdict.what.startswith("gradient")
    small = shrink(SMALL, lambda case: check(case).outcome == "failed")
    assert [one.kind for one in small.layers] == ["LIFNode"] or len(small.layers) < 3
    assert (small.T, small.B, small.rounds) == (1, 1, 1)


def test_what_is_refused_and_what_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise kernels.BackendError("no")

    monkeypatch.setattr(kernels, "scan", refuse)
    assert check(replace(SMALL, backend="numba")).outcome == "refused"
    verdict = check(replace(SMALL, backend="auto"))
    assert verdict.outcome == "failed"
    assert "BackendError: no" in verdict.what
