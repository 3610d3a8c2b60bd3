"""The tutorial as a notebook runs in Jupyter, and what it shows is stored in it."""

import warnings
from pathlib import Path
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Jupyter's packages warn of at import is their affair
    import nbformat
    from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "tutorial.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def outputs(notebook: Any) -> list[Any]:
    return [one for cell in notebook.cells if cell.cell_type == "code" for one in cell.outputs]


def kinds(notebook: Any) -> list[set[str]]:
    """What is shown, apart from what is printed, which may come in several pieces."""
    return [set(one.data) for one in outputs(notebook) if one.output_type != "stream"]


def test_what_it_shows_is_stored() -> None:
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    shown = outputs(read())
    assert all(one.output_type != "error" for one in shown)
    assert sum("image/png" in one.get("data", {}) for one in shown) >= 4
    html = "".join(one.get("data", {}).get("text/html", "") for one in shown)
    assert "SpikeTensor" in html
    assert "H[t] = V[t-1]" in html
    assert not any(word in NOTEBOOK.read_text("utf-8") for word in ("/home/", "/root/", "/work/"))
    assert NOTEBOOK.stat().st_size < 300_000


@pytest.mark.usefixtures("mnist_root")
@pytest.mark.filterwarnings("ignore")  # Jupyter's own
def test_it_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The notebook itself asserts what it learns; here without compiling kernels."""
    monkeypatch.setenv("BITSPIKE_BACKEND", "eager")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = read()
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert kinds(notebook) == kinds(read())
