"""Writes tests/vectors/code/ and worlds/: one code in each folder, with one defect or none.

    python -m tests.vectors.generate_code

Every key comes from a fixed seed, so the files come out the same each time; a test compares them.
Where a defect is in the envelope or the claims, the signature is right for the bytes as they stand,
so that nothing but the defect can refuse them.
"""

from collections.abc import Iterator

from tests.vectors import code_shapes, code_verdicts, code_worlds
from tests.vectors.cases import Case, files, replace_folder

__all__ = ["cases"]


def cases() -> Iterator[Case]:
    """Every case."""
    for module in (code_shapes, code_verdicts):
        for vector in module.vectors():
            yield vector.case()


if __name__ == "__main__":
    replace_folder("worlds", code_worlds.files())
    replace_folder("code", files(cases()))
