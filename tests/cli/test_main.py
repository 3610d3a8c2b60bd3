"""Dispatch, help, errors and exit codes."""

import io
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.processes import fresh

from bitspike import __version__
from bitspike.cli import COMMANDS, EXTRAS, Command, build, main

if TYPE_CHECKING:
    from tests.cli.conftest import Bitspike

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "argv", [["--help"], ["--version"], ["predict", "--help"], ["train", "--help"], ["nonsense"]]
)
def test_help_does_not_wait_for_torch(argv: list[str]) -> None:
    code = (
        "import sys\nfrom bitspike.cli import main\nmain(sys.argv[1:])\n"
        "heavy = {'torch', 'numpy', 'rich', 'matplotlib', 'numba'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = fresh(code, *argv, options=("-W", "error"))
    assert done.code == 0, done.err
    assert done.out or argv == ["nonsense"]


def test_the_overview_names_every_command(bitspike: "Bitspike") -> None:
    done = bitspike("--help")
    assert done.code == 0
    for name, command in COMMANDS.items():
        assert name in done.out
        assert command.summary in done.out


def test_every_command_has_a_function() -> None:
    assert len(COMMANDS) == 10
    for name, command in COMMANDS.items():
        if name != "playground":  # may lack its extra
            module, function = command.runs.split(":")
            assert callable(getattr(import_module(module), function))


def test_the_program_on_the_path_is_this_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["scripts"]["bitspike"].partition(":")
    assert getattr(import_module(module), name) is main


def test_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bitspike", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"bitspike {__version__}\n"


def test_without_a_command(bitspike: "Bitspike") -> None:
    done = bitspike()
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("usage: bitspike")


def test_a_mistyped_command(bitspike: "Bitspike") -> None:
    done = bitspike("trian")
    assert done.code == 2
    assert done.err == "bitspike: error: no command 'trian'; did you mean train?\n"
    assert "there are train, predict" in bitspike("xyz").err


@pytest.mark.parametrize(
    "name", [name for name, command in COMMANDS.items() if not command.passes_on]
)
def test_unknown_options_are_refused_in_one_line(bitspike: "Bitspike", name: str) -> None:
    done = bitspike(name, "--no-such-option")
    assert done.code == 2
    assert done.err.startswith(f"bitspike {name}: error: ") or "--no-such-option" in done.err
    assert done.err.count("\n") == 1


@pytest.fixture
def info_raises(
    bitspike: "Bitspike", monkeypatch: pytest.MonkeyPatch
) -> Callable[[BaseException], Any]:
    """Runs ``bitspike info`` with a command that raises."""

    def run(error: BaseException) -> Any:
        def fail(args: object) -> int:
            raise error

        monkeypatch.setattr(Command, "run", lambda _, args: fail(args))
        return bitspike("info", "x")

    return run


def test_a_bug_is_not_hidden(info_raises: Callable[[BaseException], Any]) -> None:
    for bug in (RuntimeError("a bug"), ValueError("a bug"), ImportError("a bug", name="torch")):
        with pytest.raises(type(bug), match="a bug"):
            info_raises(bug)


def test_out_of_memory(info_raises: Callable[[BaseException], Any]) -> None:
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried")):
        done = info_raises(error)
        assert (done.code, done.err) == (1, "bitspike info: error: out of memory\n")


def test_ctrl_c(info_raises: Callable[[BaseException], Any]) -> None:
    assert info_raises(KeyboardInterrupt()).code == 130


def test_an_absent_package_is_named_with_its_extra(
    info_raises: Callable[[BaseException], Any],
) -> None:
    done = info_raises(ModuleNotFoundError("No module named 'rich'", name="rich.console"))
    assert done.code == 2
    assert done.err == 'bitspike info: error: rich not installed: pip install "bitspike[data]"\n'


CORE_ONLY = f"""
import contextlib, importlib.abc, importlib.util as util, io, json, sys
absent = {sorted(EXTRAS)!r}
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
find = util.find_spec
util.find_spec = lambda name, *rest: None if name in absent else find(name, *rest)
from bitspike.cli import main
ends = []
for argv in json.loads(sys.argv[1]):
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        code = main(argv)
    ends.append([code, err.getvalue()])
print(json.dumps(ends))
"""


def test_an_installation_without_extras() -> None:
    """Some commands run, the others say in one line what to install."""
    needs = {
        "train": ([], "train"),
        "predict": (["x", "y"], "train"),
        "plot": (["weights", "x"], "train"),
        "data": (["verify"], "data"),
        "completion": (["bash"], "data"),
        "playground": ([], "playground"),
    }
    works = [["doctor"], ["--help"], ["train", "--help"], ["train", "stdp", "--print-config"]]
    lines = [["info", "x"], *works, *([name, *rest] for name, (rest, _) in needs.items())]
    environment = {name: value for name, value in os.environ.items() if name != "BITSPIKE_DATA"}
    done = subprocess.run(
        [sys.executable, "-c", CORE_ONLY, json.dumps(lines)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    ends = json.loads(done.stdout)
    looks = ends.pop(0)
    assert (looks[0], looks[1].count("\n")) == (2, 1)
    assert "checkpoint x does not exist" in looks[1], "a checkpoint can be looked into"
    assert ends[: len(works)] == [[0, ""]] * len(works)
    for (name, (_, extra)), (code, said) in zip(needs.items(), ends[len(works) :], strict=True):
        assert code == 2
        assert said.startswith(f"bitspike {name}: error: ")
        assert said.endswith(f'pip install "bitspike[{extra}]"\n')
        assert said.count("\n") == 1


def test_the_extras_in_messages_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for package, extra in EXTRAS.items():
        name = "pillow" if package == "PIL" else package
        assert any(line.startswith(name) for line in extras[extra]), (package, extra)


def test_a_reader_that_goes_away() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "bitspike", "--version"],
        stdout=write,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_help_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    root, _ = build()
    painted, plain, file = Terminal(), Terminal(), io.StringIO()
    root.print_help(painted)
    assert "\033[1moptions:\033[0m" in painted.getvalue()
    assert "\033[36m--help\033[0m" in painted.getvalue()
    assert "print the version, and stop" in painted.getvalue()
    root.print_help(file)
    monkeypatch.setenv("NO_COLOR", "1")
    root.print_help(plain)
    assert "\033" not in plain.getvalue() + file.getvalue()
