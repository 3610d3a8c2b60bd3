"""`MemoryModule`: what a memory is, and what happens to it."""

import copy
import io
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, layer, neuron


class Counter(base.MemoryModule):
    """Counts its calls, and sums up its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.register_memory("calls", 0)
        self.register_memory("total", 0.0)
        self.register_memory("log", [])

    def single_step_forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ARG002
        self.calls += 1
        self.log.append(self.calls)
        self.total = self.memory_like("total", x) + x
        return self.total


def network() -> nn.Sequential:
    return nn.Sequential(
        layer.Linear(3, 4), neuron.LIFNode(), nn.Sequential(layer.Linear(4, 2), neuron.IFNode())
    )


def state(net: Any) -> Tensor:
    """The membrane potential of the first neuron."""
    v = net[1].v
    assert isinstance(v, Tensor)
    return v


def test_memory_is_an_attribute_and_resets() -> None:
    counter = Counter()
    assert counter(torch.ones(2)).tolist() == [1, 1]
    assert counter(torch.ones(2)).tolist() == [2, 2]
    assert (counter.calls, counter.log) == (2, [1, 2])
    assert {"calls", "total", "log"} <= set(dir(counter))
    counter.reset()
    assert dict(counter.named_memories()) == {"calls": 0, "total": 0.0, "log": []}
    assert list(counter.memories()) == [0, 0.0, []]
    for _ in range(2):
        counter(torch.ones(2))
        assert counter.log == [1], "a reset value is not shared with what the memory holds"
        counter.reset()


def test_default_multi_step_is_the_loop() -> None:
    one, whole = Counter(), Counter()
    whole.step_mode = "m"
    x_seq = torch.randn(5, 2)
    assert torch.equal(whole(x_seq), torch.stack([one(x) for x in x_seq]))
    assert whole.calls == 5


def test_reset_value_can_be_changed() -> None:
    counter = Counter()
    counter.set_reset_value("calls", 7)
    assert counter.calls == 0
    counter.reset()
    assert (counter.calls, counter.get_reset_value("calls")) == (7, 7)
    with pytest.raises(KeyError, match="Counter has no memory 'count'"):
        counter.set_reset_value("count", 1)


@pytest.mark.parametrize("taken", ["calls", "forward", "training"])
def test_memory_name_must_be_free(taken: str) -> None:
    with pytest.raises(ValueError, match=f"already has an attribute '{taken}'"):
        Counter().register_memory(taken, 0)


def test_memory_can_be_deleted() -> None:
    counter = Counter()
    del counter.log
    assert not hasattr(counter, "log")
    counter.reset()
    assert dict(counter.named_memories()) == {"calls": 0, "total": 0.0}
    with pytest.raises(AttributeError, match="nothing"):
        _ = counter.nothing


def test_no_forward_says_what_is_missing() -> None:
    with pytest.raises(NotImplementedError, match="MemoryModule does not define single_step"):
        base.MemoryModule()(torch.ones(1))


def test_state_is_not_in_state_dict() -> None:
    net = network()
    fresh = {key: value.clone() for key, value in net.state_dict().items()}
    net(torch.randn(5, 3))
    assert net.state_dict().keys() == fresh.keys()
    assert list(fresh) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]
    assert not list(net[1].buffers())
    net.load_state_dict(fresh, strict=True)


def test_named_memories_are_qualified_and_in_order() -> None:
    net = network()
    assert dict(base.named_memories(net)) == {
        "1.v": 0.0,
        "2.1.v": 0.0,
    }
    assert list(base.memories(net)) == [0.0, 0.0]
    assert dict(base.named_memories(net[1])) == {"v": 0.0}, "v_seq is a record, not a state"
    assert next(name for name, _ in base.named_memories(net, prefix="net")) == "net.1.v"


def test_a_record_is_held_like_a_memory_but_is_no_state() -> None:
    node = base.MemoryModule()
    node.register_memory("v", 0.0)
    node.register_record("log")
    assert node.log is None
    node.log = torch.ones(2, requires_grad=True) * 2
    assert "log" in dir(node)
    assert list(node.memories()) == base.extract_memories(node) == [0.0]
    base.load_memories(node, [1.0])
    assert node.log.tolist() == [2, 2]
    twin = copy.deepcopy(node)
    assert twin.log.grad_fn is None
    assert node.double().log.dtype is torch.float64
    node.detach()
    assert node.log.grad_fn is None
    node.reset()
    assert (node.v, node.log) == (0.0, None)
    del node.log
    node.register_memory("log", 7)
    assert list(node.memories()) == [0.0, 7]
    with pytest.raises(ValueError, match="already has an attribute 'v'"):
        node.register_record("v")


def test_extracted_memories_can_be_loaded() -> None:
    net = network()
    x = torch.randn(5, 3)
    net(x)
    memories = base.extract_memories(net)
    second = net(x)
    net(x)
    base.load_memories(net, memories)
    assert net[1].v is memories[0]
    assert torch.equal(net(x), second)
    with pytest.raises(ValueError, match="2 memories, but 1 were given"):
        base.load_memories(net, memories[:1])


def test_extracted_memories_keep_their_graph() -> None:
    node, again = neuron.IFNode(v_threshold=9.0), neuron.IFNode(v_threshold=9.0)
    x = torch.ones(2, requires_grad=True)
    node(x)
    base.load_memories(again, base.extract_memories(node))
    again(torch.ones(2))
    assert isinstance(again.v, Tensor)
    (grad,) = torch.autograd.grad(again.v.sum(), x)
    assert (grad > 0.9).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_to_moves_the_state(dtype: torch.dtype) -> None:
    net = network()
    net(torch.randn(5, 3))
    before = state(net)
    assert net.to(dtype) is net
    assert state(net).dtype is dtype
    assert torch.equal(state(net), before.to(dtype))
    assert net(torch.randn(5, 3, dtype=dtype)).dtype is dtype


def test_to_moves_the_reset_value() -> None:
    module = Counter()
    module.register_memory("trace", torch.zeros(2))
    module.double()
    module.reset()
    assert module.trace.dtype is torch.float64


def deepcopied(net: nn.Module) -> Any:
    return copy.deepcopy(net)


def pickled(net: nn.Module) -> Any:
    return pickle.loads(pickle.dumps(net))  # noqa: S301


def saved(net: nn.Module) -> Any:
    file = io.BytesIO()
    torch.save(net, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize("copied", [deepcopied, pickled, saved])
def test_copies_carry_the_state_without_its_graph(copied: Any) -> None:
    net = network()
    x = torch.randn(5, 3)
    net(x)
    again = copied(net)
    assert not state(again).requires_grad
    assert state(net).requires_grad, "the original keeps its graph"
    assert torch.equal(state(again), state(net))
    assert torch.equal(again(x), net(x))
    again(x)
    assert not torch.equal(state(again), state(net)), "state is not shared"
    functional.reset_net(again)
    assert again[1].v == 0.0


def test_detach_keeps_the_value() -> None:
    node = neuron.LIFNode(store_v_seq=True)
    node(torch.randn(3, requires_grad=True))
    v = node.v
    assert isinstance(v, Tensor)
    assert v.requires_grad
    node.detach()
    assert isinstance(node.v, Tensor)
    assert isinstance(node.v_seq, Tensor)
    assert torch.equal(node.v, v)
    assert not node.v.requires_grad
    assert not node.v_seq.requires_grad
    assert v.requires_grad


def test_data_parallel_replicas_have_their_own_state() -> None:
    node = neuron.IFNode()
    node(torch.ones(2))
    replica = node._replicate_for_data_parallel()
    replica(torch.ones(2) / 4)
    assert isinstance(node.v, Tensor)
    assert isinstance(replica.v, Tensor)
    assert (node.v.tolist(), replica.v.tolist()) == ([0, 0], [0.25, 0.25])


def test_state_starts_in_the_input_s_dtype_and_shape() -> None:
    for x, dtype in (
        (torch.zeros(2, 3).double(), torch.float64),
        (torch.zeros(2, 3).half(), torch.float16),
        (torch.zeros(2, 3).long(), torch.float32),
    ):
        node = neuron.IFNode(v_reset=-0.5)
        assert node.v == -0.5
        node(x)
        assert isinstance(node.v, Tensor)
        assert node.v.dtype is dtype
        assert torch.equal(node.v, torch.full((2, 3), -0.5, dtype=dtype))
        assert not node.v.requires_grad
