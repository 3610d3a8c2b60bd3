"""The arguments of a neuron's constructor, as its classes' docstrings describe them."""

import inspect
import re
from dataclasses import dataclass

from bitspike import neuron

from ._docstring import parse

SHARED = (
    "v_threshold",
    "v_reset",
    "surrogate_function",
    "detach_reset",
    "step_mode",
    "store_v_seq",
)
"""What nearly every neuron takes, in words of `BaseNode`."""

_STEPS = {"tau", "tau_w", "tau_a", "init_tau", "T", "k"}
_POTENTIAL = {
    "v_threshold", "v_reset", "v_rest", "v_c", "theta_rh", "delta_T", "v_offset", "q_threshold",
    "v_threshold_lower_bound", "split_threshold", "clamp_value", "gate_thresholds", "w_rest",
    "init_v_threshold", "init_v_subreset", "init_linear_decay",
}  # fmt: skip
_OTHER = {
    "b": {"RAFNode": "1 / step"},
    "omega": {"RAFNode": "rad / step"},
    "tau": {"DSRLIFNode": "as delta_t"},
}
_NO_TIME = {"GatedLIFNode": {"init_tau"}}


@dataclass(frozen=True)
class Parameter:
    """One argument.

    Attributes:
        name: its name.
        default: as it stands in the signature; empty if there is none.
        unit: of a number; empty for what has none.
        text: what it means, in the docstring's words.
    """

    name: str
    default: str
    unit: str
    text: str


def parameters(kind: type) -> list[Parameter]:
    """The arguments of the constructor in their order."""
    found = []
    for name, one in inspect.signature(kind).parameters.items():
        given = one.default is not inspect.Parameter.empty
        default = _default(one.default) if given else ""
        stars = "*" * ((one.kind is one.VAR_POSITIONAL) + 2 * (one.kind is one.VAR_KEYWORD))
        text = "those of `LIFNode`" if stars else _meaning(kind, name)
        found.append(Parameter(stars + name, default, unit(kind, name), text))
    return found


def _default(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) and len(repr(value)) > 8 else repr(value)


def _meaning(kind: type, name: str) -> str:
    """The first description that does not send the reader elsewhere."""
    for one in (
        *kind.__mro__,
        neuron.NonSpikingBaseNode,
        neuron.FewSpikeNode,
        neuron.NoisyBaseNode,
        neuron.BaseNode,
    ):
        for names, text in parse(one.__dict__.get("__doc__") or "").arguments:
            if name in re.split(r",\s*", names) and not text.startswith("see "):
                return re.sub(r", as the other arguments\.", ".", text)
    return ""


def unit(kind: type, name: str) -> str:
    """The unit of a number: steps, that of the potential, or none."""
    if kind.__name__ in _OTHER.get(name, {}):
        return _OTHER[name][kind.__name__]
    if name in _NO_TIME.get(kind.__name__, set()):
        return ""
    return "steps" if name in _STEPS else "of v" if name in _POTENTIAL else ""
