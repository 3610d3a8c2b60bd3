"""What neurons record in single-step mode: one copy a step, stacked when it is read."""

import copy
import io
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from bitspike import base, functional, neuron

T, B, N = 6, 2, 3
NODES: dict[str, Callable[[], Any]] = {
    "lif": lambda: neuron.LIFNode(store_v_seq=True),
    "mpbn": lambda: neuron.MPBNLIFNode(out_features=N, store_v_seq=True).eval(),
    "half": lambda: neuron.HalfThresholdIFNode(store_v_seq=True),
}


def run(node: Any, x_seq: Tensor) -> list[Tensor]:
    """Single steps; the potential after each, as the state has it."""
    found = []
    for x in x_seq:
        node(x)
        found.append(node.v.clone())
    return found


class Written(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the numbers that operations put into new memory."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and func in (
            torch.ops.aten.cat.default, torch.ops.aten.stack.default, torch.ops.aten.clone.default,
        ):  # fmt: skip
            self.numbers += out.numel()
        return out


@pytest.mark.parametrize("kind", NODES)
def test_recording_is_linear_in_time(kind: str) -> None:
    written = []
    for steps in (8, 64):
        node = NODES[kind]()
        with torch.no_grad(), Written() as count:  # type: ignore[no-untyped-call]
            for x in torch.rand(steps, B, N):
                node(x)
            assert node.v_seq.shape == (steps, B, N)
        written.append(count.numbers / steps)
    assert written[0] == written[1]


@pytest.mark.parametrize("kind", NODES)
def test_the_record_is_every_potential(kind: str) -> None:
    node = NODES[kind]()
    x_seq = torch.rand(T, B, N)
    with torch.no_grad():
        found = run(node, x_seq[:4])
        assert torch.equal(node.v_seq, torch.stack(found))
        found += run(node, x_seq[4:])
    assert torch.equal(node.v_seq, torch.stack(found))
    assert node.v_seq is node.v_seq


def test_writing_into_the_state_does_not_change_the_record() -> None:
    node = neuron.LIFNode(store_v_seq=True)
    node(torch.full((2,), 0.5))
    assert isinstance(node.v, Tensor)
    node.v.zero_()
    assert node.v_seq.tolist() == [[0.25, 0.25]]  # type: ignore[union-attr]


def test_a_look_without_gradients_leaves_the_graph() -> None:
    node = neuron.IFNode(v_threshold=100.0, store_v_seq=True)
    x_seq = torch.rand(T, B, requires_grad=True)
    for x in x_seq:
        node(x)
        with torch.no_grad():
            assert node.v_seq is not None
    with torch.inference_mode():
        assert node.v_seq is not None
    assert isinstance(node.v_seq, Tensor)
    node.v_seq.sum().backward()  # type: ignore[no-untyped-call]
    assert x_seq.grad is not None
    assert x_seq.grad[:, 0].tolist() == [6.0, 5.0, 4.0, 3.0, 2.0, 1.0]


def test_inference_mode_then_training() -> None:
    node = neuron.IFNode(store_v_seq=True)
    with torch.inference_mode():
        node(torch.zeros(B))
    assert isinstance(node.v_seq, Tensor)
    assert node.v_seq.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("look_first", [True, False])
def test_copies_and_files_have_the_record(look_first: bool) -> None:
    node = neuron.LIFNode(store_v_seq=True)
    found = torch.stack(run(node, torch.rand(T, B, requires_grad=True)))
    if look_first:
        assert isinstance(node.v_seq, Tensor)
    other: Any = copy.deepcopy(node)
    file = io.BytesIO()
    torch.save(node, file)
    file.seek(0)
    for again in (other, torch.load(file, weights_only=False)):
        assert torch.equal(again.v_seq, found)
        assert not again.v_seq.requires_grad
        again(torch.zeros(B))
        assert again.v_seq.shape == (T + 1, B)
    assert isinstance(node.v_seq, Tensor)
    assert node.v_seq.shape == (T, B)
    assert node.v_seq.requires_grad


def test_detach_reset_and_to() -> None:
    node = neuron.LIFNode(store_v_seq=True)
    run(node, torch.rand(T, B, requires_grad=True))
    functional.detach_net(node)
    node.double()
    assert isinstance(node.v_seq, Tensor)
    assert (node.v_seq.dtype, node.v_seq.requires_grad) == (torch.float64, False)
    functional.reset_net(node)
    assert node.v_seq is None


def test_a_functional_call_leaves_the_record() -> None:
    node = neuron.LIFNode(store_v_seq=True)
    run(node, torch.rand(2, B))
    node.functional_forward((torch.ones(B),), tuple(node.memories()))
    functional_forward = base.to_functional_forward(torch.nn.Sequential(node))
    functional_forward((torch.ones(B),), tuple(node.memories()))
    run(node, torch.rand(1, B))
    assert isinstance(node.v_seq, Tensor)
    assert node.v_seq.shape == (3, B)


def test_assigning_store_v_seq_forgets_the_old_sequence() -> None:
    node = neuron.LIFNode(store_v_seq=True)
    run(node, torch.rand(2, B))
    node.store_v_seq = False
    assert node.v_seq is None
    run(node, torch.rand(2, B))
    assert node.v_seq is None
    node.step_mode, node.store_v_seq = "m", True
    node(torch.rand(T, B))
    assert isinstance(node.v_seq, Tensor)
    assert node.v_seq.shape == (T, B)
    node.store_v_seq = False
    assert node.v_seq is None


def test_other_states_begin_a_new_record() -> None:
    node = neuron.LIFNode(store_v_seq=True)
    run(node, torch.rand(2, B))
    node.v = 0.0
    run(node, torch.rand(3, B + 1))
    assert isinstance(node.v_seq, Tensor)
    assert node.v_seq.shape == (3, B + 1)


def test_a_long_record_is_let_go_without_recursion() -> None:
    node, steps = neuron.IFNode(store_v_seq=True), 20 * sys.getrecursionlimit()
    x = torch.zeros(1)
    for read in (False, True):
        for _ in range(steps):
            node.append_record("v_seq", x)
        if read:
            assert isinstance(node.v_seq, Tensor)
            assert len(node.v_seq) == steps
        node.reset()
        assert node.v_seq is None
