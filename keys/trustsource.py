"""The JSON source of a trust list: what a person edits, and what `trust show --json` prints. Pure.

A listed key is written out, or as {"record": FILE} for a public record that came from where the
key lives. Then the list takes the record's window; for a code key it adds the life of the longest
code, because a verifier honours a key for as long as the codes that it signed. Where an issuer
ends, its code keys end with its grace, whatever the source says.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from keys.cbor import MAX_INT
from keys.errors import SourceFileError
from keys.instants import format_time, parse_time
from keys.keyfile import (
    PublicRecord,
    hex_bytes,
    members,
    public_key,
    typed,
    word,
)
from keys.kid import KID_BYTES
from keys.lifecycle import CODE_LIFE_S, Environment, Purpose
from keys.trustmodel import Ending, ListedIssuer, ListedKey, PinnedPolicy, Roots, TrustList

__all__ = ["roots_of_records", "source_of_trust_list", "trust_list_of_source"]

_LIST: Final = "version issued_at next_update not_after roots issuers"
_ISSUER: Final = "region name_zh name_en status_base first_list last_list contact keys"


def source_of_trust_list(trust: TrustList) -> dict[str, object]:
    """The source that gives exactly this list."""
    source: dict[str, object] = {
        "version": trust.version,
        "issued_at": format_time(trust.issued_at),
        "next_update": format_time(trust.next_update),
        "not_after": format_time(trust.not_after),
        "roots": {
            "epoch": trust.roots.epoch,
            "threshold": trust.roots.threshold,
            "environment": trust.roots.environment.value,
            "keys": [key.hex() for key in trust.roots.keys],
        },
        "issuers": [_source_of_issuer(issuer) for issuer in trust.issuers],
        "withdrawn": [dead.hex() for dead in sorted(trust.withdrawn)],
    }
    if trust.former_roots:
        source["former_roots"] = [key.hex() for key in trust.former_roots]
    if trust.policies:
        source["policies"] = [
            {"name": pin.name, "version": pin.version, "sha256": pin.digest.hex()}
            for pin in trust.policies
        ]
    return source


def _source_of_issuer(issuer: ListedIssuer) -> dict[str, object]:
    source: dict[str, object] = {
        "region": issuer.region,
        "name_zh": issuer.name_zh,
        "name_en": issuer.name_en,
        "status_base": issuer.status_base,
        "first_list": issuer.first_list,
        "last_list": issuer.last_list,
        "contact": issuer.contact,
        "keys": [
            {
                "public_key": key.public_key.hex(),
                "purpose": key.purpose.value,
                "not_before": format_time(key.not_before),
                "not_after": format_time(key.not_after),
            }
            for key in issuer.keys
        ],
    }
    if issuer.ending is not None:
        source["ending"] = {
            "successor": issuer.ending.successor,
            "ends_at": format_time(issuer.ending.ends_at),
            "grace_until": format_time(issuer.ending.grace_until),
        }
    return source


def trust_list_of_source(source: object, read_record: Callable[[str], PublicRecord]) -> TrustList:
    """The list that a source describes.

    Args:
        source: The JSON value of the source file.
        read_record: Reads the public record of the name that the source gives.

    Raises:
        SourceFileError: The source has another shape.
        TrustListError: There may be no such list.
    """
    found = members(source, _LIST, "withdrawn former_roots policies")
    roots = _roots(found["roots"])

    def issuer(value: object) -> ListedIssuer:
        return _issuer(value, roots.environment, read_record)

    return TrustList(
        version=typed(int, found["version"], "version"),
        issued_at=parse_time(found["issued_at"]),
        next_update=parse_time(found["next_update"]),
        not_after=parse_time(found["not_after"]),
        roots=roots,
        issuers=tuple(map(issuer, typed(list, found["issuers"], "issuers"))),
        withdrawn=frozenset(
            hex_bytes(dead, KID_BYTES, "withdrawn") for dead in _list(found, "withdrawn")
        ),
        former_roots=tuple(map(public_key, _list(found, "former_roots"))),
        policies=tuple(map(_policy, _list(found, "policies"))),
    )


def _list(found: Mapping[str, Any], name: str) -> list[object]:
    return typed(list, found.get(name, []), name)


def _roots(value: object) -> Roots:
    found = members(value, "epoch threshold environment keys")
    return Roots(
        typed(int, found["epoch"], "epoch"),
        typed(int, found["threshold"], "threshold"),
        tuple(map(public_key, _list(found, "keys"))),
        word(Environment, found["environment"]),
    )


def _issuer(
    value: object, environment: Environment, read_record: Callable[[str], PublicRecord]
) -> ListedIssuer:
    found = members(value, _ISSUER, "ending")
    region = typed(str, found["region"], "region")
    ending = _ending(found["ending"]) if "ending" in found else None
    last = MAX_INT if ending is None else ending.grace_until

    def key(entry: object) -> ListedKey:
        if isinstance(entry, dict) and "record" in entry:
            name = typed(str, members(entry, "record")["record"], "record")
            if not name.isprintable():
                raise SourceFileError("record is not the name of a file")
            return _recorded(read_record(name), name, region, environment)
        return _written_out(entry)

    return ListedIssuer(
        region=region,
        name_zh=typed(str, found["name_zh"], "name_zh"),
        name_en=typed(str, found["name_en"], "name_en"),
        status_base=typed(str, found["status_base"], "status_base"),
        first_list=typed(int, found["first_list"], "first_list"),
        last_list=typed(int, found["last_list"], "last_list"),
        contact=typed(str, found["contact"], "contact"),
        keys=tuple(_until(last, key(entry)) for entry in _list(found, "keys")),
        ending=ending,
    )


def _ending(value: object) -> Ending:
    found = members(value, "successor ends_at grace_until")
    return Ending(
        typed(str, found["successor"], "successor"),
        parse_time(found["ends_at"]),
        parse_time(found["grace_until"]),
    )


def _policy(value: object) -> PinnedPolicy:
    found = members(value, "name version sha256")
    return PinnedPolicy(
        typed(str, found["name"], "name"),
        typed(int, found["version"], "version"),
        hex_bytes(found["sha256"], 32, "sha256"),
    )


def _until(last: int, key: ListedKey) -> ListedKey:
    """The key; one for codes honoured no longer than *last*."""
    if key.purpose is not Purpose.CODE or key.not_after <= last:
        return key
    return replace(key, not_after=last)


def _written_out(entry: object) -> ListedKey:
    found = members(entry, "public_key purpose not_before not_after")
    return ListedKey(
        public_key(found["public_key"]),
        word(Purpose, found["purpose"]),
        parse_time(found["not_before"]),
        parse_time(found["not_after"]),
    )


def _recorded(record: PublicRecord, name: str, region: str, environment: Environment) -> ListedKey:
    if record.environment is not environment:
        raise SourceFileError(f"{name}: a {record.environment} key on a {environment} list")
    if record.region != region:
        raise SourceFileError(f"{name}: a key of region {record.region}, not of {region}")
    tail = CODE_LIFE_S if record.purpose is Purpose.CODE else 0
    return ListedKey(record.public_key, record.purpose, record.not_before, record.not_after + tail)


def roots_of_records(records: Mapping[str, PublicRecord], *, epoch: int, threshold: int) -> Roots:
    """The roots whose public records these are, by the names of their files.

    Raises:
        SourceFileError: A key of another purpose, or of two environments.
        TrustListError: There may be no such roots.
    """
    for name, record in records.items():
        if record.purpose is not Purpose.TRUST_ROOT:
            raise SourceFileError(f"{name}: a key for {record.purpose}, not for trust-root")
    environments = {record.environment for record in records.values()}
    if len(environments) != 1:
        raise SourceFileError("the roots are of different environments")
    keys = tuple(record.public_key for record in records.values())
    return Roots(epoch, threshold, keys, environments.pop())
