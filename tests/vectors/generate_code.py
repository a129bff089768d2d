"""Writes tests/vectors/code/: one code in each file, with one defect or none.

    python -m tests.vectors.generate_code

Every key comes from a fixed seed, so the files come out the same each time; a test compares them.
A file names the world (worlds/NAME.json) that the verifier holds, the text that it is shown, its
clock and its policy, and the kind and reason of the outcome. A text that is long is given in parts,
each with the number of times that it is repeated. "before" lists texts that the same door was shown
a moment before. Where a defect is in the envelope or the claims, the signature is right for the
bytes as they stand, so that nothing but the defect can refuse them.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from tests.vectors import code_shapes, code_verdicts
from tests.vectors.code_material import Vector
from tests.vectors.code_worlds import WorldFile, worlds

__all__ = ["FOLDER", "Vector", "files", "load_vectors", "load_worlds", "text_of_vector", "write"]

FOLDER: Final = Path(__file__).parent / "code"


def vectors() -> Iterator[Vector]:
    """Every vector."""
    yield from code_shapes.vectors()
    yield from code_verdicts.vectors()


def text_of_vector(vector: Vector) -> str:
    """The text that is shown."""
    if isinstance(vector.text, str):
        return vector.text
    return "".join(part * times for part, times in vector.text)


def files() -> dict[str, str]:
    """Every file by its path below the folder."""
    made = {f"worlds/{name}.json": _json(asdict(file)) for name, file in worlds().items()}
    for vector in vectors():
        path = f"{vector.name}.json"
        if path in made:
            raise ValueError(f"two vectors are named {vector.name}")
        made[path] = _json(asdict(vector))
    return made


def _json(value: object) -> str:
    return json.dumps(value, indent=1) + "\n"


def load_vectors() -> list[Vector]:
    """The vectors as they stand in the folder."""
    paths = sorted(FOLDER.glob("*.json"))
    loaded = [Vector(**json.loads(path.read_text())) for path in paths]
    return [replace(vector, before=tuple(vector.before)) for vector in loaded]


def load_worlds() -> dict[str, WorldFile]:
    """The worlds as they stand in the folder."""
    paths = sorted((FOLDER / "worlds").glob("*.json"))
    return {path.stem: WorldFile(**json.loads(path.read_text())) for path in paths}


def write() -> None:
    """Replace the folder's files."""
    (FOLDER / "worlds").mkdir(parents=True, exist_ok=True)
    made = files()
    for path in FOLDER.rglob("*.json"):
        if str(path.relative_to(FOLDER)) not in made:
            path.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    write()
