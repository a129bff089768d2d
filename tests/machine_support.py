"""One person's machine in a ceremony: `celadon keys` and `celadon trust` on its own files."""

from pathlib import Path
from typing import Final

import click
from click.testing import CliRunner, Result

from keys.cli import keys
from keys.trustcli import trust
from tests.keystore_support import PASSPHRASE, make_store

__all__ = ["FROM", "GROUPS", "UNTIL", "Machine", "refused"]

FROM, UNTIL = "2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
GROUPS: Final[dict[str, click.Group]] = {"keys": keys, "trust": trust}


class Machine:
    """One person's machine: a keystore, a passphrase file, and files that come and go."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.store = make_store(folder / "keystore")
        (folder / "passphrase").touch(mode=0o600)
        (folder / "passphrase").write_text(PASSPHRASE + "\n")
        self._environment = {
            "CELADON_KEYSTORE": str(folder / "keystore"),
            "CELADON_PASSPHRASE_FILE": str(folder / "passphrase"),
        }

    def run(self, command: str, *arguments: object, text: str = "") -> Result:
        group = GROUPS[command]
        return CliRunner().invoke(
            group, [str(item) for item in arguments], input=text, env=self._environment
        )

    def do(self, command: str, *arguments: object, text: str = "") -> str:
        result = self.run(command, *arguments, text=text)
        assert result.exit_code == 0, result.output
        return result.output

    def new_key(self, purpose: str, region: str = "610000") -> str:
        """An active key's kid."""
        made = self.do(
            "keys", "new", "--purpose", purpose, "--region", region, "--from", FROM, "--until",
            UNTIL,
        )  # fmt: skip
        self.do("keys", "activate", made[:8])
        return made[:8]

    def export(self, name: str, out: Path) -> Path:
        self.do("keys", "export-public", name, "--out", out)
        return out


def refused(result: Result, code: int = 1) -> str:
    """The one line of an error."""
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    return result.stderr
