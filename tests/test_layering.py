"""The floors of the house: imports point down only, and heavy packages stay where they belong."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from tests.processes import fresh

import bitspike

PACKAGE = "bitspike"
ROOT = Path(bitspike.__file__).parent

FLOORS = {
    0: {
        "_version",
        "_extras",
        "_files",
        "_seeds",
        "_terminal",
        "dispatch",
        "spikes",
        "dynamics",
        "surrogate",
    },
    1: {"kernels"},
    2: {"base", "neuron", "layer", "rnn", "encoding", "loss", "memory", "monitor", "learning"},
    3: {PACKAGE, "functional", "testing", "visualizing", "diagnosis", "convert", "profile"},
    4: {"training", "datasets", "models"},
    5: {"cli", "examples", "playground", "__main__"},
}
FLOOR_OF = {unit: floor for floor, units in FLOORS.items() for unit in units}
HOMES = {"numba": "numba", "llvmlite": "numba", "triton": "triton"}
"""Compilers, and how the names of the files below ``kernels`` begin that may import them."""
NEVER = {"torchvision", "torchaudio"}
NOT_AT_IMPORT = {"tensorboard", "matplotlib", "rich", "pooch", "PIL"}
LONGEST = 400
LOOK_INSIDE = {"learning/test_stdp.py", "spikes/test_forged.py", "spikes/test_html.py"}
"""The test files that import private names of packages: 15 at most."""

FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@dataclass(frozen=True)
class Import:
    """One imported module, and whether it is imported together with its file."""

    module: str
    at_import: bool


def imports(source: str, file: str) -> Iterator[Import]:
    """Every module that ``source`` imports, anywhere; ``file`` is its path below the package."""
    folder = (PACKAGE, *file.split("/")[:-1])

    def visit(node: ast.AST, at_import: bool) -> Iterator[Import]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            at_import = False
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, at_import)
        if isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) - node.level + 1] if node.level else ()
            origin = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{origin}.{alias.name}", at_import)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_import)

    yield from visit(ast.parse(source), True)


def unit_of_file(file: str) -> str:
    """The name in `FLOORS` that a file belongs to."""
    first = file.split("/")[0].removesuffix(".py")
    return PACKAGE if first == "__init__" else first


def unit_of_module(module: str) -> str | None:
    """The name in `FLOORS` that an imported module belongs to; None if it is not ours."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    units = {unit_of_file(file) for file in FILES} | set(FLOOR_OF)
    return parts[1] if len(parts) > 1 and parts[1] in units else PACKAGE


def compiler_of(parts: list[str]) -> str | None:
    """The compiler of a module or file below ``kernels``, by its name; None of any other."""
    if parts[:1] != ["kernels"]:
        return None
    return next((c for c in ("numba", "triton") for part in parts[1:] if part.startswith(c)), None)


def is_private(module: str) -> bool:
    """Whether a name below a package, as in ``bitspike.neuron._lif``, begins with an underscore."""
    return any(part.startswith("_") and not part.startswith("__") for part in module.split(".")[2:])


def violations(source: str, file: str) -> list[str]:
    """What ``source`` may not import."""
    here = unit_of_file(file)
    floor = max(FLOORS) if here == PACKAGE else FLOOR_OF[here]  # the face shows all that there is
    found = []
    for one in imports(source, file):
        outside = one.module.split(".")[0]
        unit = unit_of_module(one.module)
        if unit is not None and FLOOR_OF[unit] > floor:
            found.append(f"{unit} is on floor {FLOOR_OF[unit]}, above {here}")
        if unit not in (None, PACKAGE, here) and is_private(one.module):
            found.append(f"{one.module} is private to {unit}")
        if one.module.endswith(".*"):
            found.append(f"import * from {one.module}")
        if outside in NEVER:
            found.append(f"{outside} is never imported")
        if outside in HOMES and compiler_of(file.removesuffix(".py").split("/")) != HOMES[outside]:
            found.append(f"{outside} stays in files kernels/*/{HOMES[outside]}*.py")
        compiler = compiler_of(one.module.split(".")[1:])
        lazy = not one.at_import or compiler_of(file.removesuffix(".py").split("/")) == compiler
        if unit == "kernels" and compiler is not None and not lazy:
            found.append(f"kernels of {compiler} are imported lazily, by who needs them")
        if outside in NOT_AT_IMPORT and floor <= 2 and one.at_import:
            found.append(f"{outside} is imported together with floor {floor}")
    return found


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


def test_every_file_has_a_floor() -> None:
    units = {unit_of_file(file) for file in FILES}
    assert units <= set(FLOOR_OF), f"give {units - set(FLOOR_OF)} a floor in design and test"
    assert {"dynamics", "kernels", "neuron", "monitor"} <= units, "the search finds our files"


@pytest.mark.parametrize("file", FILES)
def test_file_keeps_the_rules(file: str) -> None:
    assert violations(read(file), file) == []
    assert len(read(file).splitlines()) <= LONGEST


def test_few_tests_import_private_names() -> None:
    tests = Path(__file__).parent
    private = {
        path.relative_to(tests).as_posix()
        for path in tests.rglob("*.py")
        for one in imports(path.read_text(encoding="utf-8"), "tests.py")
        if unit_of_module(one.module) is not None and is_private(one.module)
    }
    assert private == LOOK_INSIDE
    assert len(LOOK_INSIDE) <= 15


def test_no_cycle_among_packages() -> None:
    graph: dict[str, set[str]] = {}
    for file in FILES:
        here = unit_of_file(file)
        if here != PACKAGE:  # the root imports its children by design
            below = {unit_of_module(one.module) for one in imports(read(file), file)}
            graph.setdefault(here, set()).update(u for u in below if u not in (None, here, PACKAGE))
    assert graph["layer"] >= {"base", "neuron"}, "the search finds our imports"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("file", "source", "complaint"),
    [
        ("kernels/scan/reference.py", "from bitspike.neuron import IFNode", "neuron is on floor 2"),
        ("kernels/scan/reference.py", "from bitspike import neuron", "neuron is on floor 2"),
        ("kernels/scan/reference.py", "import bitspike.neuron._if", "neuron is on floor 2"),
        ("kernels/scan/reference.py", "from ...neuron import IFNode", "neuron is on floor 2"),
        ("kernels/scan/reference.py", "from ... import neuron", "neuron is on floor 2"),
        ("kernels/scan/reference.py", "from bitspike import __version__", "bitspike is on floor 3"),
        ("neuron/_if.py", "def f():\n    from bitspike import training", "training is on floor 4"),
        ("spikes.py", "import bitspike.kernels", "kernels is on floor 1"),
        ("layer/_linear.py", "from bitspike.base._axes import SPACE", "_axes.SPACE is private to"),
        ("layer/_linear.py", "from bitspike.base import _axes", "base._axes is private to base"),
        ("neuron/_if.py", "from bitspike.dynamics import *", "import *"),
        ("cli/__init__.py", "def f():\n    import torchvision", "torchvision is never"),
        ("kernels/scan/reference.py", "def f():\n    import numba", "numba stays in"),
        ("kernels/scan/numba.py", "from triton import jit", "triton stays in"),
        ("kernels/scan/numba.py", "from matplotlib import cm", "matplotlib is imported together"),
        ("kernels/__init__.py", "from bitspike.kernels.scan import numba", "imported lazily"),
        ("kernels/__init__.py", "import bitspike.kernels.scan.triton", "imported lazily"),
        ("encoding.py", "class A:\n    from PIL import Image", "PIL is imported together"),
    ],
)
def test_the_rules_see_a_violation(file: str, source: str, complaint: str) -> None:
    assert any(complaint in found for found in violations(source, file))


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("kernels/scan/reference.py", "from bitspike.dynamics import hard_reset"),
        ("kernels/scan/reference.py", "from ._neuron import Neuron"),
        ("kernels/scan/numba.py", "import numba\nfrom bitspike.kernels.linear import numba_rows"),
        ("kernels/__init__.py", "def f():\n    from bitspike.kernels.scan import numba"),
        ("visualizing/_figure.py", "import matplotlib"),
        ("layer/_linear.py", "from bitspike.layer._stepwise import Size"),
        ("datasets/_cache.py", "from bitspike._files import write"),
        ("cli/__init__.py", "from bitspike import neuron, datasets"),
    ],
)
def test_the_rules_let_pass_what_is_right(file: str, source: str) -> None:
    assert violations(source, file) == []


def test_importing_bitspike_stays_light() -> None:
    heavy = NOT_AT_IMPORT | NEVER | {"numba", "llvmlite", "triton"}
    program = (  # what torch imports is torch's affair
        f"import sys, torch; before = set(sys.modules); from {PACKAGE} import *; "
        f"print(sorted({heavy} & (set(sys.modules) - before)))"
    )
    assert fresh(program).out.strip() == "[]"
