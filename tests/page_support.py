"""Examples in the pages of docs/spec: what the code makes stands there, and can be written anew."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

__all__ = ["SPEC", "block", "write_examples"]

SPEC: Final = Path(__file__).parents[1] / "docs" / "spec"


def block(name: str, content: str) -> str:
    """An example as it stands in a page."""
    return f"<!-- example: {name} -->\n```\n{content}\n```\n"


def write_examples(examples: Mapping[tuple[str, str], Callable[[], str]]) -> None:
    """Put what these make into the pages, by file and name of the example."""
    for (file, name), make in examples.items():
        marker = re.escape(f"<!-- example: {name} -->\n") + r"(```\n.*?\n```\n)?"
        path, made = SPEC / file, block(name, make()).replace("\\", r"\\")
        path.write_text(re.sub(marker, made, path.read_text("utf-8"), flags=re.DOTALL), "utf-8")
