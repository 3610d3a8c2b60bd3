"""``bitspike completion``, in real shells where they are installed."""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bitspike.cli import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Bitspike

Complete = Callable[..., set[str]]


def in_shell(shell: str, *argv: str) -> str:
    if (path := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([path, *argv], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def script(bitspike: "Bitspike", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the scripts in it, and two files to complete."""
    monkeypatch.chdir(tmp_path)
    for shell in ("bash", "zsh", "fish"):
        done = bitspike("completion", shell)
        assert (done.code, done.err) == (0, "")
        (tmp_path / f"script.{shell}").write_text(done.out)
    (tmp_path / "picture.png").touch()
    return tmp_path


def bash(*words: str) -> set[str]:
    quoted = " ".join(shlex.quote(word) for word in words)
    code = (
        f"source script.bash; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
        "_shtab_bitspike; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return set(in_shell("bash", "--norc", "-c", code).split())


def fish(*words: str) -> set[str]:
    line = shlex.quote(" ".join(words))
    out = in_shell("fish", "--no-config", "-c", f"source script.fish; complete -C {line}")
    return {line.split("\t")[0] for line in out.splitlines()}


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize("complete", [bash, fish])
def test_words_and_options(complete: Complete) -> None:
    assert complete("bitspike", "tr") == {"train"}
    assert complete("bitspike", "") >= set(COMMANDS)
    assert complete("bitspike", "train", "fa") == {"fashion"}
    assert complete("bitspike", "train", "mnist", "--opt", "") == {"adam", "sgd"}
    assert complete("bitspike", "train", "fashion", "--ch") == {"--channels"}
    assert complete("bitspike", "predict", "--fit", "c") == {"centre"}
    assert complete("bitspike", "plot", "mem") == {"membrane"}
    assert complete("bitspike", "data", "v") == {"verify"}


@pytest.mark.usefixtures("script")
@pytest.mark.parametrize("complete", [bash, fish])
def test_files(complete: Complete) -> None:
    assert "picture.png" in complete("bitspike", "predict", "pic")
    assert "script.bash" in complete("bitspike", "train", "--config", "scr")


@pytest.mark.usefixtures("script")
def test_zsh_takes_the_script() -> None:
    out = in_shell("zsh", "-f", "-c", 'eval "$(cat script.zsh)"; echo $_comps[bitspike]')
    assert "_bitspike" in out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_script_knows_commands_options_and_files(shell: str, script: Path) -> None:
    """Also of the shells that are not installed here."""
    text = (script / f"script.{shell}").read_text()
    assert all(name in text for name in COMMANDS)
    assert all(option in text for option in ("channels", "print-config", "neurons", "fit"))
    files = {"bash": "compgen -f", "zsh": "_files", "fish": "__fish_complete_path"}
    assert files[shell] in text


def test_an_unknown_shell(refused: Callable[..., str]) -> None:
    assert "invalid choice: 'csh'" in refused("completion", "csh")
