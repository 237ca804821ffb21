"""Output files: refused early, whole or not at all, strict JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nnctrl.errors import InputError
from nnctrl.files import write_atomically
from nnctrl.io.files import check_folder_writable, check_writable, json_bytes

AS_ROOT = os.geteuid() == 0


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    place = tmp_path / "r.json"
    write_atomically(place, b"one")
    write_atomically(place, b"two")
    assert place.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [place]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "r.json", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "r.json").stat().st_mode & 0o777 == 0o640


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "r.json"
    place.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"r\.json cannot be written: No space left on device; choose another place"):
        write_atomically(place, b"new")
    assert place.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [place]


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "r.json", b"new")
    assert list(tmp_path.iterdir()) == []


def test_missing_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(tmp_path / "no" / "r.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_atomically(tmp_path / "no" / "r.json", b"")


def test_folders_and_files_are_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="is a folder; give the name of a file"):
        check_writable(tmp_path)
    with pytest.raises(InputError, match="is a file; give the name of a folder"):
        check_folder_writable(file)
    with pytest.raises(InputError, match="cannot be written"):
        check_folder_writable(file / "below")


def test_folders_may_be_made(tmp_path: Path) -> None:
    check_writable(tmp_path / "r.json")
    check_folder_writable(tmp_path)
    check_folder_writable(tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_read_only_folders_are_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="is not writable"):
        check_writable(tmp_path / "r.json")


def test_json_is_strict_and_exact() -> None:
    value = {"a": [0.1, 1e-300, 1 / 3], "b": {"c": None, "d": "Größe"}}
    text = json_bytes(value)
    assert json.loads(text) == value
    assert len(text.splitlines()) == 4
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_bytes({"a": float("nan")})


def test_links_are_followed_and_pipes_are_left_alone(tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "r.json", tmp_path / "link.json", tmp_path / "pipe"
    link.symlink_to(target)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="is no regular file"):
        write_atomically(pipe, b"new")
    assert pipe.is_fifo()
