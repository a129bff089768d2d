"""What the issuing core acts on: secrets, and the authority in force. Pure."""

from dataclasses import dataclass
from typing import Final

from issuer.colour.risk import RiskTable
from issuer.rules.ruletypes import RuleSet
from keys.cose import MessageSigner
from keys.recorded import KeySigner
from keys.trustlist import ListedIssuer, TrustList

__all__ = ["CODES_PER_KEY", "Authority", "Secrets"]

#: So many codes have to be made again when a code key is stolen.
CODES_PER_KEY: Final = 50_000


@dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Three named secrets of the keystore, 32 bytes each. None of them ever changes.

    Attributes:
        kek: Wraps every person's key.
        positions: Orders the positions of status lists.
        rows: Authenticates the rows that nothing else covers, and names requests for codes.
    """

    kek: bytes
    positions: bytes
    rows: bytes


@dataclass(frozen=True, slots=True)
class Authority:
    """Rules, risks and keys in force. Replaced as a whole when any of it changes.

    Attributes:
        issuer: Ourselves, as the trust list has us.
        code_keys: Signers of keys with the purpose "code", in the order in which they are filled.
        evidence_key: Signs notices to other regions, and is the source of what people say about
            themselves.
        codes_per_key: At most so many codes are signed by one of them.
    """

    issuer: ListedIssuer
    trust: TrustList
    rules: RuleSet
    risks: RiskTable
    code_keys: tuple[KeySigner, ...]
    evidence_key: MessageSigner
    codes_per_key: int = CODES_PER_KEY

    @property
    def source(self) -> str:
        """How evidence names us as its source: the kid of our EVIDENCE key, in hex."""
        return self.evidence_key.kid.hex()
