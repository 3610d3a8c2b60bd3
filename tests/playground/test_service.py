import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from bitspike.datasets import MNIST
from bitspike.examples.lif_fc_mnist import Options, make_net
from bitspike.playground import Model, ProtocolError, Stage

from .conftest import QUICK
from .digits import DIGITS, ink
from .messages import message, understand


def state(stage: Stage) -> Any:
    return json.loads(stage.state)


def test_the_state_says_what_there_is(stage: Stage) -> None:
    assert state(stage) == {
        "type": "state",
        "models": [
            {
                "name": "a network",
                "T": 20,
                "tau": 2.0,
                "classes": [str(digit) for digit in range(10)],
                "samples": 10_000,
            }
        ],
        "training": None,
        "problem": False,
        "limits": {"T": [1, 200], "tau": [1.05, 20.0], "v_threshold": [0.1, 5.0]},
        "side": 112,
    }


def test_a_drawing_is_answered(stage: Stage) -> None:
    header, arrays = understand(stage.answer(message(ink(DIGITS[3]).tobytes())))
    assert header["id"] == 7
    assert header["predicted"] == 3
    assert header["label"] is None
    assert header["counts"] == arrays["outputs"].sum(0).tolist()
    assert header["counts"][3] == max(header["counts"])
    assert header["input_spikes"] == arrays["inputs"].sum()
    assert 0 <= header["ms"] < 60_000
    assert arrays["v"].max() < header["v_threshold"] == 1.0
    dark = arrays["image"].reshape(-1) == 0
    assert not arrays["inputs"][:, dark].any()


def test_a_sample_is_answered_with_its_label(stage: Stage, mnist_root: Path) -> None:
    test_set = MNIST(mnist_root, train=False)
    header, arrays = understand(stage.answer(message(sample=61)))
    assert header["label"] == int(test_set.labels[61])
    assert (arrays["image"] == test_set.images[61, 0].numpy()).all()


def test_most_samples_are_read_right(stage: Stage) -> None:
    headers = [understand(stage.answer(message(sample=n, T=20)))[0] for n in range(60)]
    assert sum(header["predicted"] == header["label"] for header in headers) > 48


def test_a_higher_threshold_gives_fewer_spikes_for_the_same_input(stage: Stage) -> None:
    (low, a), (high, b) = (
        understand(stage.answer(message(sample=0, v_threshold=v))) for v in (0.5, 2.0)
    )
    assert sum(low["counts"]) > sum(high["counts"])
    assert (a["inputs"] == b["inputs"]).all()


@pytest.mark.parametrize("changes", [{"sample": 10_000}, {"sample": 1, "model": 1}])
def test_what_is_not_there_is_refused(stage: Stage, changes: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="there is no"):
        stage.answer(message(**changes))


def test_before_there_is_a_network_the_page_is_asked_to_wait(tmp_path: Path) -> None:
    header, _ = understand(Stage([], tmp_path).answer(message(sample=0)))
    assert header == {"type": "waiting", "id": 7}


def test_the_first_of_equal_neurons_is_the_answer_and_none_if_none_fires(
    tmp_path: Path, mnist_root: Path
) -> None:
    options = Options()
    net = make_net(options)
    weight = next(net.parameters()).data.zero_()
    stage = Stage([Model("x", net, options)], tmp_path, mnist_root)
    assert understand(stage.answer(message(ink(DIGITS[3]).tobytes())))[0]["predicted"] is None
    weight[[3, 7]] = 1.0
    header, _ = understand(stage.answer(message(ink(DIGITS[3]).tobytes())))
    assert header["predicted"] == 3
    assert header["counts"][3] == header["counts"][7] == max(header["counts"]) > 0


# -- the background ---------------------------------------------------------------------------


def test_a_network_trained_earlier_is_found_again(cache: Path, mnist_root: Path) -> None:
    stage = Stage([], cache, mnist_root, QUICK)
    stage.open()
    stage.wait(60)
    assert [model["name"] for model in state(stage)["models"]] == ["tutorial network"]


def test_training_can_be_stopped_and_leaves_nothing(tmp_path: Path, mnist_root: Path) -> None:
    stage = Stage([], tmp_path, mnist_root)
    stage.close()
    stage.open()
    stage.wait(60)
    assert list(tmp_path.iterdir()) == []
    assert state(stage)["models"] == []
    assert not state(stage)["problem"]


def test_progress_is_announced(tmp_path: Path, mnist_root: Path) -> None:
    announced = []

    class Watched(Stage):
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if name == "state" and value:
                announced.append(json.loads(value)["training"])

    stage = Watched([], tmp_path, mnist_root, Options(T=2, limit=200))
    stage.open()
    stage.wait(60)
    assert announced == [None, 0.0, 0.32, 0.64, 0.96, 1.0, None, None]


def test_a_damaged_network_is_trained_anew(tmp_path: Path, mnist_root: Path) -> None:
    path = tmp_path / "mnist_T20.pth"
    path.write_bytes(b"cut off")
    stage = Stage([], tmp_path, mnist_root, Options(T=20, limit=64))
    stage.open()
    stage.wait(60)
    assert len(state(stage)["models"]) == 1
    assert Model.read(path, "x").options.T == 20


def test_without_data_the_page_says_so_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    stage = Stage([], tmp_path, tmp_path / "data")
    with caplog.at_level(logging.WARNING, "bitspike.playground"):
        stage.open()
        stage.wait(60)
    assert state(stage)["problem"]
    assert str(tmp_path) not in stage.state
    assert str(tmp_path / "data") in caplog.text


def test_without_test_images_there_are_no_samples(model: Model, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")
    stage = Stage([model], tmp_path, tmp_path / "data")
    stage.open()
    stage.wait(60)
    assert state(stage)["models"][0]["samples"] == 0
    assert not state(stage)["problem"]


def test_waiting_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    monkeypatch.setattr(Stage, "_prepare", lambda _: go_on.wait(10))
    stage = Stage([], tmp_path)
    stage.open()
    with pytest.raises(TimeoutError, match="not ready"):
        stage.wait(0.01)
    go_on.set()
    stage.close()


def test_training_is_reproducible_and_leaves_torchs_generator_alone(
    tmp_path: Path, mnist_root: Path
) -> None:
    before = torch.get_rng_state()
    weights = []
    for name in ("a", "b"):
        stage = Stage([], tmp_path / name, mnist_root, Options(T=4, limit=640))
        stage.open()
        stage.wait(60)
        weights.append(Model.read(tmp_path / name / "mnist_T4.pth", name).net.state_dict())
    assert torch.equal(torch.get_rng_state(), before)
    a, b = weights
    assert all(torch.equal(a[key], b[key]) for key in a)
