"""A case in plain torch: layer by layer, step by step, on contiguous tensors.

The reference takes the numbers of the library's network, and nothing else of it but the masks of
dropout, the spikes of random encoders, and neurons that have no equation in `equations`: these are
copies of the library's, single steps on the eager backend.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from tests.fuzz import equations
from tests.fuzz.cases import Case, Layer
from tests.fuzz.modules import view_of
from tests.fuzz.surrogates import Fire
from torch import Tensor, nn
from torch.func import functional_call

from bitspike import kernels
from bitspike.base import MemoryModule

Stateless = Callable[[Tensor], Tensor]


@dataclass
class Reference:
    """A network's numbers and states, and notes on how close its decisions were.

    Attributes:
        case: what runs.
        numbers: parameters and buffers by name.
        foreign: the library's own neurons, for those without an equation here.
        masks: of dropout, by the module's name.
        states: of neurons, by the module's name.
        v_seqs: potentials of all steps, of the neurons that record them.
        notes: distances of what was compared from where the outcome jumps.
        terms: of the gradient of a parameter, how many units of rounding there are in a sum of
            its terms one by one, which stay where the sum itself cancels, as before batch norm.
        gain: by how much batch norm makes rounding larger, most where a channel hardly varies.
    """

    case: Case
    numbers: dict[str, Tensor]
    foreign: dict[str, nn.Module]
    masks: dict[str, Tensor] = field(default_factory=dict)
    states: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    v_seqs: dict[str, list[Tensor]] = field(default_factory=dict)
    notes: list[Tensor] = field(default_factory=list)
    terms: dict[str, float] = field(default_factory=dict)
    gain: float = 1.0

    def __call__(self, x_seq: Tensor) -> Tensor:
        """Output ``[T, B, ...]`` for input ``[T, B, ...]``."""
        if self.case.step_mode == "m":
            return self._chain(self.case.layers, "", x_seq)
        steps = []
        for x in x_seq:
            if self.case.variant == "frozen":
                self.reset()  # as each call of a frozen network does
            steps.append(self._chain(self.case.layers, "", x.unsqueeze(0)))
        return torch.cat(steps)

    def reset(self) -> None:
        self.states.clear()
        self.v_seqs.clear()
        for module in self._with_memory():
            module.reset()

    def detach(self) -> None:
        for state in self.states.values():
            state.update({name: value.detach() for name, value in state.items()})
        for v_seq in self.v_seqs.values():
            v_seq[:] = [v.detach() for v in v_seq]
        for module in self._with_memory():
            module.detach()

    def _with_memory(self) -> list[MemoryModule]:
        return [m for m in self.foreign.values() if isinstance(m, MemoryModule)]

    def _chain(self, layers: Sequence[Layer], prefix: str, x_seq: Tensor) -> Tensor:
        for k, layer in enumerate(layers):
            x_seq = self._layer(layer, f"{prefix}{k}", x_seq)
        return x_seq

    def _layer(self, layer: Layer, name: str, x_seq: Tensor) -> Tensor:
        kind, o = layer.kind, layer.options
        if kind == "Residual":
            body = self._chain(o["body"], f"{name}.body.", x_seq)
            return body + self._chain(o["shortcut"], f"{name}.shortcut.", x_seq)
        if kind == "Repeat":
            for _ in range(o["times"]):
                x_seq = self._chain(o["body"], f"{name}.body.", x_seq)
            return x_seq
        view = view_of(layer)
        if view is not None:
            return view(x_seq, 2)
        if kind.startswith("BatchNorm"):
            self.gain = max(self.gain, _gain(x_seq))
            return self._weigh(name, x_seq, self._batch_norm(name, x_seq), 2)
        if kind.startswith("Dropout"):
            return x_seq * self.masks[name] if self.case.training else x_seq
        if kind in equations.STEPS or kind in equations.SEQUENCES:
            return self._neuron(layer, name, x_seq)
        if name in self.foreign:
            return self._foreign(name, x_seq)
        apply = self._stateless(kind, name, o)
        y_seq = torch.stack([apply(x.contiguous()) for x in x_seq])
        return self._weigh(name, x_seq, y_seq, -1 if kind == "Linear" else 2)

    def _weigh(self, name: str, x_seq: Tensor, y_seq: Tensor, channels: int) -> Tensor:
        """``y_seq``, whose gradient is noted for what it adds to the parameters' in size."""
        largest = max(1.0, float(x_seq.detach().abs().max())) if x_seq.numel() else 1.0

        def note(grad: Tensor) -> None:
            sizes = grad.detach().abs().movedim(channels, 0).flatten(1)
            for key in (f"{name}.weight", f"{name}.bias"):
                self._note_terms(key, largest * float(sizes.sum(1).max()), sizes.shape[1])

        if y_seq.requires_grad and y_seq.numel():
            y_seq.register_hook(note)  # type: ignore[no-untyped-call]
        return y_seq

    def _spread(self, name: str, number: Tensor, x_seq: Tensor) -> Tensor:
        """A number of a neuron, once for each element of a step, so that its terms are seen."""
        spread = number.expand(x_seq.shape[1:])
        if number.requires_grad:

            def note(grad: Tensor) -> None:
                self._note_terms(name, float(grad.detach().abs().sum()), x_seq.numel())

            spread.register_hook(note)  # type: ignore[no-untyped-call]
        return spread

    def _note_terms(self, parameter: str, size: float, terms: int) -> None:
        """A sum of so many terms one by one is wrong by so many units, if all goes as usual."""
        key = f"gradient {parameter}"
        self.terms[key] = self.terms.get(key, 0.0) + size * (4 + terms**0.5)

    def _stateless(self, kind: str, name: str, o: dict[str, Any]) -> Stateless:
        weight: Any = self.numbers.get(f"{name}.weight")
        bias = self.numbers.get(f"{name}.bias")
        more = [o.get("stride", 1), o.get("padding", 0), o.get("dilation", 1), o.get("groups", 1)]
        window: Any = o.get("kernel_size"), o.get("stride"), o.get("padding", 0)
        found: dict[str, Stateless] = {
            "Linear": lambda x: F.linear(x, weight, bias),
            "Conv1d": lambda x: F.conv1d(x, weight, bias, *more),
            "Conv2d": lambda x: F.conv2d(x, weight, bias, *more),
            "MaxPool1d": lambda x: F.max_pool1d(x, *window),
            "MaxPool2d": lambda x: F.max_pool2d(x, *window),
            "AvgPool1d": lambda x: F.avg_pool1d(x, *window),
            "AvgPool2d": lambda x: F.avg_pool2d(x, *window),
            "AdaptiveAvgPool2d": lambda x: F.adaptive_avg_pool2d(x, o["output_size"]),
            "Flatten": lambda x: x.flatten(1),
        }
        return found[kind]

    def _batch_norm(self, name: str, x_seq: Tensor) -> Tensor:
        axes = [axis for axis in range(x_seq.ndim) if axis != 2]
        shape = (-1, *[1] * (x_seq.ndim - 3))
        mean, var = (self.numbers[f"{name}.running_{k}"] for k in ("mean", "var"))
        if self.case.training:
            mean, var = x_seq.mean(axes), x_seq.var(axes, unbiased=False)
            values = x_seq.numel() / x_seq.shape[2]
            for key, now in (("mean", mean), ("var", var * values / (values - 1))):
                old = self.numbers[f"{name}.running_{key}"]
                self.numbers[f"{name}.running_{key}"] = 0.9 * old + 0.1 * now.detach()
        weight, bias = self.numbers[f"{name}.weight"], self.numbers[f"{name}.bias"]
        if x_seq.dtype == torch.float32:
            # For the rounding of torch's own formula, and of its sums where channels are last.
            x = x_seq.flatten(0, 1)
            last = torch.channels_last if x.ndim == 4 else torch.contiguous_format
            x = x.contiguous(memory_format=last)
            training = self.case.training
            y = F.batch_norm(x, mean.detach(), var.detach(), weight, bias, training, momentum=0.0)
            return y.contiguous().view(x_seq.shape)
        y = (x_seq - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt()
        return y * weight.view(shape) + bias.view(shape)

    def _own(self, name: str) -> dict[str, Tensor]:
        """The numbers of one module."""
        prefix = f"{name}."
        found = self.numbers.items()
        return {key.removeprefix(prefix): v for key, v in found if key.startswith(prefix)}

    def _neuron(self, layer: Layer, name: str, x_seq: Tensor) -> Tensor:
        options = dict(layer.options)
        own = self._own(name)
        if layer.kind in equations.STEPS:
            own = {
                key: value if value.ndim else self._spread(f"{name}.{key}", value, x_seq)
                for key, value in own.items()
            }
        function, shape, *learned = options.pop("surrogate_function", ("Sigmoid", {"alpha": 4.0}))
        prefix = "surrogate_function."
        shapes = {k.removeprefix(prefix): v for k, v in own.items() if k.startswith(prefix)}
        fire = Fire(function, shape, shapes if any(learned) else {}, self.notes)
        options = {"detach_reset": False, "v_reset": None, **options}
        options |= {"fire": fire, "notes": self.notes, "training": self.case.training}
        o = equations.namespace(options, **{k: v for k, v in own.items() if k not in options})
        state = self.states.setdefault(name, {})
        if layer.kind in equations.SEQUENCES:
            state.setdefault("v", torch.zeros_like(x_seq[0]))
            y_seq, self.states[name] = equations.SEQUENCES[layer.kind](o, x_seq, state)
            return y_seq  # type: ignore[no-any-return]
        for key, value in equations.start_of(layer.kind, o).items():
            state.setdefault(key, torch.full_like(x_seq[0], value))
        outputs, potentials = [], []
        for x in x_seq:
            y, state = equations.STEPS[layer.kind](o, x, dict(state))
            outputs.append(y)
            potentials.append(state["v"])
        self.states[name] = state
        if options.get("store_v_seq"):
            before = self.v_seqs.get(name, []) if self.case.step_mode == "s" else []
            self.v_seqs[name] = before + potentials
        return torch.stack(outputs)

    def _foreign(self, name: str, x_seq: Tensor) -> Tensor:
        module: Any = self.foreign[name]
        own = self._own(name)
        with kernels.use_backend("eager"):
            if module.step_mode == "m":
                y: Any = functional_call(module, own, (x_seq,))
            else:
                y = [functional_call(module, own, (x,)) for x in x_seq]
        return torch.stack([*y]) if isinstance(y, list) else y


def _gain(x_seq: Tensor) -> float:
    """The largest factor of batch norm."""
    values = x_seq.detach().movedim(2, 0).flatten(1)
    return float((values.var(1, unbiased=False) + 1e-5).rsqrt().max()) if values.numel() else 1.0
