"""What users derive from, and what draws, in each library on the same data."""

import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bitspike import base, encoding, learning, neuron, rnn, surrogate, visualizing

T, B, N = 6, 2, 3


def agree(ours: Any, theirs: Any) -> None:
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def counters(library: Any) -> Any:
    class Inner(library.MemoryModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.register_memory("total", 0.0)
            self.register_memory("steps", 0)

        def single_step_forward(self, x: Tensor) -> Tensor:
            total: Tensor = self._memories["total"] + x
            self.total, self.steps = total, self._memories["steps"] + 1
            return total

    return nn.Sequential(Inner(), nn.Sequential(Inner()))


def test_states_of_a_network(peer: Any) -> None:
    x_seq = torch.randn(T, B, N)
    seen = []
    for library in (base, peer.base):
        net = counters(library)
        y = torch.stack([net(x) for x in x_seq])
        states = dict(library.named_memories(net))
        for module in (net[0], net[1][0]):
            module.reset()
        seen.append((y, states, dict(library.named_memories(net, "net")), net[0].step_mode))
    agree(*(one[0] for one in seen))
    assert list(seen[0][1]) == list(seen[1][1]) == ["0.total", "0.steps", "1.0.total", "1.0.steps"]
    agree(*([*one[1].values()] for one in seen))
    assert seen[0][2:] == seen[1][2:]


def test_step_modules(peer: Any) -> None:
    found = []
    for library in (base, peer.base):
        kinds = (library.StepModule, library.SingleStepModule, library.MultiStepModule)
        answers: list[Any] = []
        for kind in kinds:
            module = kind()
            answers.append((tuple(module.supported_step_mode()), issubclass(kind, kinds[0])))
            for mode in ("s", "m", "x"):
                try:
                    module.step_mode = mode
                except ValueError:
                    answers.append(None)
                else:
                    answers.append(module.step_mode)
        found.append(answers)
    assert found[0] == found[1]


def thresholds(library: Any) -> Any:
    class Half(library.StatelessEncoder):  # type: ignore[misc]
        def forward(self, x: Tensor) -> Tensor:
            return (x > 0.5).to(x)

    return Half("m")


def test_stateless_encoder(peer: Any) -> None:
    x = torch.rand(T, B, N)
    ours, theirs = thresholds(encoding), thresholds(peer.encoding)
    assert torch.equal(ours(x), theirs(x))
    assert ours.step_mode == theirs.step_mode == "m"


def leaky_node(library: Any, **options: Any) -> Any:
    class Node(library.BaseNode):  # type: ignore[misc]
        """As SpikingJelly 2.0 has its users write neurons."""

        def single_step_functional_forward(self, inputs: Any, states: Any, **_: Any) -> Any:
            h = states[0] + (inputs[0] - states[0]) / 3.0
            s = self.surrogate_function(h - self.v_threshold)
            if self.v_reset is None:
                return (s,), (self.apply_soft_reset(h, s, self.v_threshold),)
            return (s,), (self.apply_hard_reset(h, s, self.v_reset),)

    return Node(**options)


@pytest.mark.parametrize("step_mode", ["s", "m"])
@pytest.mark.parametrize("store", [False, True])
@pytest.mark.parametrize("v_reset", [None, -0.25])
def test_base_node(peer: Any, v_reset: float | None, store: bool, step_mode: str) -> None:
    x = 2.0 * torch.randn(T, B, N) + 1.0
    results = []
    for library in (neuron, peer.neuron):
        node = leaky_node(library, v_reset=v_reset, store_v_seq=store, step_mode=step_mode)
        given = x.clone().requires_grad_()
        y = node(given) if step_mode == "m" else torch.stack([node(one) for one in given])
        (grad,) = torch.autograd.grad((y * torch.arange(y.numel()).view(y.shape)).sum(), given)
        results.append([y, node.v, grad, *([node.v_seq] if store else [])])
        node.reset()
        assert node.v_seq is None
    agree(*results)
    assert 0 < results[0][0].mean() < 1


def cubic(library: Any) -> Any:
    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:
            ctx.save_for_backward(x)
            ctx.alpha = alpha
            spikes: Tensor = library.heaviside(x)
            return spikes

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            (x,) = ctx.saved_tensors
            return grad * ctx.alpha / (1 + x.abs()) ** 3, None

    class Cubic(library.SurrogateFunctionBase):  # type: ignore[misc]
        """As SpikingJelly has its users write surrogates."""

        def __init__(self, alpha: float = 2.0, spiking: bool = True) -> None:
            super().__init__(spiking, alpha=alpha)

        @staticmethod
        def spiking_function(x: Tensor, alpha: float) -> Tensor:
            return Spike.apply(x, alpha)  # type: ignore[no-any-return,no-untyped-call]

        @staticmethod
        def primitive_function(x: Tensor, alpha: float) -> Tensor:
            return 0.5 + alpha * x / 2

    return Cubic(3.0)


def test_surrogate_base(peer: Any) -> None:
    before = dict(surrogate.registry)
    results = []
    try:
        for library in (surrogate, peer.surrogate):
            function = cubic(library)
            x = torch.linspace(-2, 2, 21).requires_grad_()
            y = function(x)
            (grad,) = torch.autograd.grad(y.sum(), x)
            function.set_spiking_mode(False)
            results.append([y, grad, function(x)])
            assert "alpha=3.0" in repr(function)
    finally:
        surrogate.registry.clear()
        surrogate.registry.update(before)
    agree(*results)


def test_heaviside(peer: Any) -> None:
    for dtype in (torch.float32, torch.float16):
        x = torch.tensor([-1.0, -0.0, 0.0, 1e-7, 2.0], dtype=dtype)
        ours, theirs = surrogate.heaviside(x), peer.surrogate.heaviside(x)
        assert torch.equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_check_manual_grad(peer: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Theirs prints the largest difference, ours returns it as well."""
    for alpha in (1.0, 2.0):
        functions = (surrogate.ATan.primitive_function, surrogate.Sigmoid.spiking_function)
        largest = surrogate.check_manual_grad(*functions, alpha=alpha)
        capsys.readouterr()
        theirs = peer.surrogate
        theirs.check_manual_grad(
            theirs.ATan.primitive_function, theirs.Sigmoid.spiking_function, alpha=alpha
        )
        (shown,) = re.findall(r"maximum error= tensor\(([\d.]+)", capsys.readouterr().out)
        assert largest == pytest.approx(float(shown), abs=1e-4)


@pytest.fixture
def pyplot(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    monkeypatch.chdir(tmp_path)
    with matplotlib.rc_context():
        yield plt
    plt.close("all")


def test_plot_surrogate_function(
    peer: Any, pyplot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The same curves; theirs writes files and shows the picture, ours returns it."""
    monkeypatch.setitem(sys.modules, "scienceplots", ModuleType("scienceplots"))
    monkeypatch.setattr(pyplot.style, "use", lambda _: None)  # the style of that package
    monkeypatch.setattr(pyplot, "show", lambda: None)
    monkeypatch.setattr(pyplot, "savefig", lambda *_, **__: None)
    peer.surrogate.plot_surrogate_function(peer.surrogate.ATan())
    theirs = pyplot.gcf().axes[0].lines
    ours = surrogate.plot_surrogate_function(surrogate.ATan()).axes[0].lines
    for one, other in zip(ours, theirs, strict=True):
        x = np.asarray(one.get_xdata())
        inside = abs(x) > 0.01  # the step itself lies on no grid
        got = np.asarray(one.get_ydata())[inside]
        curve = [np.asarray(data) for data in other.get_data()]
        want = np.interp(x, curve[0], curve[1])[inside]
        np.testing.assert_allclose(got, want, atol=1e-3)


HEAT = {"title": "a", "xlabel": "b", "ylabel": "c"}
PICTURES: dict[str, dict[str, Any]] = {
    "plot_2d_heatmap": {"array": (5, 4), **HEAT},
    "plot_1d_spikes": {"spikes": (5, 4), **HEAT},
    "plot_2d_bar_in_3d": {"array": (3, 4), **HEAT, "zlabel": "d"},
    "plot_2d_feature_map": {"x3d": (4, 3, 3), "nrows": 2, "ncols": 2, "space": 1, "title": "a"},
    "plot_one_neuron_v_s": {"v": (5,), "s": (5,)},
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(peer: Any, pyplot: Any, name: str) -> None:
    """The same labels on the same axes, and the same numbers in pictures and lines."""
    generator = np.random.default_rng(0)
    arguments = {
        key: generator.random(value) if isinstance(value, tuple) else value
        for key, value in PICTURES[name].items()
    }
    for key in {"s", "spikes"} & set(arguments):
        arguments[key] = arguments[key].round()
    found = []
    for library in (visualizing, peer.visualizing):
        getattr(library, name)(**arguments)
        figure = pyplot.gcf()
        every = figure.findobj(matplotlib.axes.Axes)  # insets as well
        texts = [(axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) for axes in every]
        images = [np.asarray(image.get_array()) for axes in every for image in axes.images]
        found.append(SimpleNamespace(texts=texts, images=images))
        pyplot.close("all")
    ours, theirs = found
    assert sorted(filter(any, ours.texts)) == sorted(filter(any, theirs.texts))
    for one, other in zip(ours.images, theirs.images, strict=True):
        seen = ~np.isnan(one)  # the gaps between maps are empty in ours and 1 in theirs
        np.testing.assert_allclose(one[seen], other[seen])


def recurrent(library: Any) -> Any:
    class Cell(library.SpikingRNNCellBase):  # type: ignore[misc]
        def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
            super().__init__(input_size, hidden_size, bias)
            self.linear_ih = nn.Linear(input_size, hidden_size, bias)
            self.linear_hh = nn.Linear(hidden_size, hidden_size, bias)
            self.reset_parameters()

        def forward(self, x: Tensor, h: Tensor | None = None) -> Tensor:
            h = x.new_zeros(len(x), self.hidden_size) if h is None else h
            return torch.tanh(self.linear_ih(x) + self.linear_hh(h))

    class Stack(library.SpikingRNNBase):  # type: ignore[misc]
        @staticmethod
        def base_cell() -> Any:
            return Cell

        @staticmethod
        def states_num() -> int:
            return 1

    return Stack(N, 4, 2, bidirectional=True)


def test_recurrent_bases(peer: Any) -> None:
    ours, theirs = recurrent(rnn), recurrent(peer.rnn)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(T, B, N)
    agree(ours(x), theirs(x))
    assert all(p.abs().max() <= 0.5 for p in ours.parameters())  # 1 / sqrt(4)


def test_plasticity(peer: Any) -> None:
    """The module is another way to the three learners."""
    for library in (learning, peer.learning):
        for name in ("STDPLearner", "MSTDPLearner", "MSTDPETLearner"):
            assert getattr(library.plasticity, name) is getattr(library, name)
