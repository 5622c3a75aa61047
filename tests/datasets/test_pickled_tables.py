"""Oracle: pandas, on tables that it writes, and on pickles in the layout that it wrote in the years of PandaSet."""

from __future__ import annotations

import gzip
import os
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lima.datasets.pickled_tables import read_table


def table(rows: int = 50) -> pd.DataFrame:
    rng = np.random.default_rng(rows)
    made = pd.DataFrame(
        {
            "x": rng.normal(size=rows),
            "d": rng.integers(0, 2, rows),
            "z": rng.normal(size=rows),
            "name": pd.Series([f"thing {number} é" for number in range(rows)], dtype=object),
            "still": rng.integers(0, 2, rows).astype(bool),
            "i": rng.integers(0, 255, rows).astype(np.uint8),
        }
    )
    made.columns = made.columns.astype(object)
    return made


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("ending", [".pkl", ".pkl.gz"])
def test_tables_of_pandas_are_read(tmp_path: Path, protocol: int, ending: str) -> None:
    made = table()
    file = tmp_path / f"a{ending}"
    made.to_pickle(file, protocol=protocol)
    read = read_table(file, "a table", tuple(made.columns))
    for name in made.columns:
        assert read[name].dtype == made[name].dtype
        assert read[name].tolist() == made[name].tolist()
    assert list(read_table(file, "a table", ("z",), optional=("x", "nowhere"))) == ["z", "x"]


def test_an_index_with_a_name_and_an_order_is_left_alone(tmp_path: Path) -> None:
    made = table()
    made.index = pd.Index(np.random.default_rng(0).permutation(len(made)), name="index")
    made.to_pickle(tmp_path / "a.pkl")
    assert read_table(tmp_path / "a.pkl", "a table", ("x",))["x"].tolist() == made["x"].tolist()


def test_a_table_without_rows_has_none(tmp_path: Path) -> None:
    table().iloc[:0].to_pickle(tmp_path / "a.pkl")
    assert len(read_table(tmp_path / "a.pkl", "a table", ("x",))["x"]) == 0


@dataclass(frozen=True, eq=False)
class Global:
    """A name in a module, whether that module exists or not."""

    module: str
    name: str


@dataclass(frozen=True, eq=False)
class Call:
    """What a function gives for these arguments."""

    function: Global
    arguments: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class New:
    """A new object of a class, with a state."""

    kind: Global
    state: Any


class HandPickler(pickle._Pickler):
    """Writes these three as pickle writes them; the Python class lets one add to what it can write."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        match obj:
            case Global(module, name):
                self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            case Call(function, arguments):
                self.save(function)
                self.save(arguments)
                self.write(pickle.REDUCE)
            case New(kind, state):
                self.save(kind)
                self.save(())
                self.write(pickle.NEWOBJ)
                self.save(state)
                self.write(pickle.BUILD)
            case _:
                super().save(obj, save_persistent_id)


def old_pickle(made: pd.DataFrame, file: Path) -> None:
    """The table as pandas 0.25 … 1.2 pickled it: a block manager with a state of four parts."""
    index = Global("pandas.core.indexes.base", "_new_Index")
    texts, whole = Global("pandas.core.indexes.base", "Index"), Global("pandas.core.indexes.numeric", "Int64Index")
    columns = Call(index, (texts, {"data": made.columns.to_numpy(object), "name": None}))
    rows = Call(index, (whole, {"data": np.arange(len(made)), "name": "index"}))
    blocks = []
    for kind in sorted({str(dtype) for dtype in made.dtypes}):
        places = np.flatnonzero([str(dtype) == kind for dtype in made.dtypes])
        values = np.stack([made.iloc[:, place].to_numpy() for place in places])
        where = slice(int(places[0]), int(places[0]) + 1, 1) if len(places) == 1 else places.astype(np.int64)
        blocks.append({"values": values, "mgr_locs": where})
    newest = {"0.14.1": {"axes": [columns, rows], "blocks": blocks}}
    state = ([columns, rows], [block["values"] for block in blocks], [columns] * len(blocks), newest)
    manager = New(Global("pandas.core.internals.managers", "BlockManager"), state)
    frame = New(Global("pandas.core.frame", "DataFrame"), {"_data": manager, "_typ": "dataframe", "_metadata": []})
    with gzip.open(file, "wb") as out:
        HandPickler(out, 4).dump(frame)


def test_the_layout_of_old_pandas_is_read(tmp_path: Path) -> None:
    """That it is the old layout, pandas says, which still reads it."""
    made, file = table(), tmp_path / "old.pkl.gz"
    old_pickle(made, file)
    known = pd.read_pickle(file)
    assert list(known.columns) == list(made.columns)
    read = read_table(file, "a table", tuple(made.columns))
    for name in made.columns:
        assert known[name].tolist() == made[name].tolist()
        assert read[name].tolist() == made[name].tolist()


class _Evil:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("hidden_in", ["whole", "column"])
def test_nothing_that_a_file_says_is_run(tmp_path: Path, hidden_in: str) -> None:
    trace, file = tmp_path / "trace", tmp_path / "a.pkl.gz"
    evil: Any = _Evil(trace)
    if hidden_in == "column":
        evil = pd.DataFrame({"x": pd.Series([_Evil(trace)], dtype=object)})
    with gzip.open(file, "wb") as out:
        pickle.dump(evil, out)
    with pytest.raises(ValueError, match=r"asks for \w+\.system, .* nothing of it was run"):
        read_table(file, "a table", ("x",))
    assert not trace.exists()


def test_types_of_pandas_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    made = pd.DataFrame({"x": pd.Series(["a", "b"], dtype="category")})
    made.to_pickle(tmp_path / "a.pkl")
    with pytest.raises(ValueError, match="no table that pandas wrote"):
        read_table(tmp_path / "a.pkl", "a table", ("x",))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty, a table was expected"),
        (b"\x80\x04]q\x00.", "it holds a list"),
        (b"words", "no table that pandas wrote"),
        (gzip.compress(b"\x80\x04]q\x00.", mtime=0)[:-9], "no table that pandas wrote"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "a.pkl").write_bytes(data)
    with pytest.raises(ValueError, match=words):
        read_table(tmp_path / "a.pkl", "a table", ("x",))


def test_truncated_files_are_refused_at_any_length(tmp_path: Path) -> None:
    table(20).to_pickle(tmp_path / "whole.pkl")
    data = (tmp_path / "whole.pkl").read_bytes()
    packed = gzip.compress(data)
    for share in (0.1, 0.5, 0.9, 0.99):
        for whole, ending in ((data, "pkl"), (packed, "pkl.gz")):
            file = tmp_path / f"{share}.{ending}"
            file.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(ValueError, match=r"truncated\?|nothing of it was run"):
                read_table(file, "a table", ("x",))


def test_pandas_is_not_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, file = table(), tmp_path / "a.pkl"
    made.to_pickle(file)
    for name in [name for name in sys.modules if name.split(".")[0] == "pandas"]:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    assert read_table(file, "a table", ("x",))["x"].tolist() == made["x"].tolist()
