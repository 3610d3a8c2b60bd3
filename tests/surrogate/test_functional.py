"""The functional forms, the static functions, and the two tools."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from bitspike import surrogate
from bitspike.surrogate import Functional, registry

FORMS = {
    name: f for name in surrogate.__all__ if isinstance(f := getattr(surrogate, name), Functional)
}
BACKWARD = [name for name in surrogate.__all__ if name.endswith("_backward")]


def test_every_class_but_one_has_a_form() -> None:
    classes: set[Any] = {form.surrogate for form in FORMS.values()}
    assert classes == set(registry.values()) - {surrogate.MultiLevelSpikeCount}
    assert {name.removesuffix("_backward") for name in BACKWARD} <= set(FORMS)
    for name, form in FORMS.items():
        assert form.surrogate.__name__.lower() == name.replace("_", "")


@pytest.mark.parametrize("name", [n for n in FORMS if n != "poisson_pass"])
def test_form_is_the_class(name: str) -> None:
    form = FORMS[name]
    function = form.surrogate()
    shape = function.parameters_of_shape()
    x = torch.linspace(-3, 3, 41, requires_grad=True)
    (expected,) = torch.autograd.grad(function(x).sum(), x)
    named = dict(zip(function.names, shape, strict=True))
    for y in (
        form(x, *shape), form.apply(x, *shape), form(x), form(x, **named),
        function.spiking_function(x, *shape), function.spiking_function(x, **named),
    ):  # fmt: skip
        assert torch.equal(y, function(x))
        assert torch.equal(torch.autograd.grad(y.sum(), x)[0], expected)
    assert not form.forward(x, *shape).requires_grad
    assert torch.equal(form.forward(x, *shape), function(x))
    smooth = function.primitive(x, *shape)
    assert torch.equal(function.primitive_function(x, **named), smooth)
    assert torch.equal(function.backward(torch.ones(41), x, **named), expected)


@pytest.mark.parametrize("name", BACKWARD)
def test_backward_has_a_place_for_every_argument(name: str) -> None:
    function = FORMS[name.removesuffix("_backward")].surrogate()
    shape = function.parameters_of_shape()
    x, grad = torch.linspace(-3, 3, 41), torch.linspace(1, 2, 41)
    result = getattr(surrogate, name)(grad, x, *shape)
    assert torch.equal(result[0], grad * function.derivative(x, *shape))
    assert result[1:] == (None,) * len(shape)
    assert result[1:] != ()


def test_wrong_parameters_are_named() -> None:
    x = torch.zeros(1)
    with pytest.raises(ValueError, match="ATan: alpha must be a positive"):
        surrogate.atan(x, -1.0)
    with pytest.raises(TypeError, match="alpha"):
        surrogate.ATan.spiking_function(x)
    with pytest.raises(TypeError, match=r"argument: .alpha"):
        surrogate.ATan.backward(x, x, beta=1.0)


def test_check_manual_grad(capsys: pytest.CaptureFixture[str]) -> None:
    atan = surrogate.ATan
    assert surrogate.check_manual_grad(atan.primitive_function, atan.spiking_function, 2.0) < 1e-6
    assert "largest difference of the gradients" in capsys.readouterr().out
    worst = surrogate.check_manual_grad(atan.primitive_function, surrogate.sigmoid, alpha=4.0)
    assert worst == pytest.approx(1.0, abs=1e-3)  # 2 against 1, at 0
    assert "at x = 0 " in capsys.readouterr().out


@pytest.mark.parametrize(
    "spike", [surrogate.ATan(3.0), surrogate.PoissonPass(), surrogate.MultiLevelSpikeCount(2)]
)
def test_plot(spike: surrogate.SurrogateFunctionBase, tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    spike.set_spiking_mode(False)
    figure = surrogate.plot_surrogate_function(spike)
    (axes,) = figure.axes
    assert [line.get_label() for line in axes.lines] == ["spikes", "primitive", "gradient"]
    assert all(torch.as_tensor(line.get_ydata()).isfinite().all() for line in axes.lines)
    assert re.match(type(spike).__name__, axes.get_title())
    assert not spike.spiking
    figure.savefig(tmp_path / "figure.png")
    plt.close(figure)


def test_plot_draws_the_gradient() -> None:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    figure = surrogate.plot_surrogate_function(
        surrogate.ATan(torch.nn.Parameter(torch.tensor(3.0)))
    )
    drawn = torch.as_tensor(figure.axes[0].lines[2].get_ydata())
    assert drawn.max().item() == pytest.approx(1.5)
    plt.close(figure)
