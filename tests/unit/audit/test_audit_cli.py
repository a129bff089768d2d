"""`celadon audit`: exit codes, and one line for whatever goes wrong."""

import base64
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from audit.cli import audit
from audit.gate import Gate
from audit.publish import write_public
from audit.tlog.proof import parse_proof, verify_proof
from tests.access_support import NOW as AT_THE_DESK
from tests.access_support import a_grant, a_request
from tests.audit_support import Loader
from tests.log_support import NOW, a_log, opened, some_events


class World:
    """A log of 20 entries and what was published of it."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "log.db"
        self.public = folder / "public"
        with opened(f"sqlite:///{self.database}") as engine:
            self.log = a_log(engine)
            self.log.append(some_events(0, 20), now=NOW)
            write_public(self.log, self.public)
            self.checkpoint = self.log.checkpoint()
            self.entry = self.log.entry(7)
            self.consistency = self.log.consistency(7, 20)

    def run(self, command: str, *arguments: str) -> Result:
        vkey = self.public / "log" / "vkey"
        which = ["--database", f"sqlite:///{self.database}", "--vkey", str(vkey)]
        everything = [command, *which, *arguments]
        result = CliRunner().invoke(audit, everything)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_verify_log_in_order_exits_0(world: World) -> None:
    """The size, the root and the time are printed."""
    seen = str(world.public / "log" / "checkpoint")
    result = world.run("verify", "--seen", seen)
    assert result.exit_code == 0
    assert result.stdout.startswith("verified: 20 entries, root ")
    assert result.stdout.endswith(", signed 2020-12-13T00:00:00Z\n")


def test_verify_one_byte_flipped_names_the_entry_and_exits_1(world: World) -> None:
    """What the demo does: one byte of the database's file, and the audit names the entry."""
    data = bytearray(world.database.read_bytes())
    at = data.index((7).to_bytes(16, "big") + b"\x02")  # the body: event id, then the kind
    data[at + 20] ^= 1
    world.database.write_bytes(data)
    result = world.run("verify")
    assert (result.exit_code, result.stdout) == (
        1,
        "BROKEN: entry 7 is not what was committed to\n",
    )


def test_checkpoint_prints_the_signed_note(world: World) -> None:
    """Byte for byte, so that it can be piped into other tools."""
    result = world.run("checkpoint")
    assert (result.exit_code, result.stdout_bytes) == (0, world.checkpoint)


def test_prove_prints_a_proof_that_verifies(world: World) -> None:
    """Byte for byte a tlog-proof."""
    result = world.run("prove", "7")
    assert result.exit_code == 0
    verify_proof(parse_proof(result.stdout_bytes), world.entry, world.log.key)


def test_consistency_prints_the_hashes(world: World) -> None:
    """One hash a line, in base64."""
    result = world.run("consistency", "7", "20")
    assert [base64.b64decode(line) for line in result.stdout.split()] == world.consistency


def test_publish_writes_the_public_folder(world: World, tmp_path: Path) -> None:
    """The folder that the public reads, without the private key."""
    result = world.run("publish", str(tmp_path / "other"))
    assert result.exit_code == 0
    assert (tmp_path / "other" / "log" / "checkpoint").read_bytes() == world.checkpoint


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("prove", "20"), "leaf 20 is not in a tree of 20"),
        (("consistency", "7", "21"), "no 21 entries"),
        (("consistency", "8", "7"), "do not come before"),
    ],
)
def test_impossible_question_is_one_line_and_exits_2(
    world: World, arguments: tuple[str, ...], words: str
) -> None:
    """Bad arguments are said in a line on standard error."""
    result = world.run(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_missing_database_is_not_created(world: World) -> None:
    """A mistyped path is an error, not an empty log."""
    world.database.unlink()
    result = world.run("verify")
    assert (result.exit_code, result.stderr) == (2, f"error: no database at {world.database}\n")
    assert not world.database.exists()


def test_damaged_database_is_one_line(world: World) -> None:
    """A file that SQLite cannot read gives exit code 1 from verify and 2 from the others."""
    world.database.write_bytes(b"damaged" * 2000)
    assert world.run("verify").stdout.startswith("BROKEN: the database cannot be read")
    result = world.run("checkpoint")
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("command", ["checkpoint", "verify"])
@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql://nobody@127.0.0.1:1/x"])
def test_database_that_cannot_be_opened_is_said(world: World, url: str, command: str) -> None:
    """An unreadable URL, another kind of database and an absent server are no verdict."""
    vkey = str(world.public / "log" / "vkey")
    result = CliRunner().invoke(audit, [command, "--database", url, "--vkey", vkey])
    assert result.exit_code == 2
    assert isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("error: ")


def test_wrong_vkey_file_is_said(world: World) -> None:
    """A file that holds no verifier key is refused."""
    (world.public / "log" / "vkey").write_text("not a key\n")
    result = world.run("verify")
    assert (result.exit_code, result.stderr) == (2, "error: not a verifier key\n")


def test_publish_into_a_folder_that_cannot_be_written_names_it(
    world: World, tmp_path: Path
) -> None:
    """The file, then why, as in the other commands; no number of the operating system."""
    (tmp_path / "file").touch()
    result = world.run("publish", str(tmp_path / "file" / "public"))
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path}/file/public/log: Not a directory\n"


def test_grants_shows_staff_and_counts_and_nobody_who_was_read(world: World) -> None:
    """Enough to see which clerk is unusual, and no history of anybody."""
    with opened(f"sqlite:///{world.database}") as engine:
        gate = Gate(engine, a_log(engine))
        gate.grant(a_grant(), now=AT_THE_DESK)
        gate.open(a_request(), Loader(), now=AT_THE_DESK)
        gate.open(a_request(case=""), Loader(), now=AT_THE_DESK)
    result = world.run("grants")
    assert result.exit_code == 0
    assert result.stdout == (
        "clerk-17: desk-clerk of hospital-xian-4, grant 6772616e742d6f662d636c65726b3137\n"
        "  by head-of-desk-2, 2020-12-13T04:00:00Z until 2021-01-12T05:00:00Z\n"
        "  for hospital-look-up: colour, name\n"
        "  at most 30 reads in 8 hours, 10 of one person and 2000 of the organisation in a day\n"
        "  reads: 1, people: 1, refused for no-case: 1\n"
    )
    assert "reads: 0, people: 0" in world.run("grants", "--since", "2020-12-14T00:00:00Z").stdout
