"""Checkpoints that the program has not written: one line, exit code 2, nothing touched."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from bitspike import spikes
from bitspike.examples import conv_fashion_mnist, lif_fc_mnist, stdp_mnist
from bitspike.training import CheckpointError

if TYPE_CHECKING:
    from tests.examples.conftest import Refused

State = dict[str, Any]
Forge = Callable[[State], Any]


def adam(state: State) -> State:
    """What Adam keeps of the weights."""
    found: State = state["optimizer"]["state"][0]
    return found


def group(state: State) -> State:
    found: State = state["optimizer"]["param_groups"][0]
    return found


def option(name: str, value: Any) -> Forge:
    return lambda state: state["options"].update({name: value})


def entry(name: str, value: Any) -> Forge:
    return lambda state: state.update({name: value})


def without(name: str) -> Forge:
    return lambda state: state.pop(name)


def moment(value: Any) -> Forge:
    return lambda state: adam(state).update(exp_avg=value)


def row(name: str, value: Any) -> Forge:
    return lambda state: state["history"][1].update({name: value})


def generator(name: str, change: Callable[[Any], Any]) -> Forge:
    return lambda state: state["random"].update({name: change(state["random"][name])})


def replace(at: int, value: Any) -> Callable[[list[Any]], list[Any]]:
    return lambda found: [value if i == at else old for i, old in enumerate(found)]


def weight(value: Any) -> Forge:
    return lambda state: state["net"].update({"1.weight": value})


WHOLE = torch.zeros(10, 784)
FORGED: dict[str, tuple[Forge, str]] = {
    # The optimizer: in fused Adam another shape corrupts the heap.
    **{
        f"exp_avg of {n}": (moment(torch.zeros(n)), f"exp_avg of parameter 0 is float32 [{n}], not")
        for n in (2, 100, 5000)
    },
    "dtype": (moment(WHOLE.double()), "exp_avg of parameter 0 is float64 [10, 784], not"),
    "not contiguous": (moment(torch.zeros(784, 10).t()), "is a view of a tensor"),
    "expanded": (moment(torch.zeros(1, 1).expand(10, 784)), "is a view of a tensor"),
    "meta": (moment(torch.zeros(10, 784, device="meta")), "without data"),
    "sparse": (moment(WHOLE.to_sparse()), "is no dense tensor"),
    "parameter": (moment(torch.nn.Parameter(WHOLE)), "is a Parameter, no plain tensor"),
    "list": (moment([0.0]), "exp_avg of parameter 0 is of the type list"),
    "none": (moment(None), "exp_avg of parameter 0 is None"),
    "no step": (lambda s: adam(s).pop("step"), "parameter 0 lacks 'step'"),
    "long step": (lambda s: adam(s).update(step=torch.zeros(2)), "is float32 [2], not float32 []"),
    "step is nan": (lambda s: adam(s).update(step=torch.tensor(float("nan"))), "is nan, not in"),
    "more of a parameter": (lambda s: adam(s).update(x=WHOLE), "has 'x', which is unknown"),
    "more parameters": (
        lambda s: s["optimizer"]["state"].update({1: adam(s)}),
        "is that of 2 parameters, not of 1",
    ),
    "other names of parameters": (
        lambda s: s["optimizer"].update(state={"0": adam(s)}),
        "is that of 1 parameters, not of 1",
    ),
    "two groups": (
        lambda s: s["optimizer"]["param_groups"].append(group(s)),
        "has other groups of parameters than 1",
    ),
    "no group": (lambda s: s["optimizer"].update(param_groups=[]), "has other groups"),
    "lr nan": (lambda s: group(s).update(lr=float("nan")), "learning rate is nan"),
    "lr negative": (lambda s: group(s).update(lr=-1.0), "learning rate is -1.0"),
    "lr text": (lambda s: group(s).update(lr="fast"), "learning rate is of the type str"),
    "lr larger than asked": (lambda s: group(s).update(lr=5.0), "learning rate is 5.0, not in"),
    "unknown setting": (lambda s: group(s).update(hook=1), "has 'hook', which is unknown"),
    "parameters twice": (lambda s: group(s).update(params=[0, 0]), "has other parameters"),
    "no optimizer": (entry("optimizer", None), "the optimizer is None"),
    # The network.
    "weights as spikes": (weight(spikes.pack(WHOLE)), "is a SpikeTensor, no plain tensor"),
    "half weights": (weight(WHOLE.half()), "1.weight is float16 [10, 784], not float32"),
    "no network": (entry("net", None), "the network is None"),
    # Options.
    "dataset outside": (option("dataset", "/../../x"), "-dataset must be one of mnist, "),
    "dataset unknown": (option("dataset", "cifar"), "-dataset must be one of mnist, "),
    "T = 0": (option("T", 0), "-T must be at least 1, but is 0"),
    "T = 2^63": (option("T", 2**63), "-T must be at most 100000, but is"),
    "T of 270 digits": (option("T", 2**900), "at most 100000, but is a number of 901 bits"),
    "T text": (option("T", "4"), "-T is str in place of int"),
    "T true": (option("T", True), "-T is bool in place of int"),
    "tau nan": (option("tau", float("nan")), "-tau is in time steps and must be > 1, but is nan"),
    "tau 0": (option("tau", 0), "-tau is in time steps and must be > 1, but is 0"),
    "opt": (option("opt", "lion"), "-opt must be one of sgd, adam"),
    "amp text": (option("amp", "yes"), "-amp is str in place of bool"),
    "unknown option": (option("depth", 3), "the option 'depth' is unknown"),
    "a free option": (option("out_dir", "/x"), "the option 'out_dir' is unknown"),
    "an option less": (lambda s: s["options"].pop("lr"), "the option -lr is missing"),
    "no options": (entry("options", None), "the options are no dict, but NoneType"),
    # The rest.
    **{
        f"no {name}": (without(name), "")
        for name in ("net", "optimizer", "scaler", "history", "batch", "meter", "random", "options")
    },
    "more": (entry("extra", 1), "it has 'extra', which is unknown"),
    "history of texts": (entry("history", ["a"]), "row 1 of the history is of the type str"),
    "history with less": (lambda s: s["history"][1].pop("seconds"), "history lacks 'seconds'"),
    "accuracy": (row("test_acc", 7.0), "test_acc in row 2 of the history is 7.0, not in [0, 1]"),
    "accuracy nan": (row("test_acc", float("nan")), "test_acc in row 2 of the history is nan"),
    "loss text": (row("train_loss", "low"), "train_loss in row 2 of the history is of the type"),
    "epoch": (row("epoch", 7), "the epoch in row 2 of the history is 7"),
    "endless history": (
        lambda s: s.update(history=[s["history"][0]] * 3_000_000),
        "far more values than any checkpoint",
    ),
    "nested": (
        lambda s: s.update(history=[[[[[[[[[[[0]]]]]]]]]]]),
        "far more values than any checkpoint",
    ),
    "long history": (
        lambda s: s.update(history=[s["history"][0]] * 100_001),
        "the history has 100001 epochs",
    ),
    "batch": (entry("batch", -1), "the number of batches is -1"),
    "batch text": (entry("batch", "3"), "the number of batches is of the type str"),
    "batches without images": (entry("batch", 3), "the meter's number of images is 0"),
    "meter": (lambda s: s["meter"].update(rate=torch.zeros(3)), "the meter's rate is float32 [3]"),
    "meter of more": (lambda s: s["meter"].update(right=torch.tensor(9)), "right answers is 9"),
    "meter of text": (lambda s: s["meter"].update(images="9"), "images is of the type str"),
    "scaler": (entry("scaler", {"scale": 1.0}), "the scaler lacks "),
    "scaler text": (entry("scaler", "on"), "the scaler is of the type str"),
    "torch's generator": (generator("torch", lambda t: t[:100].clone()), "state of torch on cpu"),
    "torch's generator, wrong place": (
        generator("torch", lambda t: torch.full_like(t, 255)),
        "state of torch on cpu",
    ),
    "torch's generator as float": (generator("torch", lambda t: t.float()), "torch on cpu"),
    "Python's generator": (generator("python", replace(1, [1, 2])), "random state of Python"),
    "Python's generator, wrong place": (
        generator("python", lambda p: [p[0], [*p[1][:-1], 10**6], p[2]]),
        "random state of Python",
    ),
    "NumPy's generator": (generator("numpy", replace(1, [1, 2])), "random state of NumPy"),
    "NumPy's generator, wrong place": (generator("numpy", replace(2, 10**6)), "position 1000000"),
    "cuda's generator": (generator("cuda", lambda _: [1]), "state of torch on cuda"),
    "no generators": (entry("random", {}), "the random states are not those of"),
    "a set": (entry("history", {1, 2}), "is of the type set"),
}


@pytest.mark.parametrize("name", FORGED)
def test_resume(refused: "Refused", checkpoint: Path, name: str) -> None:
    forge, complaint = FORGED[name]
    state = torch.load(checkpoint, weights_only=True)
    forge(state)
    torch.save(state, checkpoint)
    before = checkpoint.read_bytes()
    message = refused("-resume", checkpoint, "-epochs", "4")
    start = f"checkpoint {checkpoint} was not written by this program, or is damaged: "
    assert message.startswith(start)
    assert message.endswith("; take another checkpoint, or start a new run")
    assert complaint in message.removeprefix(start)
    assert checkpoint.read_bytes() == before


@pytest.mark.parametrize("name", ["exp_avg of 100", "dataset outside", "T = 0", "no random"])
def test_predict(refused: "Refused", checkpoint: Path, name: str) -> None:
    state = torch.load(checkpoint, weights_only=True)
    FORGED[name][0](state)
    torch.save(state, checkpoint)
    assert FORGED[name][1] in refused("-predict", checkpoint, "-image", "0")


def test_a_place_in_an_epoch_that_is_not_there(refused: "Refused", checkpoint: Path) -> None:
    """The data set is known only when it has been read, which is before a folder is touched."""
    state = torch.load(checkpoint, weights_only=True)
    state["batch"] = 11
    state["meter"].update(images=11 * 32, rate=torch.zeros(10, dtype=torch.float64))
    torch.save(state, checkpoint)
    message = refused("-resume", checkpoint, "-epochs", "4")
    assert "lies 11 batches into an epoch, which this data set has not" in message


def test_nothing_of_the_size_that_is_claimed_is_allocated(tmp_path: Path) -> None:
    options = conv_fashion_mnist.Options(channels=100_000)  # 40 TB of weights
    values = options.trajectory()
    torch.save(
        {
            "format": "bitspike checkpoint 1", "program": "conv_fashion_mnist", "options": values,
            "net": {}, "optimizer": {}, "scaler": {}, "history": [], "batch": 0, "meter": {},
            "random": {},
        },
        tmp_path / "a.pth",
    )  # fmt: skip
    default = conv_fashion_mnist.Options()
    with pytest.raises(CheckpointError, match=r"the network lacks 'encode.0.weight'"):
        conv_fashion_mnist.load_state(tmp_path / "a.pth", default, frozenset())


def test_a_good_one_passes(checkpoint: Path) -> None:
    options, state = lif_fc_mnist.load_state(checkpoint, lif_fc_mnist.Options(), frozenset())
    assert (options.T, options.b, options.limit) == (4, 32, 320)
    assert set(adam(state)) == {"step", "exp_avg", "exp_avg_sq"}


# -- the program that learns without labels -----------------------------------------------------

STDP: dict[str, tuple[Forge, str]] = {
    "weights": (lambda s: s["net"].update({"1.weight": torch.zeros(3)}), "1.weight is float32 [3]"),
    "thresholds": (lambda s: s["net"].pop("2.theta"), "the network lacks '2.theta'"),
    "neurons": (option("neurons", 8), "1.weight is float32 [4, 784], not float32 [8, 784]"),
    "no neurons": (option("neurons", 0), "-neurons must be at least 2"),
    "dataset": (option("dataset", "../x"), "-dataset must be one of"),
    "theta": (option("theta", float("nan")), "-theta must be at least 0"),
    "batch": (entry("batch", 1.5), "the number of batches is 1.5"),
    "history": (entry("history", [{}]), "row 1 of the history lacks 'epoch'"),
    "random": (generator("numpy", replace(2, 999)), "random state of NumPy"),
    "less": (lambda s: s.pop("random"), "it lacks 'random'"),
}


@pytest.mark.parametrize("name", STDP)
def test_stdp(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    forge, complaint = STDP[name]
    learner = stdp_mnist.Learner(stdp_mnist.Options(neurons=4))
    path = tmp_path / "checkpoint_latest.pth"
    learner.save(path)
    state = torch.load(path, weights_only=True)
    found = stdp_mnist.load_state(path, stdp_mnist.Options(), frozenset())
    assert found[0].neurons == 4
    forge(state)
    torch.save(state, path)
    assert stdp_mnist.main(["-resume", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("stdp_mnist: error: checkpoint ")
    assert complaint in err
    assert list(tmp_path.iterdir()) == [path]
