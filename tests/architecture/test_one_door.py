"""Nothing opens what is sealed about a person, but where the design says; nobody is special."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.models import metadata as audit_metadata
from issuer.models import metadata as issuer_metadata

ROOT = Path(__file__).parents[2]
PACKAGES = ("issuer", "audit", "verifier", "keys")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def users_of(name: str) -> set[str]:
    """Modules that name a function or method, otherwise than in a text."""
    found = set()
    for path, tree in modules():
        for node in ast.walk(tree):
            named = (
                (isinstance(node, ast.Attribute) and node.attr == name)
                or (isinstance(node, ast.Name) and node.id == name)
                or (isinstance(node, ast.alias) and node.name == name)
            )
            if named:
                found.add(path)
    return found


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        # Who somebody is: decrypted by the desk's loader, which the gate calls, and nowhere else.
        ("identity_of", {"issuer/people/desk.py"}),
        # What is sealed per person: identities, and the codes that have to be taken back.
        # And what another region told of somebody, when that somebody registers.
        (
            "unseal",
            {
                "issuer/people/people.py",
                "issuer/codes/batches.py",
                "issuer/storage/sealing.py",
                "keys/store.py",
                "issuer/between/waiting.py",
            },
        ),
        # Notices from other regions name people.
        ("open_notice", {"issuer/between/exchange.py"}),
    ],
)
def test_sealed_data_is_opened_in_the_named_modules_only(name: str, allowed: set[str]) -> None:
    """A new place that decrypts is a decision, and shows here."""
    assert users_of(name) == allowed


def test_identity_is_decrypted_inside_a_loader_only() -> None:
    """The one call stands in the function that the desk hands to the gate."""
    tree = ast.parse((ROOT / "issuer/people/desk.py").read_text())
    calls = [
        function.name
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute) and node.attr == "identity_of"
    ]
    assert calls == ["_load"]


def test_nobody_is_special_in_any_table() -> None:
    """No column could mark an important person: protection that some people have protects nobody.

    Source: incident A4 in docs/threat-model.md.
    """
    names = {
        name
        for metadata in (issuer_metadata, audit_metadata)
        for table in metadata.tables.values()
        for name in (table.name, *(column.name for column in table.columns))
    }
    special = ("vip", "special", "official", "important", "exempt", "whitelist", "allowlist")
    assert not [name for name in names if any(word in name.lower() for word in special)]
