"""Every neuron, driven by an input that shows what is special about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bitspike import kernels, neuron
from bitspike.neuron import FewSpikeTable

STEPS = 60


@dataclass
class Trace:
    """What is drawn of a run, one number a time step.

    Attributes:
        x: the input.
        lines: potentials and other states by name, each with its values after the step.
        before: the potential before the spike, where there is one.
        threshold: what it is compared with.
        y: the output.
    """

    x: list[float]
    lines: dict[str, list[float]] = field(default_factory=dict)
    before: list[float] | None = None
    threshold: list[float] | None = None
    y: list[float] = field(default_factory=list)


def pulse(low: float, high: float) -> list[float]:
    """Nothing, a long weak input, nothing, a short strong one, nothing."""
    level = {5: low, 30: 0.0, 38: high, 50: 0.0}
    x, now = [], 0.0
    for t in range(STEPS):
        now = level.get(t, now)
        x.append(now)
    return x


def beats(height: float) -> list[float]:
    """Pairs of short pulses, the second of which comes too early, in time, and too late."""
    return [height if t in (4, 7, 22, 28, 42, 52) else 0.0 for t in range(STEPS)]


def waves(height: float) -> list[float]:
    """An input of both signs."""
    half = [height if t % 30 < 15 else -height for t in range(STEPS)]
    return [x if t >= 3 else 0.0 for t, x in enumerate(half)]


TABLE = FewSpikeTable(theta=[2.0, 1.0, 0.5, 0.25], h=[2.0, 1.0, 0.5, 0.25], d=[2.0, 1.0, 0.5, 0.25])
COARSE = FewSpikeTable(theta=[8.0, 4.0, 2.0, 1.0], h=[8.0, 4.0, 2.0, 1.0], d=[8.0, 4.0, 2.0, 1.0])
GATED = FewSpikeTable(theta=[0.8, 0.4, 0.2, 0.1], h=[0.8, 0.4, 0.2, 0.1], d=[0.4, 0.2, 0.1, 0.05])


def core(x: Any, v: Any, w: Any) -> tuple[Any, ...]:
    """The example for `FlexSN`: a leaky neuron whose potential pulls on a second one."""
    h = 0.7 * v - 0.4 * w + x
    s = neuron_spike(h - 1.0)
    return s, h * (1 - s), 0.9 * w + 0.1 * h


neuron_spike = neuron.LIFNode().surrogate_function

ARGUMENTS: dict[str, dict[str, Any]] = {
    "AdaptiveLIFNode": {"tau": 3.0, "beta": 0.4},
    "AlphaNode": {"v_reset": 0.0},
    "FlexSN": {"core": core, "num_states": 2, "step_mode": "s"},
    "FewSpikeNode": {"table": TABLE},
    "GatedLIFNode": {"T": STEPS},
    "HGNode": {"tables": [GATED, TABLE], "gate_thresholds": [1.0]},
    "ILCCUBALIFNode": {"act_dim": 1, "dec_pop_dim": 1},
    "ILCIFNode": {"act_dim": 1, "dec_pop_dim": 1},
    "ILCLIFNode": {"act_dim": 1, "dec_pop_dim": 1},
    "ILIFNode": {"tau": 2.0},
    "IzhikevichNode": {"tau_w": 10.0, "a": 0.4, "b": 0.3},
    "LIAFNode": {"act": torch.relu, "threshold_related": False},
    "LapicqueNode": {"R": 1.0, "C": 5.0},
    "MPBNLIFNode": {"out_features": 1, "decay_input": True},
    "MaskedPSN": {"k": 8, "T": STEPS, "lambda_init": 1.0, "step_mode": "m"},
    "MultiSpikeLIFNode": {"max_spikes": 4},
    "NoisyCUBALIFNode": {"num_node": 1, "T": STEPS, "sigma_init": 0.1},
    "NoisyILCCUBALIFNode": {"act_dim": 1, "dec_pop_dim": 1, "T": STEPS, "sigma_init": 0.1},
    "NoisyNonSpikingIFNode": {"num_node": 1, "T": STEPS, "sigma_init": 0.2},
    "OTTTLIFNode": {"decay_input": True},
    "OutlierAwareThresholdNode": {"table": TABLE, "outlier_table": COARSE, "split_threshold": 3.75},
    "PSN": {"T": STEPS},
    "RAFNode": {"b": -0.1, "omega": 1.05},
    "STBIFNode": {"q_threshold": 1.0, "level": 9, "sym": True},
    "SimpleLIFNode": {"tau": 2.0, "decay_input": True},
    "SlidingPSN": {"k": 4, "step_mode": "m"},
    "SynapticNode": {"alpha": 0.7, "v_reset": 0.0},
    "RecurrentSynapticNode": {"alpha": 0.7, "v_reset": 0.0},
}
INPUTS: dict[str, list[float]] = {
    "AlphaNode": beats(0.3),
    "CUBALIFNode": pulse(0.1, 0.3),
    "ComplementaryLIFNode": pulse(0.7, 1.0),
    "DSRIFNode": pulse(0.8, 3.0),
    "DSRLIFNode": pulse(12.0, 30.0),
    "EIFNode": pulse(0.4, 1.0),
    "GatedLIFNode": pulse(0.5, 1.2),
    "HalfThresholdIFNode": pulse(0.08, 0.3),
    "IFNode": pulse(0.08, 0.3),
    "ActivationAwareIFNode": pulse(0.08, 0.3),
    "ILCIFNode": pulse(0.08, 0.3),
    "ILCLIFNode": pulse(0.3, 0.6),
    "ILCCUBALIFNode": pulse(0.1, 0.3),
    "ILIFNode": pulse(1.2, 2.5),
    "IzhikevichNode": pulse(0.9, 1.6),
    "KLIFNode": pulse(1.1, 1.6),
    "LapicqueNode": pulse(1.2, 2.5),
    "MultiSpikeLIFNode": pulse(1.4, 4.5),
    "NoisyCUBALIFNode": pulse(0.1, 0.3),
    "NoisyILCCUBALIFNode": pulse(0.2, 0.5),
    "NoisyNonSpikingIFNode": pulse(0.05, 0.2),
    "NonSpikingIFNode": pulse(0.05, 0.2),
    "NonSpikingLIFNode": pulse(0.5, 1.0),
    "QIFNode": pulse(0.4, 1.0),
    "RAFNode": beats(1.2),
    "SimpleIFNode": pulse(0.08, 0.3),
    "STBIFNode": waves(0.3),
    "SynapticNode": beats(0.5),
    "RecurrentSynapticNode": beats(0.5),
    "TernaryIFNode": waves(0.2),
    "TernaryLIFNode": waves(1.4),
    "PSN": pulse(1.1, 1.6),
    "MaskedPSN": pulse(1.1, 1.6),
}
CURVES = {
    "FewSpikeNode": (-1.0, 5.0),
    "HGNode": (-1.0, 5.0),
    "OutlierAwareThresholdNode": (-18, 18),
}
"""Neurons without time of their own: their output is drawn over their input, between these."""

RESTS = ("s", "v_seq", "m_seq", "queue", "time_step", "spike", "cur_output", "last_spike")


def drawn() -> list[str]:
    """The names of all neurons that have a picture, in the order of `bitspike.neuron`."""
    return [name for name in neuron.__all__ if is_neuron(name) and not is_base(name)]


def is_neuron(name: str) -> bool:
    """Whether the name is a class of neurons, or of their bases."""
    return hasattr(getattr(neuron, name), "describe")


def is_base(name: str) -> bool:
    """Whether the class is there to be derived from."""
    return name.endswith("BaseNode")


def make(name: str) -> Any:
    """The neuron of the picture, in evaluation where that makes a difference to batch norm."""
    torch.manual_seed(6)
    node = getattr(neuron, name)(**ARGUMENTS.get(name, {}))
    if isinstance(node, neuron.PSN | neuron.MaskedPSN):  # as a training might leave it: a leak
        age = torch.arange(STEPS).view(-1, 1) - torch.arange(STEPS)
        node.weight.data = torch.where(age >= 0, 0.5 * 0.6 ** age.clamp(min=0), 0.0)
    if "Recurrent" in name:  # a spike inhibits the next one
        nn.init.constant_(next(node.parameters()), -0.4)
    if "ILC" in name:
        nn.init.constant_(next(p for p in node.conn.parameters() if p.ndim > 1), -0.4)
        for p in node.conn.parameters():
            if p.ndim == 1:
                nn.init.zeros_(p)
    return node.eval() if name.startswith("MPBN") else node


def trace(name: str) -> Trace:
    """A run of the neuron."""
    node = make(name)
    x = INPUTS.get(name, pulse(1.2, 1.8))
    with torch.no_grad(), kernels.use_backend("eager"):  # a kernel asks no surrogate function
        return _sequence(node, x) if _whole(node) else _steps(node, x)


def _whole(node: Any) -> bool:
    return "s" not in node.supported_step_mode() or bool(node.step_mode == "m")


def _numbers(values: Sequence[Any] | Tensor) -> list[float]:
    return [float(torch.as_tensor(value).flatten()[0]) for value in values]


def _listen(node: Any) -> list[Tensor]:
    """What the neuron asks its surrogate function, call by call: the distance to the threshold."""
    heard: list[Tensor] = []
    spike = getattr(node, "surrogate_function", None)
    if spike is not None:
        spike.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].detach().clone()))
    return heard


def _steps(node: Any, xs: list[float]) -> Trace:
    heard = _listen(node)
    found = Trace(xs)
    threshold = _scalar(getattr(node, "v_threshold", getattr(node, "q_threshold", None)))
    before: list[float] = []
    levels: list[float] = []
    for x in xs:
        rise = (
            _scalar(getattr(node, "a", None)) if isinstance(node, neuron.AdaptiveLIFNode) else None
        )
        y = node(torch.full((1, 1), x))
        found.y.append(_numbers([y[0] if isinstance(y, list) else y])[0])
        for state, value in node.named_memories():
            if state not in RESTS and isinstance(value, Tensor):
                found.lines.setdefault(_name(state), []).append(_numbers([value])[0])
        if heard and threshold is not None:
            levels.append(threshold + (node.beta * rise if rise is not None else 0.0))
            before.append(_numbers([heard[0]])[0] + levels[-1])
            heard.clear()
    if threshold is not None:
        found.threshold = levels or [threshold] * len(xs)
    found.before = before if len(before) == len(xs) else None
    if isinstance(node, neuron.ILIFNode | neuron.MultiSpikeLIFNode):
        height = node.v_threshold
        found.before = [v + height * s for v, s in zip(found.lines["V"], found.y, strict=True)]
    return found


def _sequence(node: Any, xs: list[float]) -> Trace:
    heard = _listen(node)
    x = torch.tensor(xs).view(-1, 1, 1)
    if hasattr(node, "reset_noise"):
        node.reset_noise(1)
    y = node(x)
    found = Trace(xs, y=_numbers(y))
    if isinstance(node, neuron.NonSpikingBaseNode):
        return Trace(xs, {"V": found.y})
    if isinstance(node, neuron.DSRIFNode | neuron.DSRLIFNode):
        return _representation(node, found)
    asked = torch.cat([one.reshape(-1) for one in heard])
    threshold = _scalar(getattr(node, "v_threshold", None)) or 0.0
    if isinstance(node, neuron.GatedLIFNode):
        threshold = float(torch.as_tensor(node.v_threshold).sigmoid())
    found.threshold = [threshold] * len(xs)
    found.lines["H"] = [float(u) + threshold for u in asked[: len(xs)]]
    return found


def _representation(node: Any, found: Trace) -> Trace:
    """The membrane of a neuron that keeps none: from its input and its output."""
    threshold, v, vs, hs = float(node.v_threshold), 0.0, [], []
    leak = getattr(node, "tau", None)
    keep = float(torch.exp(torch.tensor(-node.delta_t / node.tau))) if leak else 1.0
    gain = (1 - keep) if leak else 1.0
    for x, y in zip(found.x, found.y, strict=True):
        hs.append(keep * v + gain * x)
        v = hs[-1] - (threshold if y else 0.0)
        vs.append(v)
    found.lines, found.before = {"V": vs}, hs
    found.threshold = [node.alpha * threshold] * len(vs)
    return found


def _scalar(value: Any) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, Tensor) and value.numel() == 1 else None


def _name(state: str) -> str:
    names = {"acc_q": "A", "trace": "A", "rising": "R", "falling": "F"}
    names |= {"_state_0": "V", "_state_1": "W"}
    return names.get(state, state.upper())


def curve(name: str) -> tuple[list[float], list[float]]:
    """Output over input."""
    low, high = CURVES[name]
    x = torch.linspace(low, high, 241)
    with torch.no_grad():
        y: Callable[..., Tensor] = make(name)
        return x.tolist(), y(x).tolist()
