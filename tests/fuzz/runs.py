"""Runs a case with the library and with the reference: the same calls, loss and gradients."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from tests.fuzz import inputs, modules
from tests.fuzz.cases import Case
from tests.fuzz.catalogue import FOREIGN
from tests.fuzz.reference import Reference
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from bitspike import functional, kernels

Found = dict[str, Tensor]
"""What comes out: outputs, states, gradients and statistics by their names."""


@dataclass(frozen=True)
class Answer:
    """What the reference finds, and its notes, see `Reference`."""

    found: Found
    notes: list[Tensor]
    terms: dict[str, float]
    gain: float


def rounds(case: Case) -> Iterator[tuple[Found, Answer, list[Answer]]]:
    """What the library finds in each round, the reference in double precision, and in single.

    The last ones show what rounding does. There are two of them, the second one with weights that
    are wrong in the last bit; for dyadic numbers, which are not rounded, there is the first only.
    """
    net = modules.build(case)
    torch.manual_seed(case.seed)
    for number in range(case.rounds):
        now = replace(case, B=case.B + number // 2)  # the third round has one sample more
        xs = [inputs.make(now, call) for call in range(case.calls)]
        starts = _starts(now, copy.deepcopy(net), xs) if case.start else {}
        if number:
            modules.change_numbers(net)
        before = copy.deepcopy(net)
        masks: list[dict[str, Tensor]] = []
        got = _library(case, net, xs, starts, masks)
        exact = _reference(case, before, xs, starts, masks, torch.float64)
        rounded = [_reference(case, before, xs, starts, masks, torch.float32)]
        if not case.dyadic:
            _nudge(before)
            rounded.append(_reference(case, before, xs, starts, masks, torch.float32))
        yield got, exact, rounded
        functional.reset_net(net)


@contextmanager
def _strictly(strict: bool) -> Iterator[None]:
    """torch's deterministic mode."""
    torch.use_deterministic_algorithms(strict)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@torch.no_grad()
def _nudge(net: nn.Module) -> None:
    """Weights that are a little larger or smaller, by the last bit of single precision."""
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        sign = 2 * torch.randint(2, parameter.shape, generator=generator) - 1
        parameter.mul_(1 + sign.to(parameter.dtype) * 2.0**-23)


def _starts(case: Case, net: nn.Module, xs: list[Tensor]) -> dict[str, Tensor]:
    """Potentials for the neurons to start from."""
    with torch.no_grad(), kernels.use_backend("eager"):
        net.eval()
        _whole(case, net, inputs.dense(xs[0]))
    generator = torch.Generator().manual_seed(case.seed)
    found = {}
    for name, value in modules.memories(net).items():
        if name.endswith(".v") and isinstance(value, Tensor):
            start = torch.randint(-4, 3, value.shape, generator=generator) / 4
            found[name] = start.to(value.dtype)
    return found


def _whole(case: Case, net: Callable[[Tensor], Any], x: Tensor) -> Tensor:
    """A call on a sequence, in either step mode."""
    if case.step_mode == "m":
        y: Tensor = net(x)
        return y
    return torch.stack([inputs.dense(net(one)) for one in x])


def _library(
    case: Case,
    net: nn.Module,
    xs: list[Tensor],
    starts: dict[str, Tensor],
    masks: list[dict[str, Tensor]],
) -> Found:
    leaves = [inputs.leaf(x, case) for x in xs]
    begin = {name: value.clone().requires_grad_() for name, value in starts.items()}
    with kernels.use_backend(case.backend), _strictly(case.strict):
        if case.variant == "frozen":
            y = _whole(case, functional.freeze(net), xs[0])
            return {"y 0": inputs.dense(y), "x 0 afterwards": inputs.dense(xs[0])}
        if case.variant == "inference first":
            with torch.inference_mode():
                _whole(case, net.eval(), xs[0])
            functional.reset_net(net.train(case.training))
        for name, value in begin.items():
            module, _, memory = name.rpartition(".")
            setattr(net.get_submodule(module), memory, value)

        def forward(call: int) -> Tensor:
            x = leaves[call][1]
            y: Tensor
            if case.variant == "checkpoint":
                y = checkpoint(lambda x: _whole(case, net, x), x, use_reentrant=False)
            else:
                y = _whole(case, net, x)
            masks.append(
                {
                    name.removesuffix(".mask"): value.detach().double()
                    for name, value in modules.memories(net).items()
                    if name.endswith(".mask") and value is not None
                }
            )
            return y

        def states() -> Found:
            found = {k: v for k, v in modules.memories(net).items() if isinstance(v, Tensor)}
            return {k: v for k, v in found.items() if not k.endswith(".mask")}

        def v_seqs() -> Found:
            named = net.named_modules()
            return {n: m.v_seq for n, m in named if getattr(m, "store_v_seq", False)}

        session = _Session(case, forward, states, v_seqs)
        learned = dict(net.named_parameters())
        found = session.run(
            {**{f"x {k}": leaf for k, (leaf, _) in enumerate(leaves)}, **begin, **learned},
            detach=lambda: functional.detach_net(net),
            reset=lambda: functional.reset_net(net),
        )
    statistics = {name: b for name, b in net.named_buffers() if "running" in name}
    found |= {f"x {k} afterwards": inputs.dense(x) for k, x in enumerate(xs)}
    return found | {f"buffer {name}": value.clone() for name, value in statistics.items()}


def _reference(
    case: Case,
    net: nn.Module,
    xs: list[Tensor],
    starts: dict[str, Tensor],
    masks: list[dict[str, Tensor]],
    dtype: torch.dtype,
) -> Answer:
    numbers = {
        name: value.detach().to(dtype).clone().requires_grad_(value.requires_grad)
        for name, value in net.named_parameters()
    }
    learned = dict(numbers)
    numbers |= {n: b.to(dtype).clone() for n, b in net.named_buffers() if b.is_floating_point()}
    foreign = {
        name: copy.deepcopy(module).to(dtype)
        for name, module in net.named_modules()
        if type(module).__name__ in FOREIGN
    }
    reference = Reference(case, numbers, foreign)
    leaves = []
    for x in xs:
        plain = inputs.dense(x).detach().to(dtype).contiguous()
        held = case.layout in ("held", "held channels last") and x.stride(0) == 0
        leaf = (plain[:1].clone() if held else plain.clone()).requires_grad_(case.x_grad)
        leaves.append((leaf, leaf.expand(plain.shape) if held and case.x_grad else leaf))
    if not case.x_grad:
        leaves = [
            (leaf, inputs.dense(x).to(dtype)) for (leaf, _), x in zip(leaves, xs, strict=True)
        ]
    begin = {k: v.to(dtype).requires_grad_() for k, v in starts.items()}
    for name, value in begin.items():
        module, _, memory = name.rpartition(".")
        reference.states.setdefault(module, {})[memory] = value

    def forward(call: int) -> Tensor:
        masked = masks[call] if masks else {}
        reference.masks = {name: mask.to(dtype) for name, mask in masked.items()}
        return reference(leaves[call][1])

    def states() -> Found:
        found = {
            f"{module}.{name}": value
            for module, state in reference.states.items()
            for name, value in state.items()
        }
        for name, module in reference.foreign.items():
            own = modules.memories(module)
            found |= {
                f"{name}{key}": value for key, value in own.items() if isinstance(value, Tensor)
                and name not in reference.states and not key.endswith(".mask")
            }  # fmt: skip
        return found

    def v_seqs() -> Found:
        return {name: torch.stack(v_seq) for name, v_seq in reference.v_seqs.items()}

    session = _Session(case, forward, states, v_seqs)
    wanted = {**{f"x {k}": leaf for k, (leaf, _) in enumerate(leaves)}, **begin, **learned}
    found = session.run(wanted, reference.detach, reference.reset)
    found |= {f"x {k} afterwards": inputs.dense(x).to(dtype) for k, x in enumerate(xs)}
    found |= {f"buffer {n}": v for n, v in reference.numbers.items() if "running" in n}
    return Answer(found, reference.notes, reference.terms, reference.gain)


@dataclass
class _Session:
    """The calls of a round, their loss, and its gradients: the same for library and reference."""

    case: Case
    forward: Callable[[int], Tensor]
    states: Callable[[], Found]
    v_seqs: Callable[[], Found]

    def run(self, wanted: Found, detach: Callable[[], None], reset: Callable[[], None]) -> Found:
        case, found = self.case, Found()
        wanted = {name: value for name, value in wanted.items() if value.requires_grad}
        total: dict[str, Tensor] = {}
        loss: Any = 0.0
        for call in range(case.calls):
            y = self.forward(call)
            loss = loss + self.loss(y, call)
            found[f"y {call}"] = inputs.dense(y).detach().clone()
            found |= {f"state {k} {call}": v.detach().clone() for k, v in self.states().items()}
            found |= {f"v_seq {k} {call}": v.detach().clone() for k, v in self.v_seqs().items()}
            last = call == case.calls - 1
            if last or case.between != "keep":
                self.backward(loss, wanted, total)
                loss = 0.0
                if not last:
                    {"detach": detach, "reset": reset}[case.between]()
        return found | {f"gradient {name}": value for name, value in total.items()}

    def loss(self, y: Tensor, call: int) -> Any:
        generator = torch.Generator().manual_seed(7 * self.case.seed + call)

        def weight(like: Tensor) -> Tensor:
            random = torch.randint(-7, 9, like.shape, generator=generator)
            return (random / 8).to(like.dtype)

        terms: dict[str, Callable[[], Any]] = {
            "rate": lambda: (weight(y[0]) * y.mean(0)).sum() * 4,
            "sum": lambda: (weight(y[0]) * y.sum(0)).sum(),
            "last": lambda: (weight(y[0]) * y[-1]).sum(),
            "all": lambda: (weight(y) * y).sum(),
            "square": lambda: (y.mean(0) - weight(y[0])).square().sum(),
            "states": lambda: sum((weight(v) * v).sum() for _, v in sorted(self.states().items())),
            "v_seq": lambda: sum((weight(v) * v).sum() for _, v in sorted(self.v_seqs().items())),
        }
        return sum(terms[name]() for name in self.case.loss)

    def backward(self, loss: Any, wanted: Found, total: dict[str, Tensor]) -> None:
        """Adds the gradients of the loss to ``total``."""
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            return
        if self.case.variant == "gradient penalty":
            xs = [value for name, value in wanted.items() if name.startswith("x ")]
            first = torch.autograd.grad(loss, xs, create_graph=True, allow_unused=True)
            penalty = sum(((g * g).sum() for g in first if g is not None), loss * 0)
            loss = loss + penalty
        gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
        for name, value in zip(wanted, gradients, strict=True):
            if value is not None:
                total[name] = total[name] + value if name in total else value
