"""Makes a failing case smaller while it still fails in the same way."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.fuzz.cases import Case, Layer, UnfitError, shape_after

SIMPLEST: dict[str, tuple[Any, ...]] = {
    "variant": ("plain",),
    "rounds": (1, 2),
    "calls": (1, 2),
    "between": ("keep",),
    "T": (1, 2, 3, 5),
    "B": (1, 2, 3),
    "layout": ("contiguous",),
    "input": ("dense", "packed"),
    "backend": ("auto",),
    "step_mode": ("m",),
    "training": (True, False),
    "dtype": ("float32",),
    "start": (False,),
    "strict": (False,),
    "without_gradient": ((),),
    "x_grad": (False,),
}
"""What to try for each field, simplest first."""


def shrink(case: Case, fails: Callable[[Case], bool], seconds: float = 90.0) -> Case:
    """The smallest case found in that time for which ``fails`` is true, as it is for ``case``."""
    end = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(case):
            if time.monotonic() > end:
                return case
            if fails(smaller):
                case, progress = smaller, True
                break
    return case


def _smaller(case: Case) -> Iterator[Case]:
    for layers in _fewer(case.layers):
        try:
            shape_after(layers, case.features)
        except (UnfitError, KeyError):
            continue
        if layers:
            yield replace(case, layers=layers, without_gradient=())
    for name, values in SIMPLEST.items():
        now = getattr(case, name)
        for value in values[: values.index(now)] if now in values else values:
            yield replace(case, **{name: value})
    for loss in case.loss:
        if len(case.loss) > 1:
            yield replace(case, loss=tuple(one for one in case.loss if one != loss))
    if case.loss != ("all",):
        yield replace(case, loss=("all",))
    for k, n in enumerate(case.features):
        for fewer in (1, 2, 3, n // 2, n - 1):
            if 0 < fewer < n:
                features = (*case.features[:k], fewer, *case.features[k + 1 :])
                try:
                    shape_after(case.layers, features)
                except UnfitError:
                    continue
                yield replace(case, features=features)


def _fewer(layers: tuple[Layer, ...]) -> Iterator[tuple[Layer, ...]]:
    """The layers with one left out, with what is inside of it in its place, or with it simpler."""
    for k, layer in enumerate(layers):
        before, after = layers[:k], layers[k + 1 :]
        yield before + after
        for part in ("body", "shortcut"):
            inside = layer.options.get(part, ())
            if inside:
                yield (*before, *inside, *after)
                for fewer in _fewer(inside):
                    yield (*before, Layer(layer.kind, {**layer.options, part: fewer}), *after)
        for options in _plainer(layer.options):
            yield (*before, Layer(layer.kind, options), *after)


def _plainer(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    plain: dict[str, Any] = {
        "bias": False, "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "kernel_size": 1,
        "out_channels": 1, "out_features": 1, "detach_reset": False, "v_reset": 0.0,
        "surrogate_function": ("ATan", {"alpha": 2.0}), "store_v_seq": False, "times": 1,
        "per_channel": False, "connected": False, "decay_input": True,
    }  # fmt: skip
    for name, value in plain.items():
        if name in options and options[name] != value:
            yield {**options, name: value}
