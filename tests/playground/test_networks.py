from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bitspike.datasets import centre_drawing
from bitspike.examples.lif_fc_mnist import Options, make_net
from bitspike.playground import Model, load_models
from bitspike.spikes import pack
from bitspike.training import Answer, CheckpointError, save_checkpoint

from .digits import DIGITS, ink, moved


def image_of(digit: int, scale: float = 1, dx: float = 0, pen: float = 0.08) -> torch.Tensor:
    return torch.from_numpy(centre_drawing(ink(moved(DIGITS[digit], scale, dx, 0), pen=pen)))


@pytest.mark.parametrize("digit", DIGITS)
def test_rough_digits_are_read(model: Model, digit: int) -> None:
    assert model.respond(image_of(digit), 50, 2.0, 1.0, 0).predicted == digit
    small = image_of(digit, scale=0.5, dx=0.2, pen=0.05)
    assert model.respond(small, 50, 2.0, 1.0, 1).predicted == digit


@pytest.mark.parametrize(("tau", "v_threshold"), [(2.0, 1.0), (5.0, 0.5), (1.05, 3.0)])
def test_potentials_follow_the_equations(model: Model, tau: float, v_threshold: float) -> None:
    answer = model.respond(image_of(8), 30, tau, v_threshold, 4)
    weight = next(model.net.parameters()).detach().numpy().astype(np.float64)
    v = np.zeros(10)
    input_spikes, s_seq = answer.input_spikes.numpy(), answer.s_seq.numpy() > 0
    for x, s, found in zip(input_spikes @ weight.T, s_seq, answer.v_seq, strict=True):
        h = v + (x - v) / tau
        sure = np.abs(h - v_threshold) > 1e-4
        assert ((h >= v_threshold) == s)[sure].all()
        v = np.where(s, 0, h)
        np.testing.assert_allclose(found, v, atol=1e-4)


def test_the_seed_decides_the_spikes_and_nothing_is_left_behind(model: Model) -> None:
    def ask(seed: int) -> Answer:
        return model.respond(image_of(2), 20, 2.0, 1.0, seed)

    first, other, again = ask(1), ask(2), ask(1)
    assert torch.equal(first.input_spikes, again.input_spikes)
    assert torch.equal(first.v_seq, again.v_seq)
    assert not torch.equal(first.input_spikes, other.input_spikes)


def test_pixels_fire_with_the_probability_of_their_brightness(model: Model) -> None:
    image = torch.zeros(28, 28)
    image[0] = 0.25
    image[1] = 1
    rate = model.respond(image, 200, 2.0, 1.0, 0).input_spikes.mean(0).reshape(28, 28)
    assert rate[0].mean() == pytest.approx(0.25, abs=0.03)
    assert (rate[1] == 1).all()
    assert (rate[2:] == 0).all()


# -- checkpoints ------------------------------------------------------------------------------


def content(**changes: Any) -> dict[str, Any]:
    options = Options(T=100, tau=3.0, dataset="fashion-mnist")
    net = make_net(options).state_dict()
    return {"options": options.trajectory(), "net": net, "optimizer": {}, **changes}


def test_checkpoints_of_the_tutorial_program_are_read(tmp_path: Path) -> None:
    saved = content()
    save_checkpoint(tmp_path / "a.pth", "lif_fc_mnist", saved)
    model = Model.read(tmp_path / "a.pth", "mine")
    options = model.options
    assert (model.name, options.T, options.tau) == ("mine", 100, 3.0)
    assert options.dataset == "fashion-mnist"
    assert torch.equal(next(model.net.parameters()), next(iter(saved["net"].values())))


@pytest.mark.parametrize(
    "changes",
    [
        {"net": torch.nn.Linear(3, 2).state_dict()},
        {"net": None},
        {"options": None},
        {"options": {"T": 4, "tau": 0.5, "dataset": "mnist"}},
        {"options": {"T": 4}},
        {"options": {"T": 2**63, "tau": 2.0, "dataset": "mnist"}},
        {"options": {"T": 4, "tau": float("nan"), "dataset": "mnist"}},
        {"options": {"T": 4, "tau": 2.0, "dataset": "../x"}},
        {"net": {"1.weight": torch.zeros(10, 784).double()}},
        {"net": {"1.weight": torch.zeros(10, 1).expand(10, 784)}},
        {"net": {"1.weight": torch.zeros(10, 784, device="meta")}},
        {"net": {"1.weight": pack(torch.zeros(10, 784))}},
    ],
)
def test_checkpoints_of_other_networks_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    save_checkpoint(tmp_path / "a.pth", "lif_fc_mnist", content(**changes))
    with pytest.raises(CheckpointError, match=r"a\.pth was not written by this program"):
        Model.read(tmp_path / "a.pth", "mine")


def test_checkpoints_of_other_programs_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pth", "chess", content())
    with pytest.raises(CheckpointError, match="chess"):
        Model.read(tmp_path / "a.pth", "mine")
    (tmp_path / "b.pth").write_bytes(b"no checkpoint")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Model.read(tmp_path / "b.pth", "mine")


def test_folders_of_runs_are_searched(tmp_path: Path) -> None:
    for name in ("b/checkpoint_latest.pth", "a/checkpoint_max.pth", "a/checkpoint_latest.pth"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save_checkpoint(tmp_path / name, "lif_fc_mnist", content())
    (tmp_path / "c").mkdir()

    def names(folder: Path) -> list[str]:
        return [model.name for model in load_models([folder])]

    assert names(tmp_path) == ["a/checkpoint_max", "b/checkpoint_latest"]
    assert names(tmp_path / "b") == ["b/checkpoint_latest"]
    with pytest.raises(CheckpointError, match="c holds no checkpoint of the tutorial's network"):
        load_models([tmp_path / "c"])
