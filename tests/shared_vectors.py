"""Where the published vectors are: tests/vectors/published/, whose README gives their sources."""

import json
from pathlib import Path
from typing import Any, Final

__all__ = ["PUBLISHED", "VECTORS", "read_json", "vector_path"]

#: Vectors of our own, one folder per subject.
VECTORS: Final = Path(__file__).parent / "vectors"
#: Vectors of others, as they were published.
PUBLISHED: Final = VECTORS / "published"


def vector_path(name: str) -> Path:
    """The published vector file or folder *name*, such as "cose/CWT/A_3.json".

    Raises:
        FileNotFoundError: It is not in the repository. No test may pass without its vectors.
    """
    path = PUBLISHED / name
    if not path.exists():
        raise FileNotFoundError(f"published vector {name!r} is missing from {PUBLISHED}")
    return path


def read_json(name: str) -> Any:  # noqa: ANN401 - the files have as many shapes as sources
    """The content of the published JSON file *name*."""
    return json.loads(vector_path(name).read_bytes())
