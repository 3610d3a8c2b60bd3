"""What MkDocs calls: writes the API reference before it looks for pages.

The pages are made on the disk, in ``docs/api``, since the plugin for languages reads each page from
there; git ignores them.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.documentation import _api


def on_pre_build(config: Any) -> None:
    """Writes what has changed, and removes pages of packages that are gone."""
    docs = Path(config.docs_dir)
    made = _api.pages()
    for name, text in made.items():
        path = docs / name
        path.parent.mkdir(exist_ok=True)
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in (docs / "api").glob("*.md"):
        if f"api/{path.name}" not in made:
            path.unlink()
