"""An installation as `celadon init` finds it, and the trust list that its keepers hand out."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from issuer.stage import put_trust
from keys.lifecycle import Environment
from keys.signer import SeedSigner
from keys.store import Keystore
from keys.trustlist import (
    ListedIssuer,
    ListedKey,
    Roots,
    TrustList,
    encode_trust_list,
    sign_trust_list,
)

__all__ = ["hand_out", "listed", "opened_keystore", "settings_below"]

DAY_S: Final = 86_400


def settings_below(folder: Path, *, region: str = "610000") -> dict[str, str]:
    """All that has to be set, with everything below *folder*; the passphrase is written."""
    folder.mkdir(exist_ok=True)
    passphrase = folder / "passphrase"
    passphrase.touch(mode=0o600)
    passphrase.write_text(secrets.token_hex() + "\n")
    return {
        "CELADON_ENVIRONMENT": "test",
        "CELADON_REGION": region,
        "CELADON_LOG_ORIGIN": f"celadon.example/{region}",
        "CELADON_ISSUER_DATABASE": f"sqlite:///{folder}/private/issuer.db",
        "CELADON_AUDIT_DATABASE": f"sqlite:///{folder}/private/audit.db",
        "CELADON_KEYSTORE": str(folder / "keystore"),
        "CELADON_PASSPHRASE_FILE": str(passphrase),
        "CELADON_TRUST": str(folder / "trust"),
        "CELADON_PUBLIC": str(folder / "public"),
        "CELADON_OUTBOX": str(folder / "outbox"),
    }


def opened_keystore(environ: Mapping[str, str]) -> Keystore:
    passphrase = Path(environ["CELADON_PASSPHRASE_FILE"]).read_text().strip()
    return Keystore.open(Path(environ["CELADON_KEYSTORE"]), passphrase)


def listed(
    environ: Mapping[str, str],
    *others: ListedKey,
    first_list: int = 1000,
    status_base: str | None = None,
) -> ListedIssuer:
    """The installation's entry, with all of its keys and *others*."""
    region = environ["CELADON_REGION"]
    keys = [
        ListedKey(info.public_key, info.purpose, info.not_before, info.honoured_until)
        for info in opened_keystore(environ).keys()  # noqa: SIM118 - a keystore
    ]
    return ListedIssuer(
        region=region,
        name_zh=region,
        name_en=region,
        status_base=status_base or f"https://{region}.example/status/",
        first_list=first_list,
        last_list=first_list + 999,
        contact=f"appeals@{region}.example",
        keys=(*keys, *others),
    )


def hand_out(folder: Path, *issuers: ListedIssuer, now: int) -> None:
    """Sign a first list of these issuers by its only root, and put both where issuers look."""
    root = SeedSigner(bytes(32))
    trust = TrustList(
        version=1,
        issued_at=now,
        next_update=now + DAY_S,
        not_after=now + 30 * DAY_S,
        roots=Roots(1, 1, (root.public_key,), Environment.TEST),
        issuers=issuers,
    )
    put_trust(folder, trust.roots, sign_trust_list(encode_trust_list(trust), [root]))
