"""The pages that promise something name modules and tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("docs/threat-model.md", "docs/privacy.md", "docs/ops/settings.md")


@pytest.mark.parametrize("page", PAGES)
def test_page_names_files_that_exist(page: str) -> None:
    """A module that moved or went away takes its promise with it, and the page must say so."""
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:issuer|audit|keys|verifier|tests|docs)/[\w./-]+)`", text))
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]


def test_every_page_links_to_files_and_headings_that_exist() -> None:
    """A reader who follows a link arrives."""
    pages = [ROOT / "README.md", ROOT / "tests/vectors/README.md", *(ROOT / "docs").rglob("*.md")]
    links = [
        (page, *link)
        for page in pages
        for link in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", page.read_text())
        if "://" not in link[0]
    ]
    assert links
    assert not [
        (page.name, file, heading)
        for page, file, heading in links
        if not _arrives(page.parent / file if file else page, heading)
    ]


def _arrives(file: Path, heading: str) -> bool:
    """Whether the file is there and has this heading, if one is named, as GitHub spells it."""
    if not file.exists() or not heading:
        return file.exists()
    titles = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
    return heading in [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]


@pytest.mark.parametrize("page", PAGES)
def test_page_names_tests_that_exist(page: str) -> None:
    """A protection whose test is gone is not a protection any more."""
    named = set(re.findall(r"`(test_\w+)`", (ROOT / page).read_text()))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    assert named - there == set()


def test_threat_model_names_every_adversary_and_incident() -> None:
    """Nobody of the list is left out: B1 to B19, A1 to A21."""
    text = (ROOT / "docs/threat-model.md").read_text()
    assert re.findall(r"^### B(\d+) ", text, re.MULTILINE) == [str(n) for n in range(1, 20)]
    rows = re.findall(r"^\| (A[\dA, ]+) \|", text, re.MULTILINE)
    assert ", ".join(rows) == ", ".join(f"A{n}" for n in range(1, 22))
