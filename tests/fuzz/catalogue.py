"""The neurons and surrogates that cases are made of, with random arguments, all written out."""

import random
from typing import Any

from tests.fuzz.cases import Layer
from tests.fuzz.equations import SEQUENCES
from tests.fuzz.surrogates import DERIVATIVES

Rng = random.Random
Options = dict[str, Any]

FOREIGN = (
    "DSRIFNode", "DSRLIFNode", "ILCIFNode", "ILCLIFNode", "ILCCUBALIFNode", "MPBNLIFNode",
    "NoisyCUBALIFNode", "NoisyILCCUBALIFNode", "FewSpikeNode", "HGNode",
    "OutlierAwareThresholdNode", "STBIFNode",
)  # fmt: skip
"""Without an equation in `equations`: held to their own single steps."""
MULTI_STEP_ONLY = {*FOREIGN, *SEQUENCES} - {"MPBNLIFNode"}
ONE_CALL = {*SEQUENCES} - {"GatedLIFNode"}
"""Whose calls have nothing to do with each other."""
THREE_STEPS = {"FewSpikeNode", "HGNode", "OutlierAwareThresholdNode"}
"""Whose tables, in `modules`, have so many."""
DECODES = ("max-mem", "max-abs-mem", "mean-mem", "last_mem")
FLAT_ONLY = {name for name in FOREIGN if name.startswith(("ILC", "Noisy"))}


def surrogate(rng: Rng, everything: bool) -> tuple[Any, ...]:
    """Name, shape, and whether the shape is learned."""
    if not everything:
        return "ATan", {"alpha": 2.0}
    name = rng.choice([name for name in DERIVATIVES if name != "MultiLevelSpikeCount"])
    alpha = rng.choice([0.5, 1.0, 2.0, 3.0])
    shapes: dict[str, Options] = {
        "PiecewiseLeakyReLU": {"w": alpha, "c": rng.choice([0.0, 0.125])},
        "SquarewaveFourierSeries": {"n": rng.choice([2, 3]), "T_period": 8.0},
        "S2NN": {"alpha": alpha, "beta": rng.choice([0.5, 1.0])},
        "QPseudoSpike": {"alpha": alpha + 1.0},
        "LeakyKReLU": {"leak": rng.choice([0.0, 0.25]), "k": alpha},
        "DeterministicPass": {},
    }
    shape = shapes.get(name, {"alpha": alpha})
    if name in ("Sigmoid", "ATan") and rng.random() < 0.4:
        if rng.random() < 0.3:
            return name, {**shape, "spiking": False}
        return name, shape, True
    return name, shape


def neuron(rng: Rng, kind: str, dyadic: bool, everything: bool) -> Layer:
    """A neuron with random arguments, all of them written out."""
    pick = rng.choice
    tau = pick([2.0, 4.0]) if dyadic else pick([1.25, 2.0, 3.0])
    threshold = pick([0.5, 1.0]) if dyadic else pick([0.4, 0.75, 1.0])
    common: Options = {"v_threshold": threshold, "surrogate_function": surrogate(rng, everything)}
    reset: Options = {"v_reset": pick([None, 0.0, -0.25]), "detach_reset": rng.random() < 0.3}
    leak: Options = {"tau": tau, "decay_input": rng.random() < 0.5}
    factors = (0.5, 0.25) if dyadic else pick([(0.9, 0.8), (0.6, 0.3)])
    own: dict[str, Any] = {
        "IFNode": lambda: {**common, **reset},
        "LIFNode": lambda: {**leak, **common, **reset},
        "SimpleIFNode": lambda: {**common, **reset},
        "SimpleLIFNode": lambda: {**leak, **common, **reset},
        "ParametricLIFNode": lambda: {
            "init_tau": tau, "decay_input": leak["decay_input"], **common, **reset,
        },
        "QIFNode": lambda: {
            "tau": 2 * tau, "v_c": 0.8, "a0": pick([0.5, 1.0]), "v_rest": 0.0, **common, **reset,
        },
        "EIFNode": lambda: {
            "tau": 2 * tau, "delta_T": 1.0, "theta_rh": 0.8, "v_rest": 0.0, **common, **reset,
        },
        "LapicqueNode": lambda: {"R": pick([1.0, 2.0]), "C": 2.0, "dt": 1.0, **common, **reset},
        "IzhikevichNode": lambda: {
            "tau": 2 * tau, "v_c": 0.8, "a0": 0.5, "v_rest": -0.1, "w_rest": pick([0.0, 0.1]),
            "tau_w": 4.0, "a": pick([0.0, 0.2]), "b": pick([0.0, 0.1]), **common, **reset,
        },
        "KLIFNode": lambda: {"scale_reset": rng.random() < 0.5, **leak, **common, **reset},
        "LIAFNode": lambda: {
            "act": pick(["tanh", "relu", "sigmoid"]), "threshold_related": rng.random() < 0.5,
            **leak, **common, **reset,
        },
        "ComplementaryLIFNode": lambda: {"tau": tau, **common},
        "CUBALIFNode": lambda: {"c_decay": 0.5, "v_decay": 0.75, **common, **reset},
        "SynapticNode": lambda: {"alpha": factors[0], "beta": factors[1], **common, **reset},
        "AlphaNode": lambda: {"alpha": factors[0], "beta": factors[1], **common, **reset},
        "AdaptiveLIFNode": lambda: {
            "tau": tau, "tau_a": pick([4.0, 20.0]), "beta": pick([0.25, 0.5]), **common, **reset,
        },
        "RAFNode": lambda: {"b": -0.2, "omega": pick([0.5, 1.0]), "dt": 1.0, **common, **reset},
        "TernaryIFNode": lambda: {**common, **reset},
        "TernaryLIFNode": lambda: {**leak, **common, **reset},
        "HalfThresholdIFNode": lambda: {**common, "detach_reset": reset["detach_reset"]},
        "ILIFNode": lambda: {
            "tau": tau, "v_threshold": threshold, "detach_reset": reset["detach_reset"],
            "surrogate_function": ("MultiLevelSpikeCount", {"max_spike_count": pick([1, 4])}),
        },
        "MultiSpikeLIFNode": lambda: {
            "tau": tau, "v_threshold": threshold, "max_spikes": pick([2.0, 15.0]),
            "detach_reset": reset["detach_reset"],
        },
        "RecurrentLIFNode": lambda: {"connected": rng.random() < 0.5, **leak, **common, **reset},
        "RecurrentSynapticNode": lambda: {
            "connected": rng.random() < 0.5, "alpha": factors[0], "beta": factors[1],
            **common, **reset,
        },
        "ActivationAwareIFNode": lambda: {
            "per_channel": rng.random() < 0.5, "v_offset": pick([0.0, 0.25]), **common, **reset,
            "v_threshold": pick([0.5, 1.0]),
        },
        "SLTTLIFNode": lambda: {**leak, **common, **reset},
        "GatedLIFNode": lambda: {
            "per_channel": rng.random() < 0.5, "surrogate_function": common["surrogate_function"],
        },
        "PSN": lambda: {"surrogate_function": common["surrogate_function"]},
        "MaskedPSN": lambda: {
            "k": pick([1, 2, 3]), "lambda_init": 1.0,
            "surrogate_function": common["surrogate_function"],
        },
        "SlidingPSN": lambda: {
            "k": pick([1, 2, 3]), "surrogate_function": common["surrogate_function"],
        },
        "DSRIFNode": lambda: {"v_threshold": threshold},
        "DSRLIFNode": lambda: {"v_threshold": 0.2},
        "ILCIFNode": lambda: {"v_threshold": threshold, "v_reset": reset["v_reset"]},
        "ILCLIFNode": lambda: {"v_threshold": threshold, "v_reset": reset["v_reset"]},
        "ILCCUBALIFNode": lambda: {"v_threshold": threshold, "v_reset": reset["v_reset"]},
        "MPBNLIFNode": dict,
        "NoisyCUBALIFNode": dict,
        "NoisyILCCUBALIFNode": dict,
        "FewSpikeNode": dict,
        "HGNode": dict,
        "OutlierAwareThresholdNode": dict,
        "STBIFNode": dict,
        "NonSpikingIFNode": lambda: {"decode": pick(DECODES)},
        "NonSpikingLIFNode": lambda: {"tau": tau, "decode": pick(DECODES)},
    }  # fmt: skip
    arguments: Options = own[kind]()
    return Layer(kind, arguments)


FEW = ("LIFNode", "IFNode", "ParametricLIFNode")
EXACT = (
    "IFNode", "LIFNode", "CUBALIFNode", "SynapticNode", "TernaryIFNode", "TernaryLIFNode",
    "HalfThresholdIFNode", "ILIFNode", "MultiSpikeLIFNode", "SimpleIFNode", "SimpleLIFNode",
)  # fmt: skip
"""Whose forward pass is exact on dyadic numbers."""
FEW_FORMS: dict[str, Options] = {
    "LIFNode": {"decay_input": True, "v_reset": 0.0, "detach_reset": False},
    "IFNode": {"v_reset": None, "detach_reset": True},
    "ParametricLIFNode": {"decay_input": False, "v_reset": 0.0, "detach_reset": False},
}
"""One form of each: kernels are compiled for each form, not for each number."""
READOUTS = ("NonSpikingIFNode", "NonSpikingLIFNode")
"""At the end of a network only."""
NEURONS = (
    "IFNode", "LIFNode", "SimpleIFNode", "SimpleLIFNode", "ParametricLIFNode", "QIFNode",
    "EIFNode", "LapicqueNode", "IzhikevichNode", "KLIFNode", "LIAFNode", "ComplementaryLIFNode",
    "CUBALIFNode", "SynapticNode", "AlphaNode", "AdaptiveLIFNode", "RAFNode", "TernaryIFNode",
    "TernaryLIFNode", "HalfThresholdIFNode", "ILIFNode", "MultiSpikeLIFNode", "RecurrentLIFNode",
    "RecurrentSynapticNode", "ActivationAwareIFNode", "SLTTLIFNode", "GatedLIFNode", "PSN",
    "MaskedPSN", "SlidingPSN", *FOREIGN,
)  # fmt: skip
