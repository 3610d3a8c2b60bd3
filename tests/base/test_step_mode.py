"""Step modes: what a module supports, and what it refuses."""

import pytest

from bitspike import base, encoding, layer, neuron


class Whole(base.MemoryModule, base.MultiStepModule):
    """State, but sequences only."""


class Single(base.MemoryModule, base.SingleStepModule):
    """State, but time steps only."""


@pytest.mark.parametrize(
    ("module", "modes", "default"),
    [
        (base.StepModule(), ("s", "m"), "s"),
        (base.SingleStepModule(), ("s",), "s"),
        (base.MultiStepModule(), ("m",), "m"),
        (base.MemoryModule(), ("s", "m"), "s"),
        (Whole(), ("m",), "m"),
        (Single(), ("s",), "s"),
        (neuron.IFNode(), ("s", "m"), "s"),
        (layer.Linear(1, 1), ("s", "m"), "s"),
        (encoding.PoissonEncoder(), ("s", "m"), "s"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_step_mode(module: base.StepModule, modes: tuple[str, ...], default: str) -> None:
    assert module.supported_step_mode() == modes
    assert module.step_mode == default
    for mode in modes:
        module.step_mode = mode
        assert module.step_mode == mode
    before = module.step_mode
    for bad in ("x", "", "single", None, *({"s", "m"} - set(modes))):
        with pytest.raises(ValueError, match=rf"{type(module).__name__}: step_mode must be '"):
            module.step_mode = bad  # type: ignore[assignment]
    assert module.step_mode == before


def test_modules_do_not_share_their_mode() -> None:
    one, other = neuron.IFNode(), neuron.IFNode()
    one.step_mode = "m"
    assert other.step_mode == "s"
