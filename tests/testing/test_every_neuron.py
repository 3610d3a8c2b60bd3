"""Every neuron of the library keeps the promises that users' neurons are held to."""

import inspect
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from tests.kernels.scan.test_numba import interpreted, surrogates  # noqa: F401 -- a fixture

from bitspike import neuron, surrogate
from bitspike.base import StepModule
from bitspike.testing import check_neuron

T, N = 6, 6
TABLE = neuron.FewSpikeTable([1.0, 0.5, 0.25], [1.0, 0.5, 0.25], [1.0, 0.5, 0.25])
LARGE = neuron.FewSpikeTable([2.0, 1.0, 0.5], [2.0, 1.0, 0.5], [2.0, 1.0, 0.5])


def leaky(x: torch.Tensor, v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A core for `FlexSN`."""
    v = 0.5 * v + x
    return torch.tanh(v), v


ARGUMENTS: dict[str, Any] = {
    "ActivationAwareIFNode": {"v_threshold": torch.linspace(0.5, 1.5, N)},
    "DSRIFNode": {"v_threshold": 1.0},
    "DSRLIFNode": {"v_threshold": 0.1},
    "EIFNode": {"tau": 8.0, "v_threshold": 0.6},
    "FlexSN": {"core": leaky, "num_states": 1},
    "FewSpikeNode": {"table": TABLE},
    "GatedLIFNode": {"T": T, "inplane": N},
    "HGNode": {"tables": [TABLE, LARGE], "gate_thresholds": [1.0]},
    "ILCCUBALIFNode": {"act_dim": 2, "dec_pop_dim": 3},
    "ILCIFNode": {"act_dim": 2, "dec_pop_dim": 3},
    "ILCLIFNode": {"act_dim": 2, "dec_pop_dim": 3},
    "MPBNLIFNode": {"out_features": N},
    "LIAFNode": {"act": torch.tanh, "threshold_related": True},
    "MaskedPSN": {"k": 2, "T": T, "lambda_init": 1.0},
    "NoisyCUBALIFNode": {"num_node": N, "T": T, "is_training": False},
    "NoisyILCCUBALIFNode": {"act_dim": 2, "dec_pop_dim": 3, "T": T, "is_training": False},
    "NoisyNonSpikingIFNode": {"num_node": N, "T": T, "is_training": False},
    "OutlierAwareThresholdNode": {
        "table": TABLE, "outlier_table": LARGE, "split_threshold": 1.0,
    },
    "PSN": {"T": T},
    "RecurrentLIFNode": {"features": N},
    "RecurrentSynapticNode": {"features": N},
    "STBIFNode": {"q_threshold": 0.5, "level": 8},
    "SimpleLIFNode": {"tau": 3.0, "decay_input": True},
    "SlidingPSN": {"k": 2},
}  # fmt: skip
BASES = {
    "AdaptBaseNode", "BaseNode", "ILCBaseNode", "MPBNBaseNode", "NoisyBaseNode",
    "NoisyILCBaseNode", "NoisyNonSpikingBaseNode", "NonSpikingBaseNode", "SimpleBaseNode",
}  # fmt: skip
"""Without an equation of their own."""
KINDS = {
    name: getattr(neuron, name)
    for name in neuron.__all__
    if isinstance(getattr(neuron, name), type)
    and issubclass(getattr(neuron, name), StepModule)
    and name not in BASES
}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors: a second thread only waits where other processes hold the cores."""
    torch.set_num_threads(1)


ONCE = ("parts",)  # each call starts anew, or takes the whole sequence at once
CODE = ("modes", "parts")  # a single step is the whole code of K spikes
NOT_PROMISED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("FewSpikeNode", "HGNode", "OutlierAwareThresholdNode"), CODE),
    **dict.fromkeys((name for name in KINDS if name.startswith(("ILC", "Noisy", "NonSp"))), ONCE),
    **dict.fromkeys(("DSRIFNode", "DSRLIFNode", "PSN"), ONCE),
    "GatedLIFNode": ONCE,  # the last spike is not kept, as in SpikingJelly
    "OTTTLIFNode": ("differences",),  # online: no gradient goes back in time
    "SLTTLIFNode": ("differences",),
    "STBIFNode": ("gradients",),  # for inference
    "MaskedPSN": CODE,  # a call on a sequence neither takes nor leaves a queue
    "SlidingPSN": CODE,
}
LOOPS = {
    **dict.fromkeys(("ILCCUBALIFNode", "ILCIFNode", "ILCLIFNode"), "neurons hear each other"),
    **dict.fromkeys(("RecurrentLIFNode", "RecurrentSynapticNode"), "neurons hear each other"),
    "NoisyILCCUBALIFNode": "neurons hear each other",
    "MPBNLIFNode": "in training, statistics of the batch at each step",
}
"""Neurons whose steps are not elementwise, and why: they have no kernel."""
MATRIX_PRODUCTS = {"MaskedPSN", "PSN", "SlidingPSN"}


def test_the_tables_name_neurons() -> None:
    assert {*ARGUMENTS, *NOT_PROMISED, *LOOPS, *MATRIX_PRODUCTS} <= set(KINDS)
    assert {getattr(neuron, name) for name in BASES}


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", KINDS)
def test_promises(name: str) -> None:
    steps = 3 if "table" in str(ARGUMENTS.get(name)) else T
    make = partial(KINDS[name], **ARGUMENTS.get(name, {}))
    report = check_neuron(make, steps, (3, N), without=NOT_PROMISED.get(name, ()))
    assert not any("all outputs are equal" in note for note in report.notes)
    if name not in MATRIX_PRODUCTS:
        compiled = any("compiled kernel" in line for line in report.passed)
        assert compiled == (name not in LOOPS), report


MORE = {
    "gates of the layer": partial(neuron.GatedLIFNode, T),
    "one feedback": neuron.RecurrentLIFNode,
    "no normalisation": partial(neuron.MPBNLIFNode, mpbn=False, out_features=N),
    "learned threshold": partial(
        neuron.MPBNLIFNode, mpbn=False, out_features=N, learnable_vth=True
    ),
    "list of potentials": neuron.NonSpikingLIFNode,
    "largest potential": partial(neuron.NonSpikingLIFNode, 3.0, "max-abs-mem"),
    "levels on both sides": partial(neuron.STBIFNode, 0.25, 4, sym=True),
}


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("variant", MORE)
def test_variants(variant: str) -> None:
    make: Any = MORE[variant]
    name = getattr(make, "func", make).__name__
    report = check_neuron(make, T, (3, N), without=NOT_PROMISED.get(name, ()))
    assert any("compiled kernel" in line for line in report.passed), report


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("residual", [False, True])
def test_a_normalisation_that_was_moved_into_the_threshold(residual: bool) -> None:
    def make() -> neuron.MPBNLIFNode:
        node = neuron.MPBNLIFNode(out_channels=2, surrogate_function=surrogate.ATan())
        node.vbn.running_mean = torch.tensor([0.3, -0.2])
        node.re_parameterize_v_threshold(residual)
        return node.eval()

    report = check_neuron(make, T, (3, 2, 2, 2), without=["differences"] if residual else [])
    assert any("compiled kernel" in line for line in report.passed), report


def takes(name: str, argument: str) -> bool:
    return argument in inspect.signature(KINDS[name]).parameters


ANY_SURROGATE = [
    name
    for name in KINDS
    if takes(name, "surrogate_function") and name not in {"ILIFNode", *LOOPS, *MATRIX_PRODUCTS}
]
ONLY_THE_KERNEL = ("modes", "parts", "differences", "state")


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", ANY_SURROGATE)
def test_every_surrogate_and_reset_in_both_step_modes(name: str) -> None:
    """Outputs, states and all gradients of kernels and reference."""
    resets = (0.0, None) if takes(name, "v_reset") else (None,)
    for spike, v_reset in product(surrogates(), resets):
        options = ARGUMENTS.get(name, {}) | {"surrogate_function": spike}
        options |= {"v_reset": v_reset} if takes(name, "v_reset") else {}
        options |= {"T": 3} if takes(name, "T") else {}
        report = check_neuron(partial(KINDS[name], **options), 3, (1, N), without=ONLY_THE_KERNEL)
        assert len(report.passed) == 1, report
