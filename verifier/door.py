"""Checking at a door: the lists held, one text, one verdict. Shell.

Nothing is stored and nothing is sent. The lists may be updated while a scanner is at work: each
check looks whether there are newer ones.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from verifier.cache import Cache, Statuses
from verifier.check import CHECKPOINT, HOSPITAL, VENUE, Kind, Lists, Policy, Reason
from verifier.errors import CacheError, PictureUnreadableError
from verifier.folder import Folder
from verifier.repeats import Repeats
from verifier.texts import Bilingual, Local, hint, successor_advice

if TYPE_CHECKING:
    from verifier.claims import Colour

__all__ = ["POLICIES", "WARN_AGE_S", "Ages", "Door", "Verdict", "scanned_lines"]

POLICIES: Final = {policy.name: policy for policy in (VENUE, HOSPITAL, CHECKPOINT)}
#: Lists count for 24 hours; from here on staff are told that an update is due.
WARN_AGE_S: Final = 12 * 3600

# Three times the longest text of the profile: more than this is not looked at.
_MAX_LINE_BYTES: Final = 1024
_CHUNK: Final = 64 * 1024


class Ages(NamedTuple):
    """Seconds since each list that had a part in a verdict was signed, the trust list confirmed."""

    trust_list: int
    status_list: int | None


class Verdict(NamedTuple):
    """What a door says about one text. Has the colour only where its policy shows it.

    *successor*: the region whose code counts instead of an ended one's; the hint names it.
    """

    kind: Kind
    reason: str
    colour: "Colour | None" = None
    hint: Bilingual | None = None
    successor: str | None = None


class Reader(Protocol):
    """A stream of bytes that gives what has arrived, such as `sys.stdin.buffer`."""

    def read1(self, size: int, /) -> bytes: ...


class Door:
    """Lists in a folder, a policy and a clock.

    Raises:
        CacheError: There are no lists that could decide anything.
    """

    def __init__(self, path: str, policy: Policy, clock: Callable[[], int]) -> None:
        self.policy = policy
        self._folder = Folder(path)
        self._clock = clock
        self._repeats = Repeats()
        self._load()

    def check_text(self, text: str) -> Verdict:
        """The verdict on a text, exactly as it was read."""
        verdict = self._checked(text)
        if verdict.reason is Reason.MALFORMED:
            return verdict._replace(hint=hint(text))
        return verdict

    def _checked(self, text: str) -> Verdict:
        try:
            if self._folder.stamp() != self._stamp:
                self._load()
        except CacheError:
            return self.failed()
        outcome = self._repeats.check(text, self._lists, now=self._clock(), policy=self.policy)
        advice = None if outcome.successor is None else self._successor(outcome.successor)
        return Verdict(outcome.kind, outcome.reason, outcome.colour, advice, outcome.successor)

    def _successor(self, region: str) -> Bilingual | None:
        issuer = self._lists.trust.issuer(region)
        return None if issuer is None else successor_advice(issuer.name_zh, issuer.name_en)

    def check_picture(self, path: str) -> Verdict:
        """The verdict on the one code in a photo.

        Raises:
            PictureError: There is no picture of that name.
            ImportError: The packages that read pictures are not installed.
        """
        from pathlib import Path  # noqa: PLC0415 - only photos need these

        from verifier.images import read_texts  # noqa: PLC0415 - an extra, and slow to load

        try:
            texts = read_texts(Path(path))
        except PictureUnreadableError:
            return Verdict(Kind.CHECK_AGAIN, Local.UNREADABLE)
        if not texts:
            return Verdict(Kind.CHECK_AGAIN, Local.NO_CODE)
        if len(texts) > 1:
            return Verdict(Kind.CHECK_AGAIN, Local.SEVERAL)
        return self._checked(texts[0] or "")

    @staticmethod
    def failed() -> Verdict:
        """The verdict when something on this machine is broken: a person decides."""
        return Verdict(Kind.CHECK_AGAIN, Local.FAILED)

    def ages(self) -> Ages:
        """How old the lists are that decided so far; of the status lists the oldest."""
        now = self._clock()
        opened = [now - held.issued_at for held in self._statuses.opened()]
        return Ages(now - self._lists.trust_from, max(opened, default=None))

    def damaged(self) -> list[int]:
        """Status lists that were needed and cannot be read."""
        return sorted(self._statuses.damaged)

    def _load(self) -> None:
        cache = Cache(self._folder.path)
        trust = cache.trust()
        if trust is None:
            raise CacheError(f"{cache.path}: no lists yet; run: celadon-verify update")
        seen = cache.seen()
        newest = max(seen.newest, trust.issued_at)
        self._statuses = Statuses(cache.files, trust)
        self._lists = Lists(trust, self._statuses, newest, seen.confirmed)
        # Last: lists that could not be read to their end are read again at the next code.
        self._stamp = cache.stamp


def scanned_lines(stream: Reader) -> Iterator[str]:
    """Lines as a handheld scanner types them: ended by CR, LF or both, nothing else trimmed.

    Memory stays bounded whatever comes. Of a line that is too long to be a code only the beginning
    is handed on, which is still too long to be one.
    """
    rest = b""
    after_cr = False
    while chunk := stream.read1(_CHUNK):
        fresh = chunk[1:] if after_cr and chunk.startswith(b"\n") else chunk
        after_cr = chunk.endswith(b"\r")
        *lines, rest = (rest + fresh).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        for line in lines:
            yield _text(line)
        rest = rest[:_MAX_LINE_BYTES]
    if rest:
        yield _text(rest)


def _text(line: bytes) -> str:
    return line[:_MAX_LINE_BYTES].decode("utf-8", "replace")
