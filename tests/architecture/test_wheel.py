"""The venue's wheel: what is in it, what it needs, and that it works where nothing else is."""

import json
import os
import re
import subprocess
import sys
import time
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import verifier
from tests.code_support import World, paper_code
from tests.vectors.cases import FOLDER, case_folders, expected
from tests.venue_support import publish, published, roots_of
from verifier.transport import encode_text

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as docs/ops/venue.md says."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps",
         "--no-index", "--wheel-dir", target, ROOT / "verifier"],
        check=True, capture_output=True,
    )  # fmt: skip
    (built,) = target.glob("celadon_verifier-*.whl")
    return built


def needed_modules() -> set[str]:
    """Files of verifier, and of keys whatever verifier's modules load, by looking."""
    names = sorted(path.stem for path in (ROOT / "verifier").glob("*.py"))
    code = (
        "import importlib, json, sys\n"
        f"for name in {names!r}: importlib.import_module('verifier.' + name)\n"
        "print(json.dumps([m for m in sys.modules if m.split('.')[0] == 'keys']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    keys = {f"{name.replace('.', '/')}.py" for name in json.loads(done.stdout) if name != "keys"}
    return keys | {"keys/__init__.py"} | {f"verifier/{name}.py" for name in names}


def test_wheel_holds_what_a_verifier_loads_and_nothing_else(wheel: Path) -> None:
    """No keystore, no command that signs, no other package; and nothing is missing."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == needed_modules()
    assert "keys/store.py" not in names
    assert "keys/cli.py" not in names


def test_wheel_needs_two_packages(wheel: Path) -> None:
    """PyNaCl and cbor2 are all that is asked for; photos are an extra."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
        lines = archive.read(path).decode().splitlines()
    needed = [line.split(":")[1] for line in lines if line.startswith("Requires-Dist")]
    plain = {re.split(r"[<>=]", name.strip())[0] for name in needed if "extra ==" not in name}
    assert plain == {"cbor2", "pynacl"}


def test_version_is_the_same_everywhere() -> None:
    """The wheel, the command and the repository name one version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert verifier.__version__ == project["version"]


def test_pins_for_venues_cover_the_two_packages_and_what_they_need() -> None:
    """requirements-venue.txt pins by hash, and nothing in it is there for anybody else."""
    lines = (ROOT / "requirements-venue.txt").read_text().splitlines()
    pinned = {line.split("==")[0] for line in lines if line[:1].isalpha()}
    assert pinned == {"cbor2", "cffi", "pycparser", "pynacl"}
    assert sum("--hash=sha256:" in line for line in lines) > len(pinned)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts of a fresh environment that holds the wheel and its two packages."""
    home = tmp_path_factory.mktemp("venue") / "env"
    venv.create(home, with_pip=True)
    pip = [
        home / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    pins = ["--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements-venue.txt"]
    for arguments in (pins, ["--no-deps", "--no-index", wheel]):
        argv = [str(part) for part in (*pip, *arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return home / "bin"


def run(*command: object, lists: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    if lists is not None:
        environ["CELADON_VERIFY_LISTS"] = str(lists)
    argv = [str(part) for part in command]
    return subprocess.run(argv, env=environ, cwd="/", capture_output=True, text=True, check=False)


def test_installed_wheel_does_the_whole_job(installed: Path, tmp_path: Path) -> None:
    """Help, set-up, update, a verdict, and the ages, with nothing else of Celadon installed."""
    command = installed / "celadon-verify"
    assert "celadon-verify 'CE1:...'" in run(command, "--help").stdout
    assert run(command, "--version").stdout == f"celadon-verify {verifier.__version__}\n"
    now = int(time.time())
    world = World.at(now)
    public = publish(tmp_path / "public", {**published(world), "roots.cbor": roots_of(world)})
    lists = tmp_path / "lists"
    done = run(command, "setup", "--roots", public / "roots.cbor", "--source", public, lists=lists)
    assert done.returncode == 0, done.stderr
    code = encode_text(paper_code(now=now))
    for text, status in ((code, 0), (code + " ", 30)):
        done = run(command, text, lists=lists)
        assert (done.returncode, done.stderr) == (status, "")
    assert run(command, "lists", lists=lists).returncode == 0


def test_installed_wheel_without_the_extra_says_how_to_read_photos(
    installed: Path, tmp_path: Path
) -> None:
    """A photo without the packages for photos is a message with the command that installs them."""
    now = int(time.time())
    world = World.at(now)
    public = publish(tmp_path / "public", {**published(world), "roots.cbor": roots_of(world)})
    lists, command = tmp_path / "lists", installed / "celadon-verify"
    run(command, "setup", "--roots", public / "roots.cbor", "--source", public, lists=lists)
    done = run(command, "photo.png", lists=lists)
    assert (done.returncode, done.stdout) == (2, "")
    assert "celadon-verifier[scan]" in done.stderr


def test_installed_wheel_gives_every_case_its_answer(installed: Path) -> None:
    """What the conformance suite asks of venues, answered by the wheel with nothing else there."""
    folders = case_folders("code", "trust-list", "status-list", "status-delta")
    done = subprocess.run(
        [installed / "python", "-I", FOLDER / "ours.py"],
        input="".join(f"{folder}\n" for folder in folders),
        env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    given = [json.loads(line) for line in done.stdout.splitlines()]
    assert given == [expected(folder) for folder in folders]
    assert len(given) > 400
