"""Monitors: what they record, and that they let go."""

import copy
import gc
import inspect
import pickle
import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, functional, layer, monitor, neuron
from bitspike.monitor import (
    AttributeMonitor,
    BaseMonitor,
    GradInputMonitor,
    GradOutputMonitor,
    InputMonitor,
    OutputMonitor,
)

T, B = 4, 3
SIMPLE = (OutputMonitor, InputMonitor, GradInputMonitor, GradOutputMonitor)


def network(step_mode: str = "s") -> nn.Sequential:
    net = nn.Sequential(
        layer.Linear(5, 4),
        neuron.IFNode(),
        nn.Sequential(layer.Linear(4, 2), neuron.LIFNode(v_reset=None)),
    )
    functional.set_step_mode(net, step_mode)
    return net


def batch(step_mode: str = "s") -> Tensor:
    shape = (B, 5) if step_mode == "s" else (T, B, 5)
    return torch.randn(shape, requires_grad=True)


def attribute_monitor(net: nn.Module, *args: Any) -> AttributeMonitor:
    return AttributeMonitor("training", False, net, *args)


every_monitor = pytest.mark.parametrize("make", [*SIMPLE, attribute_monitor])


def run(net: nn.Module, x: Tensor) -> None:
    """Forward and backward."""
    net(x).sum().backward()
    functional.reset_net(net)


def hooks_of(net: nn.Module) -> list[Any]:
    stores = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [h for m in net.modules() for store in stores for h in getattr(m, store).values()]


def test_public_names() -> None:
    monitors = {name for name in monitor.__all__ if issubclass(getattr(monitor, name), BaseMonitor)}
    assert monitors == set(monitor.__all__) - {"GPUMonitor", "GPUSample"}
    assert {cls.__name__ for cls in (*SIMPLE, AttributeMonitor, BaseMonitor)} == monitors
    assert list(inspect.signature(AttributeMonitor).parameters)[:4] == [
        "attribute_name",
        "pre_forward",
        "net",
        "instance",
    ]


@pytest.mark.parametrize("step_mode", ["s", "m"])
def test_output_monitor(step_mode: str) -> None:
    net, x = network(step_mode), batch(step_mode)
    with OutputMonitor(net, neuron.BaseNode) as m:
        y = net(x)
    assert m.monitored_layers == ["1", "2.1"]
    assert len(m.records) == 2
    assert m[1] is m["2.1"][0]
    assert m[1] is y
    assert m["1"][0].shape == (*x.shape[:-1], 4)
    assert m[-1] is y


def test_input_monitor() -> None:
    net, x = network(), batch()
    with InputMonitor(net, nn.Linear) as inputs, OutputMonitor(net, neuron.IFNode) as outputs:
        net(x)
    assert inputs.monitored_layers == ["0", "2.0"]
    assert inputs["0"][0] is x
    assert inputs["2.0"][0] is outputs["1"][0]


def test_input_monitor_sees_all_positional_inputs() -> None:
    net, x, y = nn.Bilinear(2, 3, 1), torch.randn(4, 2), torch.randn(4, 3)
    with InputMonitor(net) as m:
        net(x, y)
    assert m[0] == (x, y)


def test_attribute_monitor_before_and_after() -> None:
    node, x = neuron.IFNode(v_threshold=9.0), torch.ones(B)
    before = AttributeMonitor("v", True, node)
    after = AttributeMonitor("v", False, node, function_on_attribute=lambda v: v.tolist())
    for _ in range(3):
        node(x)
    assert before[0] == 0.0
    assert [record.tolist() for record in before[""][1:]] == [[1] * B, [2] * B]
    assert after.records == [[1] * B, [2] * B, [3] * B]
    assert before.attribute_name == "v"
    after.close()
    with pytest.raises(AttributeError, match="no attribute 'u'"), AttributeMonitor("u", True, node):
        node(x)


def test_gradient_monitors() -> None:
    net, x = network("m"), batch("m")
    with (
        GradInputMonitor(net, (neuron.IFNode, nn.Linear)) as into,
        GradOutputMonitor(net, (neuron.IFNode, nn.Linear)) as out,
    ):
        run(net, x)
    assert into.monitored_layers == out.monitored_layers == ["0", "1", "2.0"]
    assert into[-1] is into["0"][0], "backward meets the first layer last"
    assert x.grad is not None
    assert torch.equal(into["0"][0], x.grad)
    assert torch.equal(into["2.0"][0], out["1"][0])
    assert torch.equal(into["1"][0], out["0"][0])
    assert net[0].bias.grad is not None
    torch.testing.assert_close(out["0"][0].sum((0, 1)), net[0].bias.grad)


def test_gradients_of_single_steps_come_last_step_first() -> None:
    node = neuron.IFNode()
    x_seq = torch.zeros(T, B, requires_grad=True)
    with GradOutputMonitor(node) as m:
        out = torch.stack([node(x) for x in x_seq])
        torch.autograd.backward((out * torch.arange(T)[:, None]).sum())
    assert [record[0].item() for record in m.records] == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (OutputMonitor, "function_on_output"),
        (InputMonitor, "function_on_input"),
        (GradInputMonitor, "function_on_grad_input"),
        (GradOutputMonitor, "function_on_grad_output"),
    ],
)
def test_function(make: Any, name: str) -> None:
    net = network()
    m = make(net, neuron.IFNode, **{name: lambda x: tuple(x.shape)})
    assert callable(getattr(m, name))
    run(net, batch())
    assert m.records == [(B, 4)]


def test_records_keep_their_graph_unless_detached() -> None:
    net = network()
    kept = OutputMonitor(net, neuron.IFNode)
    cut = OutputMonitor(net, neuron.IFNode, lambda s: s.detach())
    net(batch())
    assert kept[0].grad_fn is not None
    assert cut[0].grad_fn is None
    assert torch.equal(kept[0], cut[0])


@every_monitor
def test_without_instance_modules_of_the_network_s_own_type(make: Any) -> None:
    net = network()
    m = make(net)
    assert m.monitored_layers == ["", "2"]
    assert make(net, nn.Module).monitored_layers == [name for name, _ in net.named_modules()]
    run(net, batch())
    assert len(m[""]) == len(m["2"]) == 1


@every_monitor
def test_instance_that_matches_nothing(make: Any) -> None:
    net = network()
    with pytest.raises(ValueError, match="no module of type ParametricLIFNode, only of IFNode, LI"):
        make(net, neuron.ParametricLIFNode)
    with pytest.raises(ValueError, match="Monitor: the network has no module of type Conv2d or Em"):
        make(net, (nn.Conv2d, nn.Embedding))
    assert not hooks_of(net)


@every_monitor
def test_indexing(make: Any) -> None:
    net = network()
    m = make(net, neuron.BaseNode)
    assert m["1"] == []
    with pytest.raises(KeyError, match=r"called '3'; there are '1', '2\.1'"):
        m["3"]
    with pytest.raises(IndexError):
        m[0]
    with pytest.raises(TypeError, match=r"indexed by int or module name, but got 1\.0"):
        m[1.0]


@every_monitor
def test_enable_disable_and_clear(make: Any) -> None:
    net = network()
    m = make(net, neuron.IFNode)
    assert m.is_enable()
    run(net, batch())
    m.disable()
    assert not m.is_enable()
    run(net, batch())
    assert len(m.records) == 1
    m.enable()
    run(net, batch())
    assert len(m.records) == len(m["1"]) == 2
    m.clear_recorded_data()
    assert m.records == m["1"] == []
    assert m.monitored_layers == ["1"]
    run(net, batch())
    assert len(m.records) == len(m["1"]) == 1


def closed(m: BaseMonitor) -> None:
    m.close()


def unhooked(m: BaseMonitor) -> None:
    m.remove_hooks()


def left(m: BaseMonitor) -> None:
    with m as same:
        assert same is m


def left_by_error(m: BaseMonitor) -> None:
    def fail() -> None:
        with m:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()


@every_monitor
@pytest.mark.parametrize("end", [closed, unhooked, left, left_by_error])
def test_no_hook_is_left(make: Any, end: Any) -> None:
    net = network()
    m = make(net, neuron.BaseNode)
    run(net, batch())
    assert len(hooks_of(net)) == len(m.hooks) == 2
    end(m)
    assert hooks_of(net) == m.hooks == []
    assert m.is_enable() is (end is unhooked)
    m.enable()
    run(net, batch())
    assert len(m.records) == 2, "records stay, and none is added"
    m.close()
    m.close()


@every_monitor
def test_lost_monitor_takes_its_hooks_along(make: Any) -> None:
    net = network()
    m = make(net, neuron.BaseNode)
    run(net, batch())
    gone = weakref.ref(m)
    gc.disable()  # no cycle: counting references must do
    try:
        del m
        assert gone() is None
    finally:
        gc.enable()
    assert not hooks_of(net)
    run(net, batch())


@every_monitor
def test_monitor_does_not_keep_the_network(make: Any) -> None:
    net = network()
    m = make(net, neuron.BaseNode)
    gone = weakref.ref(net)
    gc.disable()
    try:
        del net
        assert gone() is None
    finally:
        gc.enable()
    m.close()


@every_monitor
def test_copies_of_the_network_are_not_monitored(make: Any) -> None:
    net = network()
    m = make(net, neuron.BaseNode)
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):  # noqa: S301
        run(again, batch())
        assert m.records == []
    run(net, batch())
    assert len(m.records) == 2


def test_monitoring_changes_nothing() -> None:
    net, x = network("m"), batch("m")
    expected = net(x)
    (gradient,) = torch.autograd.grad(expected.sum(), x)
    functional.reset_net(net)
    monitors = [make(net, nn.Module) for make in SIMPLE]
    y = net(x)
    assert torch.equal(y, expected)
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], gradient)
    assert all(len(m.records) > 4 for m in monitors[:2])


def test_monitored_state_is_still_reset_and_detached() -> None:
    net = network()
    with OutputMonitor(net, base.MemoryModule) as m:
        net(batch()).sum().backward()
        functional.detach_net(net)
        net(batch()).sum().backward()
    assert len(m["1"]) == 2


def test_a_user_writes_a_monitor() -> None:
    class TrainingMonitor(BaseMonitor):
        """Records whether modules are in training mode."""

        def __init__(self, net: nn.Module) -> None:
            super().__init__()
            self._watch(net, nn.Linear, lambda module, hook: module.register_forward_hook(hook))

        def observe(self, module: nn.Module, *args: Any) -> bool:  # noqa: ARG002
            return module.training

    net = network()
    m = TrainingMonitor(net)
    net(batch())
    net.eval()(batch())
    assert m["0"] == [True, False]


def test_failed_construction_leaves_no_noise() -> None:
    with pytest.raises(TypeError):
        OutputMonitor()  # type: ignore[call-arg]
    gc.collect()
