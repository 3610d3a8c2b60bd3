"""What the documentation shows is run, compared and followed."""

import ast
import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from bitspike import encoding, functional, kernels, layer, neuron, rnn, surrogate
from bitspike.cli import main

ROOT = Path(__file__).parents[2]
READMES = ("README.md", "README.zh-CN.md")
DOCS = tuple(p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "docs").rglob("*.md")))
PAGES = (*READMES, *DOCS)
TRANSLATIONS = {
    "README.zh-CN.md": "README.md",
    **{page: page.replace(".zh.md", ".md") for page in DOCS if page.endswith(".zh.md")},
}
PROGRAM = "bitspike.examples.lif_fc_mnist"
MODELS = {"lif_fc_mnist": "mnist", "conv_fashion_mnist": "fashion", "stdp_mnist": "stdp"}

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page where the text begins."""

    language: str
    text: str
    line: int


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    text = read(page)
    found = [Block(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in _FENCE.finditer(text)]
    assert 2 * len(found) == text.count("```"), f"{page}: a fence is indented or left open"
    return found


def programs(page: str) -> list[str]:
    """The page's Python, block by block, in a form that does not show comments and layout."""
    return [ast.dump(ast.parse(b.text)) for b in blocks(page) if b.language == "python"]


# -- Python blocks --------------------------------------------------------------------------


@pytest.fixture
def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty folder, a screen that is none, and no trace left behind."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(tmp_path)
    before = dict(surrogate.registry)
    plt.switch_backend("Agg")
    with torch.random.fork_rng(devices=[]):
        yield
    plt.close("all")
    surrogate.registry.clear()
    surrogate.registry.update(before)


@pytest.mark.usefixtures("sandbox", "mnist_root")
@pytest.mark.filterwarnings("ignore:.*should not be instantiated")  # Dynamo instantiates a Function
@pytest.mark.parametrize("page", [page for page in PAGES if page not in TRANSLATIONS])
def test_python_blocks_run_and_print_what_they_say(
    page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Translations hold the same programs: see `test_translations_show_the_same_code`."""
    program = ModuleType("__main__")  # where pickle finds the classes of the page
    monkeypatch.setitem(sys.modules, "__main__", program)
    namespace = vars(program)
    printed: str | None = None
    for block in blocks(page):
        if block.language == "python":
            # The line numbers of a traceback are then those of the page.
            code = compile("\n" * (block.line - 1) + block.text, page, "exec")
            with contextlib.redirect_stdout(io.StringIO()) as screen:
                exec(code, namespace)  # noqa: S102
            printed = screen.getvalue()
        elif block.language == "output":
            assert printed is not None, f"{page}:{block.line}: no Python block before the output"
            assert printed == block.text, f"{page}:{block.line}"


@pytest.mark.parametrize("page", TRANSLATIONS)
def test_translations_show_the_same_code(page: str) -> None:
    assert programs(page) == programs(TRANSLATIONS[page])
    for language in ("output", "bash"):
        ours, theirs = (
            [re.sub(r"\s*#.*", "", b.text) for b in blocks(p) if b.language == language]
            for p in (page, TRANSLATIONS[page])
        )
        assert ours == theirs


def test_the_search_finds_blocks() -> None:
    assert {"docs/tutorial.md", "docs/tutorial.zh.md"} <= set(PAGES)
    assert len(programs("README.md")) == 1
    assert {b.language for page in PAGES for b in blocks(page)} == {
        "python",
        "output",
        "text",
        "bash",
    }


# -- shell commands -------------------------------------------------------------------------


def commands(page: str) -> Iterator[list[str]]:
    """Every shell command of the page, in a block or in a line of text, as words."""
    text = _FENCE.sub("", read(page))
    lines = [line for b in blocks(page) if b.language == "bash" for line in b.text.splitlines()]
    lines += re.findall(r"`((?:BITSPIKE_\w+=\w+ )?(?:make|python -m|pip) [^`]+)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        if words and words[0].startswith("BITSPIKE_BACKEND="):
            assert words.pop(0).partition("=")[2] in kernels.BACKENDS, line
        if words:
            yield words


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), re.MULTILINE))


def make_variables() -> set[str]:
    return set(re.findall(r"^([A-Z]+)\s*\?=", read("Makefile"), re.MULTILINE))


def answer(*arguments: str) -> str:
    """Return what ``bitspike`` prints for these arguments."""
    with contextlib.redirect_stdout(io.StringIO()) as screen:
        assert main(arguments) == 0, arguments
    return screen.getvalue()


@cache
def options_of(program: str) -> dict[str, str]:
    """Return the options of a training program, with a dash, and their defaults."""
    config = answer("train", MODELS[program], "--print-config")
    lines = re.findall(r"^(?:# )?(\w+) = (.*?)(?:  # .*)?$", config, re.MULTILINE)
    return {
        f"-{name.replace('_', '-')}": default.strip('"')
        for name, default in lines
        if name != "model"
    }


def options_in(words: list[str]) -> set[str]:
    return {word for word in words if word.startswith("-")}


def check_command(arguments: list[str]) -> None:
    """Let ``bitspike`` parse a command line without running it."""
    if arguments[:1] == ["train"]:
        answer(*arguments, *(() if "--print-config" in arguments else ("--print-config",)))
    else:
        assert options_in(arguments) <= {*answer(*arguments, "--help").replace(",", " ").split()}


@pytest.fixture
def config_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file ``run.toml`` of the page on the command line, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (config,) = (b.text for b in blocks("docs/cli.md") if b.text.startswith("# run.toml\n"))
    Path("run.toml").write_text(config, encoding="utf-8")


@pytest.mark.usefixtures("config_of_the_page")
@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_shell_commands_exist(page: str) -> None:
    import tomllib

    extras = tomllib.loads(read("pyproject.toml"))["project"]["optional-dependencies"]
    for words in commands(page):
        match words:
            case ["make", target, *assignments]:
                assert target in make_targets(), words
                for assignment in assignments:
                    name, _, value = assignment.partition("=")
                    assert name in make_variables(), words
                    if name == "ARGS" and target == "mnist":
                        assert options_in(value.split()) <= options_of("lif_fc_mnist").keys(), words
            case ["python", "-m", module, *arguments] if module.startswith("bitspike.examples."):
                known = options_of(module.removeprefix("bitspike.examples."))
                assert options_in(arguments) <= known.keys(), words
            case ["python", "-m", "bitspike.playground", *arguments]:
                check_command(["playground", *arguments])
            case ["bitspike", *arguments] | ["python", "-m", "bitspike", *arguments]:
                check_command(arguments)
            case ["python", "-m", module] if module.startswith("benchmarks"):
                assert find_spec(module) is not None, words
            case ["pip", "install", what]:
                extra = re.fullmatch(r"(?:bitspike|\.)\[(\w+)\]", what)
                assert extra, words
                assert extra[1] in extras, words
            case _:
                pytest.fail(f"{page}: not known how to check {words}")


def test_the_search_finds_commands() -> None:
    found = [" ".join(words) for page in ("README.md", "docs/cli.md") for words in commands(page)]
    assert {"make mnist", "make test", "make help", "pip install bitspike[train]"} <= set(found)
    assert any(PROGRAM in command and "-resume" in command for command in found)


@pytest.mark.parametrize("page", READMES)
def test_the_readme_stays_short(page: str) -> None:
    assert len(read(page).splitlines()) <= 120


@pytest.mark.parametrize("page", ["docs/cli.md", "docs/cli.zh.md"])
def test_the_table_of_options_is_complete(page: str) -> None:
    rows = dict(re.findall(r"^\| `(-[\w-]+)` \| (.*?) ?\|", read(page), re.MULTILINE))
    defaults = options_of("lif_fc_mnist")
    assert rows.keys() == defaults.keys()
    for option, default in defaults.items():
        if default not in ("", "false"):
            assert rows[option] == f"`{default}`"


# -- links, pictures, messages --------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md"])
def test_relative_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", _FENCE.sub("", read(page)))
    for link in links:
        assert not link.startswith(("/", "http")), f"{page}: {link}"
        assert ((ROOT / page).parent / link).is_file(), f"{page}: {link}"


PICTURES = sorted(p for p in (ROOT / "docs/images").rglob("*") if p.is_file())


@pytest.mark.parametrize("picture", PICTURES, ids=lambda p: p.name)
def test_pictures_are_small_and_used(picture: Path) -> None:
    name = picture.relative_to(ROOT / "docs").as_posix()
    assert picture.stat().st_size < 150_000
    assert any(f"{name})" in read(page) for page in PAGES)


def test_names_of_modules_exist() -> None:
    """Names in the tables: ``module`` in the first column, its public names in the second."""
    import importlib

    seen = 0
    for page in PAGES:
        for module, row in re.findall(r"^\| `(\w+)` \| (.*) \|$", read(page), re.MULTILINE):
            if (ROOT / "src/bitspike" / module).exists() or module == "encoding":
                public = importlib.import_module(f"bitspike.{module}")
                for name in re.findall(r"`(\w+)`", row):
                    if name != "lif_fc_mnist":
                        assert hasattr(public, name), f"{page}: {module}.{name}"
                        seen += 1
    assert seen > 30


def test_layer_tables_are_complete() -> None:
    for page in ("docs/layers.md", "docs/layers.zh.md"):
        names = [n for n in (*layer.__all__, *rnn.__all__) if n[0].isupper()]
        absent = [n for n in names if n != "Stepwise" and f"`{n}`" not in read(page)]
        assert absent == []


def mistakes() -> Iterator[str]:
    """Make the mistakes of the guide, and yield the errors as Python prints them."""
    T = 16
    net = torch.nn.Sequential(layer.Flatten(), layer.Linear(784, 10), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    image = torch.linspace(0, 1, 64 * 784).reshape(64, 1, 28, 28).expand(T, 64, 1, 28, 28)

    def forgotten_reset() -> None:
        for _ in range(2):
            net(image).sum().backward()

    def another_shape() -> None:
        functional.reset_net(net)
        net(image)
        net(image[:, :16])

    for mistake in (
        forgotten_reset,
        another_shape,
        lambda: encoding.PoissonEncoder()(image * 255),
        lambda: neuron.LIFNode(tau=1.0),
        lambda: neuron.LIFNode(step_mode="multi"),
    ):
        with pytest.raises((RuntimeError, ValueError)) as caught:
            mistake()
        yield f"{caught.type.__name__}: {caught.value}"


@pytest.mark.parametrize("page", ["docs/guides/mistakes.md", "docs/guides/mistakes.zh.md"])
def test_messages_are_the_real_ones(page: str) -> None:
    shown = re.findall(r"^\| .* \| `(\w+Error: .*)` \|$", read(page), re.MULTILINE)
    assert shown == list(mistakes())
