"""Two implementations that share no line, asked what nobody thought of."""

import json
import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.damaged import MAKERS
from tests.vectors.cases import FOLDER
from tests.vectors.ours import answer
from tests.vectors.run import ask

NODE: Final = Path(__file__).parents[1] / "peers" / "node" / "conformance.mjs"
INPUTS: Final = 150
#: Of two defects in steps 3 and 4 of docs/spec/trust-list.md any may give the error.
ANY_OF: Final = {f"TrustList{name}Error" for name in (
    "Format", "Key", "Range", "Successor", "Environment",
)}  # fmt: skip


@pytest.mark.parametrize("area", MAKERS)
def test_both_implementations_answer_alike_to_what_is_damaged(area: str, tmp_path: Path) -> None:
    """Whatever a list, code, checkpoint or proof says, both take it or refuse it for one reason."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node here: the second implementation needs Node 20 or newer")
    (tmp_path / "worlds").symlink_to(FOLDER / "worlds")
    for seed in range(INPUTS):
        for path, data in MAKERS[area](seed, str(seed)).files().items():
            (tmp_path / area / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / area / path).write_bytes(data)
    cases = [tmp_path / area / str(seed) for seed in range(INPUTS)]
    for case in cases:
        (case / "expected.json").write_text(json.dumps(answer(case)))
    different = [
        (result.case.name, result.given)
        for result in ask([node, NODE], cases)
        if result.outcome != "passed" and not _is_free(result.case, result.given)
    ]
    assert different == []


def _is_free(case: Path, given: str | None) -> bool:
    ours, theirs = json.loads((case / "expected.json").read_bytes()), json.loads(given or "{}")
    return {ours.get("result"), theirs.get("result")} <= ANY_OF
