"""Writes tests/vectors/checkpoint/ and tests/vectors/log-proof/: one defect in each folder.

python -m tests.vectors.generate_log
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from audit.tlog.checkpoint import Checkpoint, encode_checkpoint, sign_checkpoint
from audit.tlog.merkle import Frontier, inclusion_proof, leaf_hash
from audit.tlog.note import KeyType, NoteKey, cosign_line, sign_line
from audit.tlog.proof import Proof, encode_proof
from keys.signer import SeedSigner
from tests.naive_merkle import naive_root
from tests.vectors.cases import Case, files, replace_folder

__all__ = ["cases"]

ORIGIN: Final = "celadon.example/610000/log"
SIGNER: Final = SeedSigner(b"\xd1" * 32)
OTHER: Final = SeedSigner(b"\xd2" * 32)
KEY: Final = NoteKey(ORIGIN, SIGNER.public_key)
TIMED: Final = NoteKey(ORIGIN, SIGNER.public_key, KeyType.COSIGNATURE)
NOW: Final = 1_607_817_600
ENTRIES: Final = [bytes([number]) * 32 for number in range(7)]
LEAVES: Final = [leaf_hash(entry) for entry in ENTRIES]
ROOT: Final = naive_root(LEAVES)
GOOD: Final = Checkpoint(ORIGIN, 7, ROOT)
TEXT: Final = encode_checkpoint(GOOD)


@dataclass(frozen=True, slots=True)
class Vector:
    """One case.

    Attributes:
        timestamp: Whether the reader wants to know the time too, and so knows the log's own
            cosignature.
    """

    area: str
    name: str
    about: str
    data: bytes
    expect: str
    entry: bytes | None = None
    timestamp: bool = False

    def case(self) -> Case:
        """Its folder."""
        inputs = {"vkey": KEY.vkey().encode()}
        if self.entry is None:
            inputs["checkpoint"] = self.data
            given = {"timestamp": self.timestamp}
        else:
            inputs |= {"proof.tlog-proof": self.data, "entry": self.entry}
            given = {}
        return Case(self.area, self.name, self.about, {"result": self.expect}, inputs, given)


def signed(text: str) -> bytes:
    """*text* as a note, signed by the log's key whatever it says."""
    return f"{text}\n{sign_line(text, KEY, SIGNER)}".encode()


def vectors() -> Iterator[Vector]:
    """All files."""
    yield from _checkpoints()
    yield from _lines()
    yield from _timestamps()
    yield from _proofs()


def _checkpoints() -> Iterator[Vector]:
    root = base64.b64encode(ROOT).decode()
    good = sign_checkpoint(GOOD, SIGNER, now=NOW)
    note = good.decode()
    signature = sign_line(TEXT, KEY, SIGNER)
    stranger = sign_line(TEXT, NoteKey("witness.example", OTHER.public_key), OTHER)
    cases = {
        "good": ("Signature and timestamp of the log.", good),
        "good-plain": ("Signature only.", signed(TEXT)),
        "good-extension": ("A further line, which nobody vouches for.", signed(f"{TEXT}more\n")),
        "good-del": (
            "Delete is no control character of a note: those are below U+0020.",
            signed(f"{TEXT}a\x7fb\n"),
        ),
        "good-empty-log": ("No entries yet.", signed(f"{ORIGIN}\n0\n{root}\n")),
        "good-stranger": ("Somebody unknown has signed too.", signed(TEXT) + stranger.encode()),
        "good-second-line-wrong": (
            "C94: a second line under the log's name and id says nothing more.",
            signed(TEXT) + _line(signature, slice(4, -1), b"\x00").encode(),
        ),
        "good-stranger-twice": (
            "C94: a line of somebody unknown, twice; neither counts for anything.",
            signed(TEXT) + 2 * stranger.encode(),
        ),
    }
    for name, (about, data) in cases.items():
        yield Vector("checkpoint", name, about, data, "accepted")
    defects = {
        "origin-other": ("C91: another log's origin.", signed(TEXT.replace("610000", "230000"))),
        "origin-empty": ("C91: an empty origin.", signed(f"\n7\n{root}\n")),
        "crlf": ("C91: lines end in CR LF.", note.replace("\n", "\r\n").encode()),
        "crlf-signed": ("C91: the same, signed so.", signed(TEXT.replace("\n", "\r\n"))),
        "size-leading-zero": ("C91", signed(f"{ORIGIN}\n07\n{root}\n")),
        "size-2-63": ("C91: 2**63.", signed(f"{ORIGIN}\n{2**63}\n{root}\n")),
        "size-negative": ("C91", signed(f"{ORIGIN}\n-7\n{root}\n")),
        "size-plus": ("C91", signed(f"{ORIGIN}\n+7\n{root}\n")),
        "size-underscore": ("C91", signed(f"{ORIGIN}\n1_0\n{root}\n")),
        "size-fullwidth": ("C91: digits that int() takes.", signed(f"{ORIGIN}\n\uff17\n{root}\n")),
        "size-space": ("C91", signed(f"{ORIGIN}\n7 \n{root}\n")),
        "size-empty": ("C91", signed(f"{ORIGIN}\n\n{root}\n")),
        "blank-line-missing": ("C91", note.replace("\n\n", "\n").encode()),
        "blank-line-twice": ("C91: an empty line in the text.", signed(f"{TEXT}\n")),
        "not-utf8": ("C91", good.replace(b"celadon", b"cel\xffdon", 1)),
        "utf8-overlong": ("C91: an overlong slash.", good.replace(b"/", b"\xc0\xaf", 1)),
        "nul": ("C13: a NUL in the origin.", good.replace(b"/", b"\x00", 1)),
        "tab-signed": ("A control character, signed.", signed(f"{TEXT}a\tb\n")),
        "nul-signed": ("C13: a NUL, signed.", signed(f"{TEXT}a\0b\n")),
        "two-lines": ("The root is missing.", signed(f"{ORIGIN}\n7\n")),
        "root-31-bytes": ("A short root.", signed(_with_root(ROOT[:31]))),
        "root-33-bytes": ("A long root.", signed(_with_root(ROOT + b"\x00"))),
        "root-unpadded": ("Base64 without padding.", signed(TEXT.replace("=", ""))),
        "root-urlsafe": ("The other alphabet.", signed(_with_root(b"\xff" * 32).replace("/", "_"))),
        "root-loose-bits": ("Base64 whose last bits are not zero.", signed(_loosened(TEXT))),
        "no-signature": ("Only a text.", TEXT.encode()),
        "no-signature-line": ("A text and an empty line.", f"{TEXT}\n".encode()),
        "last-newline-missing": ("Cut at the end.", good[:-1]),
        "dash-short": ("A hyphen instead of the em dash.", note.replace("\u2014", "-").encode()),
        "signature-line-double-space": ("Two spaces.", signed(TEXT).replace(b"\x94 ", b"\x94  ")),
        "signature-63": ("63 bytes.", _resigned(signature, slice(4, -1))),
        "signature-65": ("65 bytes.", _resigned(signature, slice(4, None), b"\x00")),
        "signature-none": ("A key id and nothing.", _resigned(signature, slice(0, 0))),
        "signature-wrong-then-good": (
            "C94: the first line under the log's name and id is wrong, the second right.",
            f"{TEXT}\n{_line(signature, slice(4, -1), bytes(1))}{signature}".encode(),
        ),
        "signature-other-text": ("Signed for size 7, says 8.", good.replace(b"\n7\n", b"\n8\n")),
        "signature-other-key": (
            "Signed by a stranger under the log's name and key id.",
            _with_line(TEXT, KEY, OTHER),
        ),
        "signature-good-then-bad": (
            "C94: a good line of the log and a bad one of its timestamp.",
            good[:-6] + b"AAAA=\n",
        ),
        "unknown-key-only": ("Nobody known has signed.", f"{TEXT}\n{stranger}".encode()),
        "timestamp-only": (
            "The timestamp alone is no signature of the log.",
            (TEXT + "\n" + note.split("\n")[-2] + "\n").encode(),
        ),
        "signature-lines-101": ("Too many lines.", signed(TEXT) + 100 * stranger.encode()),
        "trailing-line": ("Something stands after the signatures.", good + b"x\n"),
    }
    for name, (about, data) in defects.items():
        timestamp = name == "signature-good-then-bad"
        yield Vector("checkpoint", name, about, data, "CheckpointError", timestamp=timestamp)


def _lines() -> Iterator[Vector]:
    """Lines of others behind the log's own."""

    def behind(line: str) -> bytes:
        return signed(TEXT) + line.encode()

    stranger = sign_line(TEXT, NoteKey("witness.example", OTHER.public_key), OTHER)
    name, signature = stranger.removesuffix("\n").split(" ")[1:]
    wrong = base64.b64encode(KEY.key_id + bytes(64)).decode()
    shortest = base64.b64encode(bytes(5)).decode()
    for case, (about, line) in {
        "same-id": ("Another name with the log's id, and zeros.", f"— {name} {wrong}\n"),
        "5-bytes": ("The shortest signature.", f"— {name} {shortest}\n"),
        "of-any-script": ("A name beyond ASCII.", f"— 见证 {signature}\n"),
    }.items():
        yield Vector("checkpoint", f"good-stranger-{case}", about, behind(line), "accepted")
    first = f"{TEXT}\n\u2014 {name} {wrong}\n{sign_line(TEXT, KEY, SIGNER)}".encode()
    about = "The same before the log's own line."
    yield Vector("checkpoint", "good-stranger-same-id-first", about, first, "accepted")
    hundred = signed(TEXT) + 99 * stranger.encode()
    yield Vector("checkpoint", "good-100-lines", "As many as may be.", hundred, "accepted")
    for case, (about, line) in {
        "4-bytes": ("An id and nothing.", f"— {name} AAAAAA==\n"),
        "plus": ("A plus sign in the name.", f"— a+b {signature}\n"),
        "no-break-space": ("White space in the name.", f"— a\u00a0b {signature}\n"),
        "wide-space": ("White space in the name.", f"— a\u3000b {signature}\n"),
        "no-name": ("No name.", f"—  {signature}\n"),
        "three-words": ("A word too many.", f"— {name} {signature} {signature}\n"),
        "no-base64": ("No signature.", f"— {name}\n"),
    }.items():
        yield Vector("checkpoint", f"stranger-{case}", about, behind(line), "CheckpointError")


def _timestamps() -> Iterator[Vector]:
    """For a reader who wants the time too."""

    def timed(name: str, about: str, expect: str, line: str) -> Vector:
        data = signed(TEXT) + line.encode()
        return Vector("checkpoint", name, about, data, expect, timestamp=True)

    def at(time: int) -> str:
        return cosign_line(TEXT, TIMED, SIGNER, now=time)

    refused = "CheckpointError"
    yield timed("good-timestamp", "Signature and timestamp.", "accepted", at(NOW))
    yield timed("good-timestamp-last", "The last second.", "accepted", at(2**63 - 1))
    yield timed("timestamp-2-63", "A time of 64 bits.", refused, at(2**63))
    yield timed("timestamp-missing", "The reader wants it.", refused, "")
    data = base64.b64decode(at(NOW).split(" ")[2])
    for name, about, changed in (
        ("other-time", "Not the time that was signed.", data[:11] + b"\0" + data[12:]),
        ("a-byte-short", "71 bytes.", data[:-1]),
        ("seven-bytes", "Not even a time.", data[:11]),
    ):
        line = f"— {ORIGIN} {base64.b64encode(changed).decode()}\n"
        yield timed(f"timestamp-{name}", about, refused, line)


def _with_root(root: bytes) -> str:
    return f"{ORIGIN}\n7\n{base64.b64encode(root).decode()}\n"


def _loosened(text: str) -> str:
    """The last letter before the padding, with a bit set that decoders overlook."""
    at = text.index("=") - 1
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:at] + alphabet[alphabet.index(text[at]) + 1] + text[at + 1 :]


def _resigned(line: str, part: slice, more: bytes = b"") -> bytes:
    """The good checkpoint with another signature under the same key id."""
    return f"{TEXT}\n{_line(line, part, more)}".encode()


def _line(line: str, part: slice, more: bytes) -> str:
    """*line* with another signature."""
    data = base64.b64decode(line.split(" ")[2])
    encoded = base64.b64encode(data[:4] + data[part] + more).decode()
    return f"\u2014 {ORIGIN} {encoded}\n"


def _with_line(text: str, key: NoteKey, signer: SeedSigner) -> bytes:
    return f"{text}\n{sign_line(text, key, signer)}".encode()


def _proofs() -> Iterator[Vector]:
    def subtree(height: int, index: int) -> bytes:
        frontier = Frontier()
        for item in LEAVES[index << height : (index + 1) << height]:
            frontier.extend([item])
        return frontier.root()

    checkpoint = sign_checkpoint(GOOD, SIGNER, now=NOW)
    hashes = tuple(inclusion_proof(3, 7, subtree))
    good = encode_proof(Proof(3, hashes, checkpoint))
    entry = ENTRIES[3]
    yield Vector("log-proof", "good", "Entry 3 of 7.", good, "accepted", entry)
    opened = encode_proof(Proof(3, hashes, checkpoint, b"salt and body"))
    about = "With something extra, which whoever has the entry need not look at."
    yield Vector("log-proof", "good-extra", about, opened, "accepted", entry)
    single = sign_checkpoint(Checkpoint(ORIGIN, 1, LEAVES[3]), SIGNER, now=NOW)
    alone = encode_proof(Proof(0, (), single))
    yield Vector("log-proof", "good-one-entry", "A log of one.", alone, "accepted", entry)
    for index in (0, 4, 6):
        path = tuple(inclusion_proof(index, 7, subtree))
        text = encode_proof(Proof(index, path, checkpoint))
        about = f"Entry {index} of 7."
        yield Vector("log-proof", f"good-{index}-of-7", about, text, "accepted", ENTRIES[index])
    last = encode_proof(Proof(6, (*inclusion_proof(6, 7, subtree), bytes(32)), checkpoint))
    about = "One hash more than the way to the top has."
    yield Vector("log-proof", "hashes-above-the-root", about, last, "ProofError", ENTRIES[6])
    lines = good.split(b"\n")
    defects = {
        "other-entry": ("The proof of another entry.", good, ENTRIES[2]),
        "index-other": ("The neighbour's index.", good.replace(b"index 3", b"index 2"), entry),
        "index-beyond": ("Index 7 of 7.", good.replace(b"index 3", b"index 7"), entry),
        "index-leading-zero": ("Index 03.", good.replace(b"index 3", b"index 03"), entry),
        "index-negative": ("Index -1.", good.replace(b"index 3", b"index -1"), entry),
        "index-missing": ("No index.", good.replace(b"index 3\n", b""), entry),
        "hash-short": ("A hash of 31 bytes.", _with_hashes(good, lines[2], bytes(31)), entry),
        "hash-unpadded": ("Base64 without padding.", good.replace(b"=\n", b"\n", 1), entry),
        "hashes-one-short": ("One hash less.", good.replace(lines[2] + b"\n", b"", 1), entry),
        "hashes-one-long": (
            "One hash more.",
            good.replace(lines[2], lines[2] + b"\n" + lines[2], 1),
            entry,
        ),
        "hashes-swapped": (
            "C92: two hashes changed places.",
            b"\n".join([*lines[:2], lines[3], lines[2], *lines[4:]]),
            entry,
        ),
        "hashes-64": (
            "C92: 64 hashes.",
            good.replace(lines[2], b"\n".join([lines[2]] * 64), 1),
            entry,
        ),
        "header-other": ("Version 2.", good.replace(b"@v1", b"@v2"), entry),
        "header-missing": ("No header.", good.partition(b"\n")[2], entry),
        "extra-twice": (
            "Two extra lines.",
            opened.replace(b"extra c", b"extra AAAA\nextra c"),
            entry,
        ),
        "extra-not-base64": ("Extra is no base64.", opened.replace(b"extra c", b"extra !"), entry),
        "crlf": ("Lines end in CR LF.", good.replace(b"\n", b"\r\n"), entry),
        "blank-line-missing": ("No blank line.", good.replace(b"\n\n", b"\n", 1), entry),
        "empty": ("Nothing.", b"", entry),
    }
    for name, (about, data, of) in defects.items():
        yield Vector("log-proof", name, about, data, "ProofError", of)
    unsigned = good.replace(b"\n7\n", b"\n8\n")
    about = "A right proof under a checkpoint that is not signed."
    yield Vector("log-proof", "checkpoint-unsigned", about, unsigned, "CheckpointError", entry)
    forked = encode_proof(
        Proof(3, hashes, sign_checkpoint(Checkpoint(ORIGIN, 7, LEAVES[0]), SIGNER, now=NOW))
    )
    about = "C93: a signed checkpoint of the same size and another root."
    yield Vector("log-proof", "checkpoint-other-root", about, forked, "ProofError", entry)


def _with_hashes(good: bytes, line: bytes, replacement: bytes) -> bytes:
    return good.replace(line, base64.b64encode(replacement), 1)


def cases(area: str) -> Iterator[Case]:
    """Every case of one area."""
    return (vector.case() for vector in vectors() if vector.area == area)


if __name__ == "__main__":
    for each in ("checkpoint", "log-proof"):
        replace_folder(each, files(cases(each)))
