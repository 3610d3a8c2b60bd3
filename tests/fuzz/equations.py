"""Neurons once more, in plain torch, from their published equations.

Nothing here calls the library: this is what it is held to. ``o`` are a neuron's arguments and
parameters, ``o.fire`` its surrogate function, and ``o.notes`` takes the distance of what is
compared from where the outcome jumps.
"""

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

Charge = Callable[[Any, Tensor, Tensor], Any]
Step = Callable[[Any, Tensor, dict[str, Tensor]], tuple[Tensor, dict[str, Tensor]]]


def _reset(o: Any, h: Tensor, s: Tensor, threshold: Any = None) -> Any:
    s = s.detach() if o.detach_reset else s
    if o.v_reset is None:
        return h - s * (o.v_threshold if threshold is None else threshold)
    return (1 - s) * h + s * o.v_reset


def _spike(o: Any, h: Tensor) -> tuple[Tensor, Tensor]:
    s = o.fire(h - o.v_threshold)
    return s, _reset(o, h, s)


def _leak(o: Any, x: Tensor, v: Tensor, tau: Any) -> Any:
    r = o.v_reset or 0.0
    return v + (x - (v - r)) / tau if o.decay_input else v - (v - r) / tau + x


def _one(charge: Charge) -> Step:
    """A neuron with the potential ``v`` alone, by its charge."""

    def step(o: Any, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        s, v = _spike(o, charge(o, x, state["v"]))
        return s, {"v": v}

    return step


def _izhikevich(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    v, w = state["v"], state["w"]
    h = v + (x + o.a0 * (v - o.v_rest) * (v - o.v_c) - w) / o.tau
    s, v = _spike(o, h)
    return s, {"v": v, "w": w + (o.a * (h - o.v_rest) - w) / o.tau_w + o.b * s}


def _klif(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    charged = o.k * _leak(o, x, state["v"], o.tau)
    o.notes.append(charged.detach())
    h = torch.relu(charged)
    s = o.fire(h - o.v_threshold)
    if o.scale_reset:
        return s, {"v": _reset(o, h / o.k, s, o.v_threshold / o.k)}
    return s, {"v": _reset(o, h, s)}


def _liaf(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    h = _leak(o, x, state["v"], o.tau)
    u = h - o.v_threshold if o.threshold_related else h
    y = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}[o.act](u)
    o.notes.append(u.detach())
    return y, {"v": _spike(o, h)[1]}


def _clif(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    h = state["v"] - state["v"] / o.tau + x
    s = o.fire(h - o.v_threshold)
    s = s if o.training else s.detach()
    m = state["m"] * torch.sigmoid(h / o.tau) + s
    return s, {"v": h - s * (o.v_threshold + torch.sigmoid(m)), "m": m}


def _cuba(current: str, decay: str, leak: str) -> Step:
    def step(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
        i = getattr(o, decay) * state[current] + x
        s, v = _spike(o, getattr(o, leak) * state["v"] + i)
        return s, {"v": v, current: i}

    return step


def _alpha(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    rising, falling = o.alpha * state["rising"] + x, o.beta * state["falling"] - x
    k = math.log(o.alpha) / (math.log(o.beta) - math.log(o.alpha)) + 1
    s, v = _spike(o, state["v"] + k * (rising + falling))
    return s, {"v": v, "rising": rising, "falling": falling}


def _adaptive(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    threshold = o.v_threshold + o.beta * state["a"]
    h = state["v"] + (x - (state["v"] - (o.v_reset or 0.0))) / o.tau
    s = o.fire(h - threshold)
    return s, {"v": _reset(o, h, s, threshold), "a": state["a"] * (1 - 1 / o.tau_a) + s}


def _raf(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    v, u, e, p = state["v"], state["u"], math.exp(o.b * o.dt), o.omega * o.dt
    s, after = _spike(o, e * (u * math.sin(p) + v * math.cos(p)))
    return s, {"v": after, "u": e * (u * math.cos(p) - v * math.sin(p)) + x}


def _ternary(charge: Charge) -> Step:
    def step(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
        h = charge(o, x, state["v"])
        up, down = o.fire(h - o.v_threshold), o.fire(-h - o.v_threshold)
        return up - down, {"v": _reset(o, h, up - down if o.v_reset is None else up + down)}

    return step


def _ilif(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    h = (1 - 1 / o.tau) * state["v"] + x
    s = o.fire(h / o.v_threshold)
    return s, {"v": h - (s.detach() if o.detach_reset else s) * o.v_threshold}


def _multi_spike(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    h = state["v"] + (x - state["v"]) / o.tau
    u = h / o.v_threshold
    most = int(o.max_spikes)
    for jump in (0.5, most + 0.5, *range(1, most + 1)):
        o.notes.append(u.detach() - jump)
    smooth = (u - 0.5).clamp(0, o.max_spikes)
    count = u.floor().clamp(0, o.max_spikes).detach()
    s = count + (smooth - smooth.detach())
    return s, {"v": h - (s.detach() if o.detach_reset else s) * o.v_threshold}


def _recurrent(inner: Step) -> Step:
    def step(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
        last = state.pop("s")
        heard = last @ o.recurrent.weight.T if hasattr(o, "recurrent") else o.weight * last
        s, after = inner(o, x + heard, state)
        return s, {**after, "s": s}

    return step


def _activation_aware(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    h = state["v"] + x

    def spread(value: float) -> Tensor:
        channels = [value + (0.25 * (c % 3) if o.per_channel else 0) for c in range(x.shape[1])]
        return torch.tensor(channels, dtype=x.dtype).view(-1, *[1] * (x.ndim - 2))

    threshold = spread(o.v_threshold)
    s = o.fire(h + spread(o.v_offset) - threshold)
    return s, {"v": _reset(o, h, s, threshold)}


def _sltt(o: Any, x: Tensor, state: dict[str, Tensor]) -> Any:
    v = state["v"].detach() if o.training else state["v"]
    s, v = _spike(o, _leak(o, x, v, o.tau))
    if not o.training:
        s = s.detach()
        v = _reset(o, _leak(o, x, state["v"], o.tau), s)
    return s, {"v": v}


def _if(o: Any, x: Tensor, v: Tensor) -> Tensor:
    return v + x


def _lif(o: Any, x: Tensor, v: Tensor) -> Any:
    return _leak(o, x, v, o.tau)


def _exponential(o: Any, x: Tensor, v: Tensor) -> Any:
    onset = o.delta_T * torch.exp((v - o.theta_rh) / o.delta_T)
    return v + (x + o.v_rest - v + onset) / o.tau


STEPS: dict[str, Step] = {
    "IFNode": _one(_if),
    "SimpleIFNode": _one(_if),
    "HalfThresholdIFNode": _one(_if),
    "LIFNode": _one(_lif),
    "SimpleLIFNode": _one(_lif),
    "ParametricLIFNode": _one(lambda o, x, v: _leak(o, x, v, 1 / torch.sigmoid(o.w))),
    "QIFNode": _one(lambda o, x, v: v + (x + o.a0 * (v - o.v_rest) * (v - o.v_c)) / o.tau),
    "EIFNode": _one(_exponential),
    "LapicqueNode": _one(lambda o, x, v: v + o.dt * (o.R * x - v) / (o.R * o.C)),
    "IzhikevichNode": _izhikevich,
    "KLIFNode": _klif,
    "LIAFNode": _liaf,
    "ComplementaryLIFNode": _clif,
    "CUBALIFNode": _cuba("c", "c_decay", "v_decay"),
    "SynapticNode": _cuba("i", "alpha", "beta"),
    "AlphaNode": _alpha,
    "AdaptiveLIFNode": _adaptive,
    "RAFNode": _raf,
    "TernaryIFNode": _ternary(_if),
    "TernaryLIFNode": _ternary(_lif),
    "ILIFNode": _ilif,
    "MultiSpikeLIFNode": _multi_spike,
    "RecurrentLIFNode": _recurrent(_one(_lif)),
    "RecurrentSynapticNode": _recurrent(_cuba("i", "alpha", "beta")),
    "ActivationAwareIFNode": _activation_aware,
    "SLTTLIFNode": _sltt,
}
"""One step: options and parameters, input and states to output and states."""


def start_of(kind: str, o: Any) -> dict[str, float]:
    """The states after a reset."""
    v = getattr(o, "v_reset", None) or 0.0
    if kind == "HalfThresholdIFNode":
        return {"v": o.v_threshold / 2}
    if kind.startswith("Simple"):
        return {"v": 0.0}
    more: dict[str, tuple[str, ...]] = {
        "ComplementaryLIFNode": ("m",), "CUBALIFNode": ("c",), "SynapticNode": ("i",),
        "AlphaNode": ("rising", "falling"), "AdaptiveLIFNode": ("a",), "RAFNode": ("u",),
        "RecurrentLIFNode": ("s",), "RecurrentSynapticNode": ("i", "s"),
    }  # fmt: skip
    start = {"v": v, **dict.fromkeys(more.get(kind, ()), 0.0)}
    return {**start, "w": o.w_rest} if kind == "IzhikevichNode" else start


def _gated(o: Any, x_seq: Tensor, state: dict[str, Tensor]) -> Any:
    shape = (-1, *[1] * (x_seq.ndim - 3)) if o.per_channel else ()
    names = ("alpha", "beta", "gamma", "tau", "v_threshold", "linear_decay", "v_subreset")
    alpha, beta, gamma, tau, threshold, decay, subreset = (
        getattr(o, name).sigmoid().view(shape) for name in names
    )
    v, s, spikes = state["v"], torch.zeros_like(x_seq[0]), []
    for t, x in enumerate(x_seq):
        conduct = o.conduct[t].sigmoid().view(shape)
        kept = (1 - alpha * (1 - tau)) * v
        received = x * (1 - beta * (1 - conduct))
        reset = gamma * kept * s + (1 - gamma) * subreset * s
        v = kept - (1 - alpha) * decay + received - reset
        s = o.fire(v - threshold)
        spikes.append(s)
    return torch.stack(spikes), {"v": v, "u": v}


def _over_time(o: Any, weight: Tensor, x_seq: Tensor) -> Tensor:
    steps = []
    for t in range(len(x_seq)):
        h = sum((weight[t, k] * x_seq[k] for k in range(len(x_seq))), torch.zeros_like(x_seq[0]))
        steps.append(o.fire(h + (o.bias[t] if o.bias.ndim else o.bias)))
    return torch.stack(steps)


def _parallel(o: Any, x_seq: Tensor, state: Any) -> Any:
    return _over_time(o, o.weight, x_seq), {}


def _masked(o: Any, x_seq: Tensor, state: Any) -> Any:
    T = len(x_seq)
    age = torch.arange(T).unsqueeze(1) - torch.arange(T)
    band = ((age >= 0) & (age < o.k)).to(x_seq)
    weight = (o.lambda_init * band + 1 - o.lambda_init) * o.weight
    return _over_time(o, weight, x_seq), {}


def _sliding(o: Any, x_seq: Tensor, state: Any) -> Any:
    spikes = []
    for t in range(len(x_seq)):
        h = torch.zeros_like(x_seq[0])
        for i in range(o.k):
            if t - o.k + 1 + i >= 0:
                h = h + o.weight[i] * x_seq[t - o.k + 1 + i]
        spikes.append(o.fire(h + o.bias))
    return torch.stack(spikes), {}


def _decoded(tau_of: Callable[[Any], float] | None = None) -> Any:
    """Potentials without spikes, and what is made of all of them."""

    def sequence(o: Any, x_seq: Tensor, state: Any) -> Any:
        v, found = torch.zeros_like(x_seq[0]), []
        for x in x_seq:
            v = v + x if tau_of is None else v + (x - v) / tau_of(o)
            found.append(v)
        v_seq = torch.stack(found)
        if o.decode == "mean-mem":
            return v_seq.mean(0), {}
        if o.decode == "last_mem":
            return v_seq[-1], {}
        if o.decode == "max-mem":
            return v_seq.max(0).values, {}
        high, low = v_seq.max(0).values, v_seq.min(0).values
        o.notes.append((high.abs() - low.abs()).detach())
        return torch.where(high.abs() > low.abs(), high, low), {}

    return sequence


SEQUENCES: dict[str, Any] = {
    "GatedLIFNode": _gated,
    "PSN": _parallel,
    "MaskedPSN": _masked,
    "SlidingPSN": _sliding,
    "NonSpikingIFNode": _decoded(),
    "NonSpikingLIFNode": _decoded(lambda o: o.tau),
}
"""Neurons that take a whole sequence at once."""


def namespace(options: dict[str, Any], **more: Any) -> SimpleNamespace:
    """Options and parameters, by dotted names of one level."""
    o = SimpleNamespace(**options)
    for name, value in more.items():
        first, _, rest = name.partition(".")
        if rest:
            setattr(o, first, SimpleNamespace(**{rest: value}))
        else:
            setattr(o, name, value)
    return o
