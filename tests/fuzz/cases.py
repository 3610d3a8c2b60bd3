"""What the fuzzer tries: networks and how they are run, as plain data that prints as Python."""

from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from math import prod
from typing import Any

Shape = tuple[int, ...]


class UnfitError(ValueError):
    """The layers of a case do not fit each other."""


@dataclass(frozen=True)
class Layer:
    """A module by its class name and arguments; sizes of the input are filled in by `modules`.

    Some kinds are no class of the library. ``Residual`` has the layers ``body`` and ``shortcut``
    and is the sum of both; ``Repeat`` calls ``body`` ``times`` times, with the same weights and
    states. ``Slice`` takes every ``step``-th channel from ``start`` on, ``Double`` has all channels
    twice, ``Transpose`` exchanges the last two axes.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Layer({self.kind!r}, {self.options!r})"


@dataclass(frozen=True, repr=False)
class Case:
    """One network, and all that is done with it.

    Attributes:
        seed: of all numbers: weights, inputs, and what weighs the outputs in the loss.
        layers: the network.
        features: shape of one sample.
        T: time steps of a call.
        B: samples.
        input: ``dense``, ``binary`` (0 and 1 in a dense tensor), ``packed`` (those as bits),
            ``poisson`` (bits of `PoissonEncoder`), ``held poisson`` (of an image held over time) or
            ``sequences`` (of `PoissonSequences`).
        layout: how a dense input lies in memory, see `inputs.lay_out`.
        rate: share of spikes, where the input is spikes.
        dtype: of the network and its input.
        dyadic: whether weights and inputs are small multiples of 1/4, so that forward is exact.
        backend: what `kernels.use_backend` gets.
        step_mode: ``m``, or ``s`` for a loop of single steps.
        training: training or evaluation mode.
        variant: ``plain``, ``fused`` (`layer.FusedSequential`), ``save_memory``, ``chunks``
            (`save_memory` in two parts), ``frozen`` (`functional.freeze`), ``checkpoint``
            (torch's), ``inference first`` (a call in inference mode before), or
            ``gradient penalty`` (a loss on the gradient of the loss).
        calls: calls before the backward pass of a round, or one each: see ``between``.
        between: what happens between two calls: ``keep`` the states, ``detach`` or ``reset`` them.
        rounds: how often all of this is done, with other weights and a reset in between; the third
            time with one sample more.
        loss: terms of the loss: ``rate``, ``sum``, ``last``, ``all``, ``square``, ``states``,
            ``v_seq``.
        x_grad: whether the input wants a gradient.
        start: whether neurons start from given potentials that want a gradient.
        strict: whether torch's deterministic mode is on.
        without_gradient: numbers of the layers whose parameters want none.
    """

    seed: int
    layers: tuple[Layer, ...]
    features: Shape
    T: int = 3
    B: int = 2
    input: str = "dense"
    layout: str = "contiguous"
    rate: float = 0.3
    dtype: str = "float32"
    dyadic: bool = False
    backend: str = "auto"
    step_mode: str = "m"
    training: bool = True
    variant: str = "plain"
    calls: int = 1
    between: str = "keep"
    rounds: int = 1
    loss: tuple[str, ...] = ("all",)
    x_grad: bool = False
    start: bool = False
    strict: bool = False
    without_gradient: tuple[int, ...] = ()

    def __repr__(self) -> str:
        given = [
            f"{one.name}={getattr(self, one.name)!r}"
            for one in fields(self)
            if one.default is MISSING or getattr(self, one.name) != one.default
        ]
        return f"Case({', '.join(given)})"


def flat(layers: Sequence[Layer]) -> list[Layer]:
    """All layers, those inside of others too."""
    found = []
    for layer in layers:
        found += [
            layer,
            *flat(layer.options.get("body", ())),
            *flat(layer.options.get("shortcut", ())),
        ]
    return found


def shape_after(layers: Sequence[Layer], shape: Shape) -> Shape:
    """The shape of one sample behind the layers.

    Raises:
        UnfitError: if a layer does not take what comes before it.
    """
    for layer in layers:
        shape = _after(layer, shape)
    return shape


def _after(layer: Layer, shape: Shape) -> Shape:
    kind, options = layer.kind, layer.options
    if kind == "Linear":
        return (*shape[:-1], options["out_features"])
    if kind == "AdaptiveAvgPool2d" and len(shape) == 3:
        return (shape[0], *options["output_size"])
    if kind == "Slice" and shape[0] > options["start"]:
        return (len(range(options["start"], shape[0], options["step"])), *shape[1:])
    if kind == "Double":
        return (2 * shape[0], *shape[1:])
    if kind == "Transpose" and len(shape) > 1:
        return (*shape[:-2], shape[-1], shape[-2])
    if kind in ("AdaptiveAvgPool2d", "Slice", "Transpose"):
        raise UnfitError(f"{kind} on {shape}")
    if kind == "Flatten":
        return (prod(shape),)
    if kind.startswith(("Conv", "MaxPool", "AvgPool", "BatchNorm2d", "Dropout2d")):
        if (kind[-2:] == "1d" and len(shape) != 2) or (kind[-2:] == "2d" and len(shape) != 3):
            raise UnfitError(f"{kind} on {shape}")
        if kind.startswith(("BatchNorm", "Dropout")):
            return shape
        channels = options.get("out_channels", shape[0])
        if shape[0] % options.get("groups", 1):
            raise UnfitError(f"{options['groups']} groups on {shape}")
        return (channels, *(_window(n, axis, options) for axis, n in enumerate(shape[1:])))
    if kind == "BatchNorm1d" and len(shape) > 2:
        raise UnfitError(f"{kind} on {shape}")
    if kind == "Residual":
        after = shape_after(options["body"], shape)
        if after != shape_after(options["shortcut"], shape):
            raise UnfitError("a residual sum of different shapes")
        return after
    if kind == "Repeat" and shape_after(options["body"], shape) != shape:
        raise UnfitError("what is repeated changes the shape")
    return shape


def _window(n: int, axis: int, options: dict[str, Any]) -> int:
    def value(name: str, default: int) -> int:
        given = options.get(name, default)
        found: int = given[axis] if isinstance(given, tuple) else given
        return found

    reach = value("dilation", 1) * (value("kernel_size", 1) - 1) + 1
    size = (n + 2 * value("padding", 0) - reach) // value("stride", 1) + 1
    if size < 1:
        raise UnfitError(f"nothing is left of {n}")
    return size
