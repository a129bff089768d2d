"""A folder as a source: bounded, and nothing in it can make an update hang."""

import os
import threading
from pathlib import Path

import pytest

from verifier.errors import (
    SourceError,
    SourceMissingError,
    SourceTooLargeError,
    SourceTooSlowError,
)
from verifier.sources import FolderSource, UrlSource, open_source


def test_open_source_with_a_folder_reads_its_files(tmp_path: Path) -> None:
    """A memory stick is a source like any other."""
    (tmp_path / "trust-list.cbor").write_bytes(b"list")
    source = open_source(str(tmp_path))
    assert source.fetch("trust-list.cbor", max_bytes=4, held=None) == b"list"


def test_folder_source_that_is_not_there_says_so(tmp_path: Path) -> None:
    """A stick that is not plugged in is named."""
    source = open_source(str(tmp_path / "stick"))
    with pytest.raises(SourceMissingError, match="stick: no such folder"):
        source.fetch("trust-list.cbor", max_bytes=4, held=None)


def test_folder_source_with_a_file_too_large_reads_no_more_than_allowed(tmp_path: Path) -> None:
    """C77: a file of any size costs no more memory than a list may have."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(SourceTooLargeError):
        FolderSource(str(tmp_path)).fetch("huge", max_bytes=1000, held=None)


def test_folder_source_with_a_pipe_or_folder_refuses(tmp_path: Path) -> None:
    """A named pipe would wait for ever, a folder is no list."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "status").mkdir()
    source = FolderSource(str(tmp_path))
    for name in ("pipe", "status"):
        with pytest.raises(SourceError):
            source.fetch(name, max_bytes=1000, held=None)


def test_folder_source_on_a_share_that_answers_no_more_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead share keeps neither the update waiting nor other sources from being asked."""
    back, asked = threading.Event(), []

    def hang(path: Path, _flags: int) -> int:
        asked.append(path.name)
        back.wait()
        raise FileNotFoundError

    source = FolderSource(str(tmp_path), deadline_s=0.05)
    with monkeypatch.context() as share:
        share.setattr(os, "open", hang)
        with pytest.raises(SourceTooSlowError, match=r"trust-list\.cbor: not there after"):
            source.fetch("trust-list.cbor", max_bytes=4, held=None)
        with pytest.raises(SourceTooSlowError, match="not asked for"):
            source.fetch("status/1.cwt", max_bytes=4, held=None)
        back.set()
    assert asked == ["trust-list.cbor"]


@pytest.mark.parametrize(
    "name",
    [
        "http://example.com/lists",
        "http://127.0.0.1.example.com/",
        "http://[::2]/",
        "ftp://127.0.0.1/",
        "file:///etc/",
        "https://",
        "https://user:secret@example.com/",
        "https://example.com/?token=1",
        "https://example.com/#part",
        "https://example.com:port/",
        "https://exa mple.com/",
        "http://[::1/",
    ],
)
def test_open_source_with_an_unsafe_address_refuses(name: str) -> None:
    """C80: lists come over https, or http from this very machine; no password, no query."""
    with pytest.raises(SourceError):
        open_source(name)


@pytest.mark.parametrize(
    "name", ["https://example.com/lists/", "http://127.0.0.1:8080/", "http://localhost/x", "http://[::1]:80",
     "https://[2001:db8::abcd]/"],
)  # fmt: skip
def test_open_source_with_a_safe_address_asks_nothing_yet(name: str) -> None:
    """An address is only looked at when a file is fetched."""
    source = open_source(name)
    assert isinstance(source, UrlSource)
    assert not source.name.endswith("/")
