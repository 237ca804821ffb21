"""Output files: refused early, whole or not at all, strict JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nnctrl.errors import InputError
from nnctrl.files import write_atomically
from nnctrl.io.files import check_apart, check_folder_writable, check_writable, json_bytes


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


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied")


def test_read_only_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    for check, place in ((check_writable, tmp_path / "r.json"), (check_folder_writable, tmp_path / "r")):
        with pytest.raises(InputError, match=r"r.* cannot be written: Permission denied"):
            check(place)


def test_folders_that_may_not_be_searched_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "stat", refuse)
    for use in (check_writable, check_folder_writable, lambda place: write_atomically(place, b"")):
        with pytest.raises(InputError, match="Permission denied; choose another place"):
            use(tmp_path / "closed" / "r")


@pytest.mark.parametrize("below", [".", "missing"])
def test_names_that_are_too_long_are_refused(tmp_path: Path, below: str) -> None:
    long = "n" * 300
    with pytest.raises(InputError, match="File name too long"):
        check_folder_writable(tmp_path / below / long)
    with pytest.raises(InputError, match=r"File name too long|there is no folder"):
        check_writable(tmp_path / below / long)


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    place = tmp_path / ("n" * 255)
    check_writable(place)
    write_atomically(place, b"whole")
    assert place.read_bytes() == b"whole"


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "into.json").symlink_to(tmp_path / "no" / "r.json")
    (tmp_path / "folder").symlink_to(tmp_path / "no")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(tmp_path / "into.json")
    for place in (tmp_path / "folder", tmp_path / "folder" / "below"):
        with pytest.raises(InputError, match="a link that leads to no folder"):
            check_folder_writable(place)
    with pytest.raises(InputError, match="Too many levels of symbolic links"):
        check_writable(tmp_path / "loop")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_file_systems_that_take_no_files_are_refused() -> None:
    with pytest.raises(InputError, match=r"/proc/r.json cannot be written"):
        check_writable(Path("/proc/r.json"))
    with pytest.raises(InputError, match="/proc/r cannot be written"):
        check_folder_writable(Path("/proc/r"))


def test_files_of_a_folder_are_checked_too(tmp_path: Path) -> None:
    (tmp_path / "picture.png").mkdir()
    with pytest.raises(InputError, match=r"picture\.png is a folder"):
        check_folder_writable(tmp_path, ["picture.png"])


def test_outputs_must_not_meet(tmp_path: Path) -> None:
    check_apart({"--json": tmp_path / "r.json", "--report": tmp_path, "--output": None})
    for json_file, report in (("r", "r"), ("r", "x/../r"), ("r", "r/below")):
        with pytest.raises(InputError, match=r"--json .*r stands in the way of --report"):
            check_apart({"--json": tmp_path / json_file, "--report": tmp_path / report})


def test_surrogates_of_file_names_survive_json() -> None:
    assert json.loads(json_bytes({"file": "\udcff"})) == {"file": "\udcff"}


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
