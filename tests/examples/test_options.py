"""The options, their defaults and their help."""

import re
from typing import TYPE_CHECKING, Any

import pytest

from bitspike.examples import lif_fc_mnist
from bitspike.examples.lif_fc_mnist import Options
from bitspike.training import parse_options

if TYPE_CHECKING:
    from tests.examples.tutorial import Program

# Name, default, a value to give, and what is read.
OPTIONS: list[tuple[str, Any, str, Any]] = [
    ("T", 100, "7", 7),
    ("device", "", "cpu", "cpu"),
    ("b", 64, "7", 7),
    ("epochs", 100, "7", 7),
    ("j", 1, "0", 0),
    ("threads", 1, "3", 3),
    ("data-dir", "", "a/b", "a/b"),
    ("out-dir", "./logs", "a/b", "a/b"),
    ("resume", "", "a.pth", "a.pth"),
    ("amp", False, "", True),
    ("opt", "adam", "sgd", "sgd"),
    ("momentum", 0.9, "0.5", 0.5),
    ("lr", 1e-3, "3e-4", 3e-4),
    ("tau", 2.0, "10", 10.0),
    ("seed", 0, "7", 7),
    ("dataset", "mnist", "fashion-mnist", "fashion-mnist"),
    ("limit", 0, "7", 7),
    ("predict", "", "a.pth", "a.pth"),
    ("image", "", "7", "7"),
]
NAMES = [name for name, *_ in OPTIONS]


def parse(*argv: str) -> tuple[Options, frozenset[str]]:
    return parse_options(Options, argv, "lif_fc_mnist", "")


@pytest.mark.parametrize(("name", "default", "text", "value"), OPTIONS, ids=NAMES)
@pytest.mark.parametrize("dashes", ["-", "--"])
def test_every_option(dashes: str, name: str, default: Any, text: str, value: Any) -> None:
    attribute = name.replace("-", "_")
    assert getattr(parse()[0], attribute) == default
    options, given = parse(dashes + name, *([text] if text else []))
    assert getattr(options, attribute) == value
    assert type(getattr(options, attribute)) is type(default)
    assert given == {attribute}


def test_there_are_no_other_options() -> None:
    assert sorted(vars(Options())) == sorted(name.replace("-", "_") for name in NAMES)


@pytest.fixture
def help_text(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as caught:
        lif_fc_mnist.main(["-h"])
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize(("name", "default"), [row[:2] for row in OPTIONS], ids=NAMES)
def test_help_of_every_option(help_text: str, name: str, default: Any) -> None:
    entries = re.split(r"\n  (?=-)", help_text)
    (entry,) = (entry for entry in entries if entry.startswith((f"-{name} ", f"-{name},")))
    assert f"--{name}" in entry
    words = " ".join(entry.split())
    assert len(words) > 30
    if default not in ("", False):
        assert f"(default: {default})" in words


def test_help_has_nothing_else(help_text: str) -> None:
    listed = re.findall(r"^  -([A-Za-z-]+)", help_text, re.MULTILINE)
    assert listed == ["h", *NAMES]


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ("", "T100_b64_adam_lr0.001"),
        ("-amp", "T100_b64_adam_lr0.001_amp"),
        ("-T 8 -b 1 -opt sgd -lr 0.1", "T8_b1_sgd_lr0.1"),
        ("-dataset fashion-mnist", "T100_b64_adam_lr0.001_fashion-mnist"),
        ("-seed 7 -tau 3", "T100_b64_adam_lr0.001_tau3.0_seed7"),
        ("-momentum 0.5 -limit 9", "T100_b64_adam_lr0.001_momentum0.5_limit9"),
        ("-epochs 3 -j 0 -threads 2 -device cpu -data-dir d", "T100_b64_adam_lr0.001"),
    ],
)
def test_name_of_the_run(argv: str, name: str) -> None:
    assert parse(*argv.split())[0].run_name == name


@pytest.mark.parametrize("argv", [["-h"], ["-T", "0"]], ids=["help", "bad value"])
def test_as_a_program(program: "Program", argv: list[str]) -> None:
    done = program.fresh(*argv)
    if argv == ["-h"]:
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("usage: lif_fc_mnist [-h] [-T N]")
    else:
        error = "lif_fc_mnist: error: -T must be at least 1, but is 0\n"
        assert (done.code, done.out, done.err) == (2, "", error)
