"""Cases of the conformance suite as folders: generators write them, tests read them (README.md)."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = [
    "AREAS", "FOLDER", "Case", "case_folders", "expected", "files", "found", "json_file",
    "replace_folder",
]  # fmt: skip

FOLDER: Final = Path(__file__).parent
#: What each area asks of whoever is tested, in the words that its cases carry.
AREAS: Final = {
    "code": "Check code.txt at this door.",
    "trust-list": "May list.cbor be held from now on?",
    "status-list": "May list.cwt be held from now on?",
    "status-delta": "What does list.cwt become by region.delta, if region.snapshot allows it?",
    "checkpoint": "Did the log that vkey names sign this checkpoint?",
    "base45": "Decode text.txt.",
    "cbor": "Is item.cbor one item of the profile, its keys in order unless that is waived?",
    "log-proof": "Does proof.tlog-proof show that this entry is in the log that vkey names?",
}
_BAD_INPUT: Final = re.compile(r"C0*([1-9][0-9]*)(?=[a-z]?\b)")


@dataclass(frozen=True, slots=True)
class Case:
    """One folder.

    Attributes:
        name: Its folder's. The number of the bad input, if any, begins this or *about*.
        expected: The answer.
        inputs: Files by name.
        given: What else the question needs: now, policy, world.
        step: The step of the spec page that refuses; None where all pass, or none is numbered.
    """

    area: str
    name: str
    about: str
    expected: Mapping[str, object]
    inputs: Mapping[str, bytes]
    given: Mapping[str, object] = field(default_factory=dict)
    step: int | None = None

    def files(self) -> dict[str, bytes]:
        """Its files by their path below the area's folder."""
        number = _BAD_INPUT.match(self.name) or _BAD_INPUT.match(self.about)
        description = {
            "id": f"{self.area}/{self.name}",
            "area": self.area,
            "asked": AREAS[self.area],
            "about": self.about,
            **({} if number is None else {"bad_input": f"C{number[1]}"}),
            **({} if self.step is None else {"step": self.step}),
            **self.given,
        }
        made = {
            "case.json": json_file(description),
            "expected.json": json_file(self.expected),
            **self.inputs,
        }
        return {f"{self.name}/{path}": data for path, data in made.items()}


def json_file(content: object) -> bytes:
    """How JSON stands in a file."""
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def files(cases: Iterable[Case]) -> dict[str, bytes]:
    """The files of an area by their path below its folder.

    Raises:
        ValueError: Two cases have one name.
    """
    made: dict[str, bytes] = {}
    for case in cases:
        if f"{case.name}/case.json" in made:
            raise ValueError(f"two cases are named {case.name}")
        made |= case.files()
    return made


def found(area: str) -> dict[str, bytes]:
    """The files below the folder of an area, or of the worlds, as they stand."""
    folder = FOLDER / area
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def replace_folder(area: str, made: Mapping[str, bytes]) -> None:
    """Write *made*, and nothing else, into the folder of an area, or of the worlds."""
    folder = FOLDER / area
    for stale in found(area).keys() - made.keys():
        (folder / stale).unlink()
    for path, data in made.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    for empty in folder.glob("*"):
        if not any(empty.iterdir()):
            empty.rmdir()


def case_folders(*areas: str) -> list[Path]:
    """Every case of these areas, or of all."""
    named = areas or tuple(AREAS)
    return [path.parent for area in named for path in sorted((FOLDER / area).glob("*/case.json"))]


def expected(folder: Path) -> dict[str, Any]:
    """The answer that a case expects."""
    answer: dict[str, Any] = json.loads((folder / "expected.json").read_bytes())
    return answer
