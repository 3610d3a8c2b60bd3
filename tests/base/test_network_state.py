"""`reset_net` and `detach_net`."""

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from bitspike import functional, neuron


class Foreign(nn.Module):
    """Has state of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def reset(self) -> None:
        self.calls.append("reset")

    def detach(self) -> None:
        self.calls.append("detach")


class Attribute(nn.Module):
    """Has a ``reset`` that is no method."""

    reset = True


def test_reset_reaches_every_depth() -> None:
    net = nn.Sequential(neuron.IFNode(), nn.ModuleDict({"a": nn.Sequential(neuron.LIFNode())}))
    nodes = [m for m in net.modules() if isinstance(m, neuron.BaseNode)]
    for node in nodes:
        node(torch.ones(2) / 4)
        assert isinstance(node.v, Tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        functional.reset_net(net)
    assert [node.v for node in nodes] == [0.0, 0.0]


def test_detach_cuts_and_keeps_the_value() -> None:
    net = nn.Sequential(neuron.IFNode(v_threshold=9.0))
    x = torch.ones(2, requires_grad=True)
    net(x)
    functional.detach_net(net)
    net(x)
    v = net[0].v
    assert isinstance(v, Tensor)
    assert torch.equal(v, torch.full((2,), 2.0))
    (grad,) = torch.autograd.grad(v.sum(), x)
    torch.testing.assert_close(grad, torch.ones(2), atol=1e-6, rtol=0)  # the last step's alone


@pytest.mark.parametrize(
    ("function", "method"), [(functional.reset_net, "reset"), (functional.detach_net, "detach")]
)
def test_foreign_modules_are_served_with_a_warning(
    function: Callable[[nn.Module], None], method: str
) -> None:
    net = nn.Sequential(neuron.IFNode(), Foreign())
    with pytest.warns(UserWarning, match=rf"Foreign\.{method}\(\) of '1'.*MemoryModule") as caught:
        function(net)
    assert net[1].calls == [method]
    assert len(caught) == 1
    assert caught[0].filename == __file__, "the warning points at the caller"


def test_reset_that_is_no_method_is_left_alone() -> None:
    functional.reset_net(nn.Sequential(Attribute()))  # a warning would be an error here


def test_collected_modules_are_reset() -> None:
    class Other(nn.Module):
        resets = 0

        def reset(self) -> None:
            self.resets += 1

    net = nn.Sequential(nn.Linear(2, 2), neuron.IFNode(), Other())
    modules = functional.collect_reset_modules(net)
    assert modules == (net[1], net[2])
    net[1](torch.ones(2))
    functional.invalidate_reset_cache(net)
    with pytest.warns(UserWarning, match=r"calls Other.reset\(\)"):
        functional.reset_collected_modules(modules)
    assert net[1].v == 0.0
    assert net[2].resets == 1
    functional.reset_collected_modules(modules[:1])
