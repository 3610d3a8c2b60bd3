"""How cases are drawn: a case is a function of its seed."""

import random
from math import prod

from tests.fuzz.cases import Case, Layer, Shape, UnfitError, flat, shape_after
from tests.fuzz.catalogue import (
    EXACT,
    FEW,
    FEW_FORMS,
    FLAT_ONLY,
    FOREIGN,
    MULTI_STEP_ONLY,
    NEURONS,
    ONE_CALL,
    READOUTS,
    THREE_STEPS,
    Options,
    Rng,
    neuron,
)
from tests.fuzz.inputs import LAYOUTS

LARGEST = 4_000
"""Values of one sample at one step."""


class _Draw:
    """A network that grows layer by layer."""

    def __init__(self, rng: Rng, dyadic: bool, everything: bool, step_mode: str) -> None:
        self.rng, self.dyadic, self.step_mode = rng, dyadic, step_mode
        self.rare = int(everything and rng.random() < 0.6)

    def neuron(self, shape: Shape) -> Layer:
        """Mostly one of few, but in most networks one of all: each is compiled for seconds."""
        if not self.rare or self.rng.random() < 0.4:
            few = FEW[:2] if self.dyadic else FEW
            node = neuron(self.rng, self.rng.choice(few), self.dyadic, everything=False)
            return Layer(node.kind, {**node.options, **FEW_FORMS[node.kind]})
        self.rare -= 1
        kinds = [
            kind
            for kind in (EXACT if self.dyadic else NEURONS)
            if not (self.step_mode == "s" and kind in MULTI_STEP_ONLY)
            and not (self.step_mode == "m" and kind == "SLTTLIFNode")
            and (len(shape) == 1 or kind not in FLAT_ONLY)
            and (len(shape) != 2 or kind != "MPBNLIFNode")
        ]
        return neuron(self.rng, self.rng.choice(kinds), self.dyadic, everything=True)

    def linear(self, out: int | None = None) -> Layer:
        out = out or self.rng.choice([1, 2, 3, 5, 8, 16, 17, 33, 63, 64, 65, 100])
        return Layer("Linear", {"out_features": out, "bias": self.rng.random() < 0.5})

    def conv(self, shape: Shape, same: bool = False) -> Layer:
        pick, rng = self.rng.choice, self.rng
        kernel = pick([1, 2, 3, 3, 5])
        channels = pick([1, 2, 3, 4, 6, 8, 9, 16, 17, 32, 33])
        options: Options = {"out_channels": channels, "kernel_size": kernel}
        if same:
            kernel = pick([1, 3])
            options = {"out_channels": shape[0], "kernel_size": kernel, "padding": kernel // 2}
        else:
            options["stride"] = pick([1, 1, 1, 2, 3])
            options["padding"] = pick([0, kernel // 2, kernel // 2, 1, 2])
            options["dilation"] = pick([1, 1, 1, 2])
            if rng.random() < 0.2:
                options["groups"] = pick([g for g in (1, 2, 3, shape[0]) if shape[0] % g == 0])
                options["out_channels"] = options["groups"] * pick([1, 2, 3])
            if len(shape) == 3 and rng.random() < 0.15:
                options["kernel_size"] = pick([(1, 3), (3, 1), (2, 5)])
                options["stride"], options["padding"] = pick([(1, 2), (2, 1), (1, 1)]), (1, 2)
        options["bias"] = rng.random() < 0.5
        return Layer(f"Conv{len(shape) - 1}d", options)

    def pool(self, shape: Shape) -> Layer:
        if len(shape) == 3 and not self.dyadic and self.rng.random() < 0.1:
            return Layer("AdaptiveAvgPool2d", {"output_size": self.rng.choice([(1, 1), (2, 3)])})
        kind = self.rng.choice(["MaxPool", "AvgPool"])
        kernel = 2 if self.dyadic and kind == "AvgPool" else self.rng.choice([2, 2, 3])
        options: Options = {"kernel_size": kernel}
        options["stride"] = self.rng.choice([kernel, kernel, 1, 2])
        options["padding"] = self.rng.choice([0, 0, 1])
        return Layer(f"{kind}{len(shape) - 1}d", options)

    def block(self, shape: Shape) -> list[Layer]:
        """A layer with weights, what may follow it, and neurons."""
        rng = self.rng
        spatial = len(shape) > 1
        found = [self.conv(shape) if spatial else self.linear()]
        if rng.random() < 0.3 and not self.dyadic:
            found.append(Layer("BatchNorm2d" if len(shape) == 3 else "BatchNorm1d", {}))
        if rng.random() < 0.15:
            twice = len(shape) == 3 and rng.random() < 0.5
            found.append(Layer("Dropout2d" if twice else "Dropout", {"p": 0.5}))
        found.append(self.neuron(shape_after(found, shape)))
        if spatial and rng.random() < 0.4:
            found.append(self.pool(shape))
        if rng.random() < 0.15:
            views = [Layer("Slice", {"start": rng.choice([0, 1]), "step": rng.choice([1, 2])})]
            views += [Layer("Double"), Layer("Transpose")]
            found.append(rng.choice(views))
        return found

    def fitting_block(self, shape: Shape) -> list[Layer]:
        """A block whose windows fit into the shape, and that is not too large."""
        for _ in range(20):
            try:
                found = self.block(shape)
                if prod(shape_after(found, shape)) <= LARGEST:
                    return found
            except UnfitError:
                continue
        raise UnfitError(f"nothing was found that fits {shape}")

    def residual(self, shape: Shape) -> Layer:
        same = self.conv(shape, same=True) if len(shape) > 1 else self.linear(shape[0])
        body = [same, self.neuron(shape)]
        if self.rng.random() < 0.3:
            return Layer("Repeat", {"times": 2, "body": tuple(body)})
        shortcut: list[Layer] = []
        if self.rng.random() < 0.4:
            more = self.conv(shape, same=True) if len(shape) > 1 else self.linear(shape[0])
            shortcut = [more, self.neuron(shape)]
        return Layer("Residual", {"body": tuple(body), "shortcut": tuple(shortcut)})

    def network(self, shape: Shape) -> tuple[Layer, ...]:
        rng = self.rng
        found: list[Layer] = []
        first = rng.random()
        if first < 0.2:
            found.append(self.neuron(shape))
        elif first < 0.3 and not self.dyadic:
            found.append(Layer("BatchNorm2d" if len(shape) == 3 else "BatchNorm1d"))
        elif first < 0.4 and len(shape) > 1:
            found.append(self.pool(shape))
        elif first < 0.5 and len(shape) > 1:
            found.append(Layer("Flatten"))
        for _ in range(rng.choice([1, 1, 2, 3])):
            found += self.fitting_block(shape_after(found, shape))
            if rng.random() < 0.3:
                found.append(self.residual(shape_after(found, shape)))
        if len(shape_after(found, shape)) > 1 and rng.random() < 0.5:
            found += [Layer("Flatten"), self.linear(rng.choice([1, 3, 10]))]
            if rng.random() < 0.8:
                found.append(self.neuron((1,)))
        if self.rare and self.step_mode == "m" and not self.dyadic and rng.random() < 0.15:
            found.append(neuron(rng, rng.choice(READOUTS), dyadic=False, everything=True))
        return tuple(found)


VARIANTS = ("plain", "plain", "plain", "fused", "fused", "save_memory", "chunks", "frozen")
LOSSES = ("rate", "sum", "last", "all", "square", "states")


def draw(seed: int, everything: bool = True, more: tuple[str, ...] = ()) -> Case:
    """The case of a seed.

    Args:
        seed: any integer.
        everything: all neurons and surrogates; False takes few, whose kernels are soon compiled.
        more: variants of `Case` to draw beside the usual ones.
    """
    rng = random.Random(seed)  # noqa: S311
    while True:
        try:
            return _draw(rng, seed, everything, more)
        except UnfitError:
            continue


def _draw(rng: Rng, seed: int, everything: bool, more: tuple[str, ...]) -> Case:
    pick = rng.choice
    dyadic = rng.random() < 0.4
    step_mode = "s" if rng.random() < 0.15 else "m"
    features = pick([_linear_features, _linear_features, _sequence_features, _image_features,
                     _image_features, _image_features])(rng)  # fmt: skip
    layers = _Draw(rng, dyadic, everything, step_mode).network(features)
    training = rng.random() < 0.75
    kinds = {one.kind for one in flat(layers)}
    kind = pick(["dense", "dense", "binary", "packed", "poisson", "held poisson", "sequences"])
    layout = pick(LAYOUTS) if rng.random() < 0.6 else "contiguous"
    calls = pick([1, 1, 1, 2, 3]) if not kinds & ONE_CALL else 1
    foreign = bool(kinds & {*FOREIGN})
    variant = pick((*VARIANTS, *more * 2))
    if step_mode == "s" and variant in ("save_memory", "chunks"):  # which need sequences
        variant = "plain"
    x_grad = kind in ("dense", "binary") and rng.random() < 0.5
    if variant == "gradient penalty":
        kind, x_grad, dyadic = "dense", True, False
    if variant == "frozen":
        training, x_grad, calls = False, False, 1
    losses = tuple(sorted({pick(LOSSES) for _ in range(pick([1, 1, 2, 3]))}))
    recording = _recording(layers, rng) if rng.random() < 0.15 else None
    if recording is not None:
        layers, losses = recording, (*losses, "v_seq")
    steps = pick([1, 2, 3, 4, 5, 8, 8, 17] if dyadic else [1, 2, 3, 4, 5, 8, 17, 33, 65])
    without_gradient = tuple(k for k in range(len(layers)) if rng.random() < 0.08)
    if "STBIFNode" in kinds:  # for inference
        x_grad, without_gradient = False, tuple(range(len(layers)))
    has_norm = any(kind.startswith("BatchNorm") for kind in kinds)
    return Case(
        seed=seed,
        layers=layers,
        features=features,
        T=3 if kinds & THREE_STEPS else steps,
        B=pick([2, 3, 4, 7] if has_norm else [1, 2, 3, 4, 7, 17]),
        input=kind,
        layout=layout if kind in ("dense", "binary") else "contiguous",
        rate=pick([0.02, 0.1, 0.3, 0.6, 0.9]),
        dtype="float64" if foreign or (everything and rng.random() < 0.15) else "float32",
        dyadic=dyadic,
        backend=pick(["auto"] * 6 + ["numba", "eager"]),
        step_mode=step_mode,
        training=training,
        variant=variant,
        calls=calls,
        between=pick(["keep", "keep", "detach", "reset"]),
        rounds=pick([1, 2, 3]),
        loss=losses,
        x_grad=x_grad,
        start=not foreign and variant != "frozen" and rng.random() < 0.1,
        strict=rng.random() < 0.1,
        without_gradient=without_gradient,
    )


def _linear_features(rng: Rng) -> Shape:
    return (rng.choice([1, 2, 5, 7, 16, 31, 63, 64, 65, 127, 128, 130, 200, 2200]),)


def _sequence_features(rng: Rng) -> Shape:
    return rng.choice([1, 2, 3, 4, 8, 17]), rng.choice([1, 4, 5, 9, 16, 33])


def _image_features(rng: Rng) -> Shape:
    height = rng.choice([1, 3, 4, 5, 7, 8, 9, 12, 28])
    width = height if rng.random() < 0.6 else rng.choice([2, 5, 8, 11])
    return rng.choice([1, 1, 2, 3, 4, 8, 12, 16, 33]), height, width


def _recording(layers: tuple[Layer, ...], rng: Rng) -> tuple[Layer, ...] | None:
    """The layers with one neuron that keeps the potentials of all its steps; None if none can."""
    can = [k for k, one in enumerate(layers) if one.kind in ("LIFNode", "IFNode", "CUBALIFNode")]
    can = [k for k in can if layers[k].kind != "CUBALIFNode"]
    if not can:
        return None
    k = rng.choice(can)
    one = Layer(layers[k].kind, {**layers[k].options, "store_v_seq": True})
    return (*layers[:k], one, *layers[k + 1 :])
