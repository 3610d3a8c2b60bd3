"""``torch.compile`` of whole networks: spikes, states and gradients of the network as it is."""

import copy
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bitspike import base, encoding, functional, kernels, layer, neuron, spikes, surrogate

pytestmark = [
    pytest.mark.backend("auto"),
    # Dynamo asks states that have a graph for their gradients, and uses what is deprecated.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

GRADIENTS = 2e-5
"""How far gradients may be apart, as a share of the greatest of their tensor: sums of some hundred
products in float32, in another order; batch norm divides by a small deviation."""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No code that another test has compiled: torch keeps a few versions of each function."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def dyadic(*modules: nn.Module) -> nn.Sequential:
    """A multi-step network with weights that are multiples of 1/8: sums of them are exact."""
    net = nn.Sequential(*modules)
    functional.set_step_mode(net, "m")
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.weight.copy_(torch.randint(-2, 9, module.weight.shape) / 8)
                if module.bias is not None:
                    module.bias.copy_(torch.randint(0, 3, module.bias.shape) / 8)
    return net


def inputs(*shape: int) -> Tensor:
    return torch.randint(-4, 9, shape) / 4


def compiled(net: nn.Module, backend: str = "aot_eager") -> Any:
    return torch.compile(net, fullgraph=True, backend=backend)


def run(net: nn.Module, call: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """The output, and in training the gradients of the input and of all parameters."""
    if not net.training:
        with torch.no_grad():
            return [call(x)]
    x = x.clone().requires_grad_()
    y = call(x)
    weight = torch.arange(1, y.numel() + 1).view(y.shape) / 8
    gradients = torch.autograd.grad((y * weight).sum(), [x, *net.parameters()])
    return [y, *gradients]


def assert_same(net: nn.Module, call: Any, reference: nn.Module, x: Tensor) -> None:
    got, *gradients = run(net, call, x)
    expected, *wanted = run(reference, reference, x)
    assert type(got) is Tensor
    assert torch.equal(got, expected)
    assert got.any()
    for a, b in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=GRADIENTS * max(1e-3, float(b.abs().max())))
    states = zip(base.memories(net), base.memories(reference), strict=True)
    for state, other in states:
        torch.testing.assert_close(state, other, rtol=0, atol=1e-4)


def linear(node: Callable[[], nn.Module]) -> nn.Sequential:
    return dyadic(layer.Flatten(), layer.Linear(12, 9), node(), layer.Linear(9, 4), node())


def convolution(node: Callable[[], nn.Module], pool: nn.Module, norm: bool) -> nn.Sequential:
    return dyadic(
        layer.Conv2d(3, 4, 3, padding=1, bias=not norm),
        layer.BatchNorm2d(4) if norm else nn.Identity(),
        node(), pool, layer.Flatten(), layer.Linear(4 * 2 * 3, 4), node(),
    )  # fmt: skip


def containers() -> nn.Sequential:
    return dyadic(
        layer.SeqToANNContainer(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2)),
        neuron.LIFNode(), layer.Flatten(),
        nn.Sequential(layer.Linear(24, 5), layer.MultiStepContainer(neuron.IFNode())),
    )  # fmt: skip


NETWORKS: dict[str, tuple[Callable[[], nn.Sequential], tuple[int, ...]]] = {
    "IF": (lambda: linear(neuron.IFNode), (3, 2, 2)),
    "LIF": (
        lambda: linear(
            lambda: neuron.LIFNode(4.0, v_reset=None, surrogate_function=surrogate.ATan())
        ),
        (3, 2, 2),
    ),
    "PLIF": (lambda: linear(neuron.ParametricLIFNode), (3, 2, 2)),
    "convolution, norm, maximum": (
        lambda: convolution(neuron.IFNode, layer.MaxPool2d(2), norm=True), (3, 4, 6),
    ),
    "convolution, mean": (
        lambda: convolution(neuron.LIFNode, layer.AvgPool2d(2), norm=False), (3, 4, 6),
    ),
    "containers": (containers, (3, 4, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_training_and_inference(name: str) -> None:
    make, shape = NETWORKS[name]
    net = make()
    reference = copy.deepcopy(net)
    call = compiled(net)
    for T, B, training in ((4, 2, True), (5, 3, True), (5, 3, False)):
        functional.reset_net(net)
        functional.reset_net(reference)
        net.train(training)
        reference.train(training)
        assert_same(net, call, reference, inputs(T, B, *shape))


@pytest.mark.parametrize("name", ["PLIF", "convolution, norm, maximum"])
def test_inductor(name: str) -> None:
    make, shape = NETWORKS[name]
    net = make()
    reference = copy.deepcopy(net)
    assert_same(net, compiled(net, "inductor"), reference, inputs(4, 2, *shape))


def test_states_are_carried_on_with_and_without_their_graph() -> None:
    net = linear(lambda: neuron.LIFNode(store_v_seq=True))
    reference = copy.deepcopy(net)
    call = compiled(net)
    x = inputs(6, 2, 3, 2, 2)
    for part in (x[:2], x[2:4]):
        assert_same(net, call, reference, part)
        functional.detach_net(net)
        functional.detach_net(reference)
    functional.reset_net(net)
    functional.reset_net(reference)
    gradients = []
    for network, forward in ((net, call), (reference, reference)):
        total = forward(x[:3]).sum() + forward(x[3:]).sum()
        gradients.append(torch.autograd.grad(total, [*network.parameters()]))
    for got, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(got, expected)
    records: list[Any] = [one.get_submodule("2").v_seq for one in (net, reference)]
    assert torch.equal(*records)


def test_the_graph_has_one_operator_for_a_whole_sequence() -> None:
    graphs: list[Any] = []

    def backend(graph: Any, _: Any) -> Any:
        graphs.append(graph)
        return graph

    net = dyadic(layer.Linear(6, 5), neuron.LIFNode())
    call = compiled(net, backend)  # type: ignore[arg-type]
    for T in (3, 7, 8):
        functional.reset_net(net)
        call(inputs(T, 2, 6))
    scans = [node for node in graphs[-1].graph.nodes if "bitspike.scan" in str(node.target)]
    assert len(scans) == 1
    assert len(graphs) == 2  # one for T = 3, one for any T


def test_a_changed_neuron_is_compiled_anew() -> None:
    node = neuron.LIFNode()
    net = dyadic(layer.Linear(6, 5), node)
    call = compiled(net)
    x = inputs(4, 2, 6)

    def changes() -> Iterator[None]:
        yield
        node.tau = 4.0
        yield
        node.v_threshold, node.v_reset = 0.5, None
        yield
        node.surrogate_function = surrogate.ATan(alpha=1.0, spiking=False)
        yield
        node.charge = lambda x, v: v + x * 0.5  # type: ignore[method-assign]
        yield

    seen = []
    for _ in changes():
        functional.reset_net(net)
        y = call(x)
        functional.reset_net(net)
        assert torch.equal(y, spikes.plain(net(x)))
        seen.append(y)
    assert not any(torch.equal(a, b) for a, b in pairwise(seen))


class Draws(neuron.BaseNode):
    def charge(self, x: Any, v: Any) -> Any:
        return v + x + torch.rand(5)


class Counts(neuron.BaseNode):
    calls = 0

    def charge(self, x: Any, v: Any) -> Any:
        self.calls += 1
        return v + x * self.calls


class Mixes(neuron.BaseNode):
    def charge(self, x: Any, v: Any) -> Any:
        return v + x.cumsum(-1)


class Branches(neuron.BaseNode):
    def charge(self, x: Any, v: Any) -> Any:
        return v + x if x.sum() > 0 else v - x


@pytest.mark.parametrize("kind", [Draws, Counts, Mixes])
def test_a_step_that_cannot_be_recorded_is_compiled_as_a_loop(kind: Any) -> None:
    net = dyadic(layer.Linear(6, 5), kind())
    reference = copy.deepcopy(net)
    x = inputs(4, 2, 6)
    torch.manual_seed(1)
    y = compiled(net)(x)
    torch.manual_seed(1)
    assert torch.equal(y, reference(x))
    if kind is Counts:
        assert net[1].calls == reference[1].calls == 4


def test_a_step_that_depends_on_values_raises() -> None:
    net = dyadic(layer.Linear(6, 5), Branches())
    with pytest.raises(torch._dynamo.exc.Unsupported, match=r"[Dd]ata-dependent branching"):
        compiled(net)(inputs(4, 2, 6))


def test_backends() -> None:
    for backend in ("eager", "numba"):
        net = dyadic(layer.Conv2d(1, 2, 3, bias=False), layer.BatchNorm2d(2), neuron.LIFNode())
        functional.set_backend(net, backend)
        assert_same(net, compiled(net), copy.deepcopy(net), inputs(4, 2, 1, 5, 5))
    net = dyadic(layer.Linear(6, 5), Mixes())
    net[1].backend = "numba"  # type: ignore[assignment]
    with pytest.raises(Exception, match=r"'numba' was requested and cannot run.*cumsum"):
        compiled(net)(inputs(4, 2, 6))


def test_encoders_draw_the_same_spikes() -> None:
    net = dyadic(encoding.PoissonEncoder(), layer.Flatten(), layer.Linear(8, 5), neuron.LIFNode())
    reference = copy.deepcopy(net)
    call = compiled(net, "inductor").eval()
    image = torch.rand(2, 2, 4)
    for x in (image.expand(4, 2, 2, 4), torch.rand(4, 2, 2, 4)):
        outputs = []
        for one in (call, reference):
            functional.reset_net(one)
            torch.manual_seed(1)
            with torch.no_grad():
                outputs.append(one(x))
        assert torch.equal(*outputs)
    net[0].generator = torch.Generator()  # type: ignore[assignment]
    with pytest.raises(Exception, match="cannot draw from a generator"):
        call(x)


def test_spikes_as_bits_and_held_images_go_in() -> None:
    net = dyadic(layer.Linear(6, 5), neuron.LIFNode(v_threshold=0.25))
    bits = spikes.pack((torch.rand(4, 2, 6) < 0.5).float())
    assert_same_inference(net, bits)
    assert_same_inference(net, inputs(2, 6).expand(4, 2, 6))


def assert_same_inference(net: nn.Sequential, x: Tensor) -> None:
    net.eval()
    functional.reset_net(net)
    with torch.no_grad():
        y = compiled(net)(x)
        functional.reset_net(net)
        assert torch.equal(y, spikes.plain(net(x)))


def test_single_steps() -> None:
    net = dyadic(layer.Linear(6, 5), neuron.LIFNode())
    functional.set_step_mode(net, "s")
    reference = copy.deepcopy(net)
    call = compiled(net)
    for x in inputs(4, 2, 6):
        assert torch.equal(call(x), reference(x))


def test_a_state_of_another_shape_names_the_module() -> None:
    net = dyadic(layer.Linear(6, 5), neuron.LIFNode())
    call = compiled(net)
    call(inputs(4, 2, 6))
    with pytest.raises(Exception, match=r"LIFNode '1': the state 'v'.*reset_net"):
        call(inputs(4, 3, 6))


@pytest.mark.filterwarnings("ignore:The tensor attribute")  # of the state, which export leaves out
def test_an_exported_network_is_its_first_call() -> None:
    net = dyadic(layer.Linear(6, 5), neuron.LIFNode()).eval()
    x = inputs(4, 2, 6)
    program = torch.export.export(net, (x,))
    assert any("bitspike.scan" in str(node.target) for node in program.graph.nodes)
    functional.reset_net(net)
    expected = net(x)
    for _ in range(2):
        assert torch.equal(program.module()(x), spikes.plain(expected))
    assert program.module().state_dict().keys() == net.state_dict().keys()


def test_a_profiler_sees_operators_and_eager_calls_take_none() -> None:
    net = dyadic(layer.Linear(6, 5), neuron.LIFNode())
    with torch.profiler.profile() as profile:
        net(inputs(4, 2, 6))
    names = {event.key for event in profile.key_averages()}
    assert names
    assert not any("bitspike" in name for name in names)
    text, numbers, _ = kernels.describe_step(neuron.LIFNode().step, 1)
    with torch.profiler.profile() as profile:
        torch.ops.bitspike.scan(torch.ones(2, 3, 4), [torch.zeros(3, 4)], [], numbers, text, False)
    assert any("bitspike::scan" in event.key for event in profile.key_averages())
