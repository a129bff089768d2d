"""Talks to the workers in tests/peers/, which run other people's libraries in .venv-peers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

__all__ = ["PEERS_MISSING", "Peers", "peers"]

_ROOT: Final = Path(__file__).parents[1]
_PYTHON: Final = _ROOT / ".venv-peers" / "bin" / "python"
PEERS_MISSING: Final = "the peer libraries are not installed: run `make peers` first"


class Peers:
    """A running worker."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, do: str, **request: object) -> dict[str, Any]:
        """One request, one answer.

        Raises:
            RuntimeError: The worker died of it; its own words are on standard error.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the worker has no pipes")
        stdin.write(json.dumps({"do": do, **request}) + "\n")
        stdin.flush()
        line = stdout.readline()
        if not line:
            raise RuntimeError(f"the worker did not answer {do!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def peers(script: str = "worker.py") -> Iterator[Peers]:
    """A worker for as long as the block lasts.

    Raises:
        FileNotFoundError: `make peers` has not run.
    """
    if not _PYTHON.exists():
        raise FileNotFoundError(PEERS_MISSING)
    with subprocess.Popen(
        [_PYTHON, "-W", "ignore", _ROOT / "tests" / "peers" / script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Peers(process)
        finally:
            process.terminate()
