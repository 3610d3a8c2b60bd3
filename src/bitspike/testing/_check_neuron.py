"""A conformance suite for neurons."""

import copy
import io
import pickle
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.gradcheck import GradcheckError

from bitspike import kernels
from bitspike.base import MemoryModule, StepModule
from bitspike.functional import reset_net
from bitspike.surrogate import SurrogateFunctionBase

Make = Callable[[], nn.Module]


class ConformanceError(AssertionError):
    """A neuron breaks a promise; the message says which, and by how much."""


@dataclass
class Report:
    """The result of `check_neuron`.

    Attributes:
        neuron: the neuron's class.
        passed: the promises that it keeps.
        notes: checks that could not be made, and why.
    """

    neuron: str
    passed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.neuron}: {len(self.passed)} checks passed"]
        lines += [f"  ok    {line}" for line in self.passed]
        lines += [f"  note  {line}" for line in self.notes]
        return "\n".join(lines)


def check_neuron(
    make: Make,
    T: int = 6,
    shape: tuple[int, ...] = (2, 5),
    scale: float = 1.5,
    *,
    without: Collection[str] = (),
) -> Report:
    """Check that a neuron keeps the promises of all neurons of bitspike.

    - ``"modes"``: a loop of single steps and one multi-step call give the same outputs, states and
      gradients.
    - ``"parts"``: a sequence in two parts gives the same as the whole sequence.
    - ``"differences"``: with ``spiking=False`` all gradients are those of finite differences, in
      float64.
    - ``"kernel"``: the compiled kernel gives the outputs and all gradients of the reference, in
      each step mode.
    - ``"state"``: states are not in ``state_dict``, start anew after a reset, and survive copy and
      pickle.

    Args:
        make: makes a new neuron: its class, or a function without arguments. Random parameters are
            the same each time.
        T: number of time steps.
        shape: shape of a time step, ``[B, ...]``.
        scale: size of the random inputs; they should make the neuron fire now and then.
        without: promises that this neuron does not make. ``"gradients"`` stands for all gradients:
            a neuron for inference.

    Returns:
        The report. Print it.

    Raises:
        ConformanceError: at the first broken promise.
        TypeError: if ``make`` does not make a module with step modes.
        ValueError: for an unknown promise.
    """
    with torch.random.fork_rng(devices=[]):
        node = make()
    if not isinstance(node, nn.Module) or not isinstance(node, StepModule):
        raise TypeError(
            f"check_neuron: make() must return a neuron, such as a bitspike.neuron.BaseNode, but "
            f"returned {type(node).__name__}"
        )
    unknown = set(without) - {*_PROMISES, "gradients"}
    if unknown:
        raise ValueError(
            f"check_neuron: without={sorted(unknown)}, but promises are {', '.join(_PROMISES)} "
            "and gradients"
        )
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(T, *shape, generator=generator, dtype=torch.float64) * scale
    report = Report(type(node).__name__)
    bench = _Bench(make, x, gradients="gradients" not in without)
    with torch.random.fork_rng(devices=[]):
        for name, check in _PROMISES.items():
            lines = ["not promised: " + name] if name in without else check(bench)
            for line in lines:
                (report.notes if line.startswith("not ") else report.passed).append(line)
    return report


@dataclass(frozen=True)
class _Bench:
    """The constructor of a neuron, and the input of its tests."""

    make: Make
    x: Tensor
    gradients: bool

    def node(self, step_mode: str | None = None, backend: str = "eager") -> Any:
        """Return a new neuron, in multi-step mode where it has that mode."""
        torch.manual_seed(0)
        node: Any = self.make().double()
        modes = node.supported_step_mode()
        node.step_mode = step_mode or ("m" if "m" in modes else "s")
        node.backend = backend
        return node

    def answer(self, node: Any) -> dict[str, Tensor]:
        """Return output, states, and the gradients of a loss on all of them."""
        if not self.gradients:
            with torch.no_grad():
                return {"output": _output(node, self.x), **_states(node)}
        x = self.x.clone().requires_grad_()
        y, states = _output(node, x), _states(node)
        weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
        loss = (weight * y).sum() + sum((k + 1) * v.sum() for k, v in enumerate(states.values()))
        wanted = {"input": x, **dict(node.named_parameters())}
        values = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
        gradients = {
            f"gradient of {name}": g
            for name, g in zip(wanted, values, strict=True)
            if g is not None
        }
        return {"output": y, **states, **gradients}


def _output(node: Any, x: Tensor) -> Tensor:
    """Return the dense output for the sequence ``x``; several outputs are stacked."""
    if node.step_mode == "s":
        return torch.stack([_stacked(node(step)) for step in x])
    return _stacked(node(x)) + 0


def _stacked(output: Any) -> Tensor:
    return torch.stack([*output]) if isinstance(output, list | tuple) else output


def _states(node: Any) -> dict[str, Tensor]:
    named = node.named_memories() if isinstance(node, MemoryModule) else ()
    return {f"state {name}": value for name, value in named if isinstance(value, Tensor)}


def _same(promise: str, got: dict[str, Tensor], want: dict[str, Tensor], bound: float) -> str:
    if got.keys() != want.keys():
        raise ConformanceError(f"{promise}: {sorted(got)} and {sorted(want)} are not the same")
    for name, value in want.items():
        if got[name].shape != value.shape:
            raise ConformanceError(
                f"{promise}: {name} has shape {tuple(got[name].shape)} and {tuple(value.shape)}"
            )
        a, b = got[name].detach(), value.detach()
        difference = float((a - b).abs().max()) if b.numel() else 0.0
        if not difference <= bound * max(1.0, float(b.abs().max())):
            raise ConformanceError(f"{promise}: {name} differs by up to {difference:.3g}")
    return promise


def _modes(bench: _Bench) -> Iterator[str]:
    node = bench.node()
    modes = node.supported_step_mode()
    y = bench.answer(node)
    if len(modes) < 2:
        yield f"not compared with another step mode: there is only {modes[0]!r}"
    else:
        promise = "single steps give the same as a multi-step call"
        yield _same(promise, bench.answer(bench.node("s")), y, 1e-9)
    if bool((y["output"] == y["output"].flatten()[0]).all()):
        yield "not a real test: all outputs are equal; change `scale` or the parameters"


def _parts(bench: _Bench) -> Iterator[str]:
    whole, parts, x = bench.node(), bench.node(), bench.x
    cut = max(1, len(x) // 3)
    with torch.no_grad():
        expected = {"output": _output(whole, x), **_states(whole)}
        joined = {"output": torch.cat([_output(parts, x[:cut]), _output(parts, x[cut:])])}
    yield _same(
        "a sequence in two parts gives the same as the whole sequence",
        joined | _states(parts), expected, 1e-12,
    )  # fmt: skip


def _differences(bench: _Bench) -> Iterator[str]:
    if not bench.gradients:
        yield "not promised: gradients"
        return
    node = bench.node()
    spike = getattr(node, "surrogate_function", None)
    if isinstance(spike, SurrogateFunctionBase):
        spike.set_spiking_mode(False)
    elif spike is not None or hasattr(node, "v_threshold"):
        yield "not checked by finite differences: the surrogate function has no smooth primitive"
        return
    parameters = [p for p in node.parameters() if p.requires_grad]

    def outputs(x: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        reset_net(node)
        return (_output(node, x), *_states(node).values())

    inputs = (bench.x.clone().requires_grad_(), *parameters)
    try:
        torch.autograd.gradcheck(outputs, inputs)
    except GradcheckError as error:
        raise ConformanceError(f"gradients are those of finite differences: {error}") from error
    yield "gradients are those of finite differences (spiking=False)"


def _kernel(bench: _Bench) -> Iterator[str]:
    promise = "the compiled kernel gives the same as the reference"
    for mode in bench.node().supported_step_mode():
        try:
            fused = bench.answer(bench.node(mode, "numba"))
        except kernels.BackendError as error:
            yield f"not compiled: {error}"
            return
        _same(promise, fused, bench.answer(bench.node(mode)), 1e-9)
    yield promise


def _state(bench: _Bench) -> Iterator[str]:
    node, x = bench.node(), bench.x
    with torch.no_grad():
        first = _output(node, x)
        kept = set(node.state_dict()) & {name.removeprefix("state ") for name in _states(node)}
        if kept:
            raise ConformanceError(f"state stays out of state_dict: {sorted(kept)} is in it")
        for how, clone in (
            ("deepcopy", copy.deepcopy(node)),
            ("pickle", pickle.load(io.BytesIO(pickle.dumps(node)))),  # noqa: S301 -- our own
        ):
            expected = {"y": _output(copy.deepcopy(node), x)}
            _same(f"{how} keeps the state", {"y": _output(clone, x)}, expected, 0.0)
        reset_net(node)
        again = _output(node, x)
    yield _same("after a reset the neuron starts anew", {"y": again}, {"y": first}, 0.0)
    yield "state stays out of state_dict, and survives deepcopy and pickle"


_PROMISES: dict[str, Callable[[_Bench], Iterator[str]]] = {
    "modes": _modes,
    "parts": _parts,
    "differences": _differences,
    "kernel": _kernel,
    "state": _state,
}
