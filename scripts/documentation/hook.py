"""What MkDocs calls: adds the pages of the API reference, which are on no disk."""

import sys
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.documentation import _api  # noqa: E402 -- found by the line above


@event_priority(100)  # before the pages are sorted by language
def on_files(files: Files, config: Any) -> Files:
    """Adds a page for each package."""
    for name, text in _api.pages().items():
        files.append(File.generated(config, name, content=text))
    return files
