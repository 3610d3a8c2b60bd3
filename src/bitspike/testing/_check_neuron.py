"""A conformance suite for neurons of one's own."""

import copy
import io
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.autograd.gradcheck import GradcheckError

from bitspike import kernels
from bitspike.functional import reset_net
from bitspike.neuron import BaseNode
from bitspike.surrogate import SurrogateFunctionBase


class ConformanceError(AssertionError):
    """A neuron breaks a promise; the message says which one and by how much."""


@dataclass
class Report:
    """What `check_neuron` found.

    Attributes:
        neuron: the neuron's class.
        passed: the promises that it keeps.
        notes: what could not be checked, and why.
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
    make: Callable[[], BaseNode], T: int = 6, shape: tuple[int, ...] = (2, 5), scale: float = 1.5
) -> Report:
    """Holds a neuron to what bitspike promises of every neuron.

    - A loop of single steps and one multi-step call give the same outputs, states and gradients.
    - A sequence cut in two gives what the whole gives.
    - With ``spiking=False`` all gradients are those of finite differences, in float64.
    - The compiled kernel gives what the reference gives, outputs and every gradient.
    - States are not in ``state_dict``, start anew after a reset, and survive copy and pickle.

    Args:
        make: makes a new neuron: its class, or a function without arguments.
        T: number of time steps.
        shape: shape of a time step, ``[B, ...]``.
        scale: size of the random inputs; they should make the neuron fire now and then.

    Returns:
        What was checked. Print it.

    Raises:
        ConformanceError: at the first promise that is broken.
        TypeError: if ``make`` does not make a `neuron.BaseNode`.
    """
    node = make()
    if not isinstance(node, BaseNode):
        raise TypeError(
            f"check_neuron: make() must return a bitspike.neuron.BaseNode, but returned "
            f"{type(node).__name__}"
        )
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(T, *shape, generator=generator, dtype=torch.float64) * scale
    report = Report(type(node).__name__)
    for check in (_steps_and_sequence, _chunks, _differences, _compiled, _state):
        for line in check(make, x):
            (report.notes if line.startswith("not ") else report.passed).append(line)
    return report


def _made(make: Callable[[], BaseNode], step_mode: str, backend: str = "eager") -> BaseNode:
    node = make().double()
    node.step_mode, node.backend = step_mode, backend
    return node


def _answer(node: BaseNode, x: Tensor) -> dict[str, Tensor]:
    """Output, states, and the gradients of a loss on all of them."""
    x = x.clone().requires_grad_()
    y = node(x) if node.step_mode == "m" else torch.stack([node(one) for one in x])
    states = {name: getattr(node, name) for name in node.state_names}
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    loss = (weight * y).sum() + sum((k + 1) * v.sum() for k, v in enumerate(states.values()))
    wanted = {"input": x, **dict(node.named_parameters())}
    gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    found = {f"gradient of {n}": g for n, g in zip(wanted, gradients, strict=True) if g is not None}
    return {"output": y + 0, **{f"state {n}": v for n, v in states.items()}, **found}


def _same(promise: str, got: dict[str, Tensor], want: dict[str, Tensor], bound: float) -> str:
    if got.keys() != want.keys():
        raise ConformanceError(f"{promise}: one has {sorted(got)}, the other {sorted(want)}")
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


def _steps_and_sequence(make: Callable[[], BaseNode], x: Tensor) -> Iterator[str]:
    single, multi = _answer(_made(make, "s"), x), _answer(_made(make, "m"), x)
    yield _same("single steps give what one multi-step call gives", single, multi, 1e-9)
    y = multi["output"]
    if bool((y == y.flatten()[0]).all()):
        yield "not tested in earnest: all outputs are equal; change `scale` or the parameters"


def _chunks(make: Callable[[], BaseNode], x: Tensor) -> Iterator[str]:
    whole, parts = _made(make, "m"), _made(make, "m")
    with torch.no_grad():
        expected = {"output": whole(x) + 0}
        cut = max(1, len(x) // 3)
        found = {"output": torch.cat([parts(x[:cut]) + 0, parts(x[cut:]) + 0])}
        for name in whole.state_names:
            expected[name], found[name] = getattr(whole, name), getattr(parts, name)
    yield _same("a sequence in two parts gives what the whole gives", found, expected, 1e-12)


def _differences(make: Callable[[], BaseNode], x: Tensor) -> Iterator[str]:
    node = _made(make, "m")
    spike = node.surrogate_function
    if not isinstance(spike, SurrogateFunctionBase):
        yield "not checked by finite differences: the surrogate function has no smooth primitive"
        return
    spike.set_spiking_mode(False)
    parameters = [p for p in node.parameters() if p.requires_grad]

    def outputs(x: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        node.reset()
        y = node(x)
        return (y, *(getattr(node, name) for name in node.state_names))

    inputs = (x.clone().requires_grad_(), *parameters)
    try:
        torch.autograd.gradcheck(outputs, inputs)
    except GradcheckError as error:
        raise ConformanceError(f"gradients are those of finite differences: {error}") from error
    yield "gradients are those of finite differences (spiking=False)"


def _compiled(make: Callable[[], BaseNode], x: Tensor) -> Iterator[str]:
    promise = "the compiled kernel gives what the reference gives"
    try:
        fused = _answer(_made(make, "m", "numba"), x)
    except kernels.BackendError as error:
        yield f"not compiled: {error}"
        return
    yield _same(promise, fused, _answer(_made(make, "m"), x), 1e-9)


def _state(make: Callable[[], BaseNode], x: Tensor) -> Iterator[str]:
    node = _made(make, "m")
    with torch.no_grad():
        first = node(x) + 0
        kept = set(node.state_dict()) & set(dict(node.named_memories()))
        if kept:
            raise ConformanceError(f"state stays out of state_dict: {sorted(kept)} is in it")
        for how, clone in (
            ("deepcopy", copy.deepcopy(node)),
            ("pickle", pickle.load(io.BytesIO(pickle.dumps(node)))),  # noqa: S301 -- our own
        ):
            clone_answer, answer = clone(x), copy.deepcopy(node)(x)
            _same(f"{how} keeps the state", {"y": clone_answer + 0}, {"y": answer + 0}, 0.0)
        reset_net(node)
        again = node(x) + 0
    yield _same("after a reset the neuron starts anew", {"y": again}, {"y": first}, 0.0)
    yield "state stays out of state_dict, and survives deepcopy and pickle"
