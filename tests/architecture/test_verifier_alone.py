"""The verifier loads nothing that serves people: in a fresh interpreter, by looking."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: All that a door may load beside the standard library.
ALLOWED = {"verifier", "keys", "nacl", "cbor2", "_cffi_backend", "_sodium"}
STARTED_BY_SITE = {"_distutils_hack", "sitecustomize", "usercustomize"}
EVERY_MODULE = sorted(f"verifier.{path.stem}" for path in (ROOT / "verifier").glob("[a-z]*.py"))


def loaded(statement: str) -> set[str]:
    """Top-level modules in `sys.modules` after *statement*, the standard library left out."""
    code = (
        f"{statement}\nimport json, sys\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules}"
        " - set(sys.stdlib_module_names))))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return set(json.loads(done.stdout)) - STARTED_BY_SITE - {"__main__", "__mp_main__"}


def test_import_verifier_loads_no_web_database_or_personal_data_code() -> None:
    """`import verifier` holds nothing but itself."""
    assert loaded("import verifier") == {"verifier"}


@pytest.mark.parametrize("module", [name for name in EVERY_MODULE if name != "verifier.images"])
def test_import_of_each_module_needs_two_packages_only(module: str) -> None:
    """PyNaCl and cbor2, and no other package, whichever part of the verifier is loaded."""
    assert loaded(f"import {module}") <= ALLOWED


def test_import_of_images_needs_the_extra_and_nothing_more() -> None:
    """Reading photos is the one thing that needs more, and only that module asks for it."""
    extra = loaded("import verifier.images") - ALLOWED
    assert {"PIL", "zxingcpp"} <= extra
    assert extra <= {"PIL", "zxingcpp", "defusedxml", "typing_extensions"}


def test_check_of_a_code_loads_no_more_than_it_needs() -> None:
    """A cold start pays for no update, no parser of options, no JSON and no pictures."""
    statement = "import verifier.cli, sys\n" + "".join(
        f"assert {name!r} not in sys.modules\n"
        for name in (
            "argparse", "json", "pathlib", "urllib.parse", "socket", "ssl", "http.client",
            "datetime", "dataclasses", "inspect", "hashlib", "verifier.update", "verifier.sources",
            "verifier.images", "keys.trustupdate", "keys.lifecycle",
        )
    )  # fmt: skip
    assert loaded(statement) <= ALLOWED
