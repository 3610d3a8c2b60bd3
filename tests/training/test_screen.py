import io
import logging
import re

import pytest
import torch

from bitspike.training import EpochMetrics, RateMeter, Screen

ROW = EpochMetrics(
    epoch=7,
    train_loss=0.25,
    train_acc=0.5,
    test_loss=0.125,
    test_acc=0.9234,
    firing_rate=0.1,
    dead=0.0,
    saturated=0.0,
    train_images_per_s=1234.5,
    seconds=2.25,
)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", clock.perf_counter)
    return clock


@pytest.fixture(params=[io.StringIO, Terminal], ids=["file", "terminal"])
def file(request: pytest.FixtureRequest) -> io.StringIO:
    made: io.StringIO = request.param()
    return made


def meter(images: int) -> RateMeter:
    meter = RateMeter(torch.device("cpu"))
    rate = torch.zeros(images, 2)
    rate[:, 1] = 1
    meter.add(rate, torch.tensor(0.5), torch.ones(images, dtype=torch.int64))
    return meter


def test_plain_lines_elsewhere(clock: Clock) -> None:
    file = io.StringIO()
    screen = Screen(9, file)
    screen.start_epoch(7, 400)
    clock.now += 29
    assert not screen.update(meter(10))
    clock.now += 1
    assert screen.update(meter(100))
    assert not screen.update(meter(100))  # not again before another 30 s
    clock.now += 30
    assert screen.update(meter(300))
    screen.stop_epoch()
    assert file.getvalue().splitlines() == [
        "epoch 7/9   25%  loss 0.5000  acc 100.00%  3 img/s  90 s left",
        "epoch 7/9   75%  loss 0.5000  acc 100.00%  5 img/s  20 s left",
    ]


def test_a_live_bar_on_a_terminal(clock: Clock) -> None:
    file = Terminal()
    screen = Screen(9, file)
    screen.start_epoch(7, 400)
    clock.now += 0.1
    assert not screen.update(meter(10))
    clock.now += 0.1
    assert screen.update(meter(100))
    shown = ESCAPE.sub("", file.getvalue())
    assert "epoch 7/9" in shown
    assert "25 %" in shown
    assert "loss 0.5000  acc 100.00%  500 img/s" in shown
    screen.stop_epoch()
    assert file.getvalue() != shown  # it was drawn with escape codes
    assert file.getvalue().endswith("\x1b[2K")  # and taken away
    assert file.getvalue().count("\x1b[?25l") == file.getvalue().count("\x1b[?25h") == 1


def test_the_bar_starts_where_an_interrupted_epoch_stopped(clock: Clock) -> None:
    file = Terminal()
    screen = Screen(9, file)
    screen.start_epoch(7, 400, done=200)
    clock.now += 2
    screen.update(meter(300))
    screen.stop_epoch()
    shown = ESCAPE.sub("", file.getvalue())
    assert "75 %" in shown
    assert "50 img/s" in shown  # 100 images in 2 s
    assert screen.images_per_s(meter(300)) == 50


def test_summary(file: io.StringIO) -> None:
    screen = Screen(10, file)
    screen.summary(ROW, best=True)
    screen.summary(ROW, best=False)
    best, other = file.getvalue().splitlines()
    assert best == (
        "epoch   7/10  train loss 0.2500 acc 50.00%  test loss 0.1250 acc 92.34% *  1,234 img/s"
        "  2.2 s"
    )
    assert other == best.replace("*", " ")


def test_text_is_shown_as_it_is(file: io.StringIO) -> None:
    text = f"[bold]Firing rate: [[0. 1.]][/bold] {'x' * 200} 123 'abc' /a/[b]/c :smile:"
    Screen(1, file).say(text)
    assert file.getvalue() == text + "\n"


@pytest.mark.parametrize("columns", [30, 80])
def test_a_table_shows_every_character(
    file: io.StringIO, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    value = "".join(chr(ord("a") + i % 26) for i in range(150))
    Screen(1, file).table("Result", {"name": value, "other": "short"})
    lines = ESCAPE.sub("", file.getvalue()).splitlines()
    assert lines[0].strip() == "Result"
    cells = [line.split("│")[1:3] for line in lines if "│" in line]
    assert max(map(len, lines)) <= columns
    assert [name.strip() for name, _ in cells if name.strip()] == ["name", "other"]
    assert "".join(text.strip() for _, text in cells) == value + "short"


def test_values_of_a_table_are_no_markup(file: io.StringIO) -> None:
    Screen(1, file).table("Result", {"[red]name": "[bold]value[/bold]"})
    assert "[red]name" in file.getvalue()
    assert "[bold]value[/bold]" in file.getvalue()


def test_nothing_but_text_goes_into_a_file(clock: Clock) -> None:
    file = io.StringIO()
    screen = Screen(3, file)
    screen.start_epoch(1, 100)
    clock.now += 31
    screen.update(meter(50))
    screen.stop_epoch()
    screen.summary(ROW, best=True)
    screen.table("Result", {"name": "value"})
    assert "value" in file.getvalue()
    assert "\x1b" not in file.getvalue()
    assert "\r" not in file.getvalue()


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(1).say("hello")
    assert capsys.readouterr().out == "hello\n"


def test_stop_without_start_and_twice(file: io.StringIO) -> None:
    screen = Screen(1, file)
    screen.stop_epoch()
    screen.start_epoch(1, 10)
    screen.stop_epoch()
    screen.stop_epoch()
    screen.say("after")
    assert file.getvalue().endswith("after\n")


def test_a_terminal_that_knows_only_ascii() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    screen = Screen(1, file)
    screen.table("Result", {"name": "value"})
    screen.summary(ROW, best=True)
    file.flush()
    assert b"| name | value |" in raw.getvalue()


def test_compilation_is_announced_once_and_only_inside() -> None:
    file = io.StringIO()
    logger = logging.getLogger("bitspike.kernels")
    with Screen(1, file).announcing_compilation():
        logger.info("compiling one")
        logger.info("compiling another")
    logger.info("compiling a third")
    assert file.getvalue().splitlines() == [
        "Compiling kernels: some seconds, once on this machine."
    ]
