"""Every neuron of the library keeps the promises that users' neurons are held to."""

import inspect
from functools import partial
from itertools import product
from typing import Any

import pytest
import torch
from tests.kernels.scan.test_numba import interpreted, surrogates  # noqa: F401 -- a fixture

from bitspike import neuron, surrogate
from bitspike.testing import check_neuron

T, N = 6, 6
KINDS = {name: kind for name, kind in neuron.catalogue().items() if not neuron.is_base(kind)}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Tiny tensors: a second thread only waits where other processes hold the cores."""
    torch.set_num_threads(1)


def test_bases_say_so_in_their_names() -> None:
    bases = {name for name, kind in neuron.catalogue().items() if neuron.is_base(kind)}
    assert bases == {name for name in neuron.catalogue() if name.endswith("BaseNode")}
    assert len(KINDS) > 40


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", KINDS)
def test_promises(name: str) -> None:
    kind, demo = KINDS[name], KINDS[name].demo
    steps = 3 if demo.curve else T
    report = check_neuron(lambda: kind(**demo.tested), steps, (3, N), without=demo.without)
    assert not any("all outputs are equal" in note for note in report.notes)
    compiled = any("compiled kernel" in line for line in report.passed)
    assert compiled == (not demo.loop), report


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
    demo = getattr(make, "func", make).demo
    report = check_neuron(make, T, (3, N), without=demo.without)
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


def _making(kind: Any, options: dict[str, Any]) -> Any:
    return lambda: kind(**options)


def takes(name: str, argument: str) -> bool:
    return argument in inspect.signature(KINDS[name]).parameters


ANY_SURROGATE = [
    name
    for name in KINDS
    if takes(name, "surrogate_function")
    and not KINDS[name].demo.loop
    and name not in {"ILIFNode", "PSN", "MaskedPSN", "SlidingPSN"}  # one surrogate, no kernel
]
ONLY_THE_KERNEL = ("modes", "parts", "differences", "state")


@pytest.mark.usefixtures("interpreted")
@pytest.mark.parametrize("name", ANY_SURROGATE)
def test_every_surrogate_and_reset_in_both_step_modes(name: str) -> None:
    """Outputs, states and all gradients of kernels and reference.

    All surrogates on three neurons, and a quarter of them, in turn, on the others;
    `tests/kernels/scan` has the whole product of elementwise neurons and surrogates.
    """
    quarter = slice(ANY_SURROGATE.index(name) % 4, None, 4)
    in_full = name in ("IFNode", "AdaptiveLIFNode", "TernaryIFNode")
    spikes = surrogates() if in_full else surrogates()[quarter]
    resets = (0.0, None) if takes(name, "v_reset") else (None,)
    for spike, v_reset in product(spikes, resets):
        options = {**KINDS[name].demo.tested, "surrogate_function": spike}
        options |= {"v_reset": v_reset} if takes(name, "v_reset") else {}
        options |= {"T": 3} if takes(name, "T") else {}
        report = check_neuron(_making(KINDS[name], options), 3, (1, N), without=ONLY_THE_KERNEL)
        assert len(report.passed) == 1, report
