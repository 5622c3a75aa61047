"""Oracle: the index built from the tables; what is read back equals it, and never an older state of the tables."""

from __future__ import annotations

import logging
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from lima.datasets import index_file
from lima.datasets.index import NuScenesIndex, build_index
from lima.datasets.index_file import FILE_NAME, index_path, load_index
from tests.datasets import hand_made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return hand_made.write_dataset(tmp_path / "data") / hand_made.VERSION


def assert_equal(one: NuScenesIndex, other: NuScenesIndex) -> None:
    for field in fields(NuScenesIndex):
        ours, theirs = getattr(one, field.name), getattr(other, field.name)
        assert ours.dtype == theirs.dtype, field.name
        np.testing.assert_array_equal(ours, theirs, err_msg=field.name)


def never(folder: Path) -> NuScenesIndex:
    raise AssertionError("the tables were read although the index is fresh")


def test_the_second_opening_reads_no_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_index(folder, smallest_bytes=0)
    assert_equal(first, build_index(folder))
    assert (folder / FILE_NAME).is_file()
    monkeypatch.setattr(index_file, "build_index", never)
    assert_equal(load_index(folder, smallest_bytes=0), first)


def test_small_tables_leave_no_file_behind(folder: Path) -> None:
    before = sorted(folder.iterdir())
    load_index(folder)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("change", ["size", "time"])
def test_changed_tables_are_read_again(change: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_index(folder, smallest_bytes=0)
    table = folder / "scene.json"
    before = table.stat()
    text = table.read_text()
    table.write_text(text.replace("scene-0061", "scene-0062" if change == "time" else "street-00061"))
    if change == "size":
        os.utime(table, ns=(before.st_atime_ns, before.st_mtime_ns))
    with caplog.at_level(logging.WARNING):
        index = load_index(folder, smallest_bytes=0)
    assert index.scene_names[0] in (b"scene-0062", b"street-00061")
    assert "is made anew from the tables: it was made of other tables" in caplog.text


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_a_broken_index_is_made_anew(damage: str, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    wanted = load_index(folder, smallest_bytes=0)
    path = folder / FILE_NAME
    data = bytearray(path.read_bytes())
    if damage == "bit":
        place = data.find(wanted.frame_tokens.tobytes()[:64])
        assert place > 0
        data[place] ^= 1
    path.write_bytes({"cut": data[: len(data) // 2], "bit": data, "empty": b"", "other": b"not an index"}[damage])
    with caplog.at_level(logging.WARNING):
        assert_equal(load_index(folder, smallest_bytes=0), wanted)
    assert f"{path} is made anew from the tables" in caplog.text
    caplog.clear()
    assert_equal(load_index(folder, smallest_bytes=0), wanted)
    assert not caplog.records


def test_data_that_may_not_be_written_are_indexed_in_the_cache_folder(folder: Path, tmp_path: Path) -> None:
    folder.chmod(0o555)
    before = sorted(folder.iterdir())
    load_index(folder, smallest_bytes=0)
    assert sorted(folder.iterdir()) == before
    assert index_path(folder).parent == tmp_path / "cache" / "lima"
    assert index_path(folder).is_file()
    folder.chmod(0o755)


def test_no_place_for_the_index_is_no_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    folder.chmod(0o555)
    with caplog.at_level(logging.WARNING):
        assert_equal(load_index(folder, smallest_bytes=0), build_index(folder))
    assert "could not be written, the next opening will take as long" in caplog.text
    folder.chmod(0o755)


def test_an_interrupted_write_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(file: object, **arrays: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(index_file.np, "savez", interrupted)
    before = sorted(folder.iterdir())
    with pytest.raises(KeyboardInterrupt):
        load_index(folder, smallest_bytes=0)
    assert sorted(folder.iterdir()) == before
