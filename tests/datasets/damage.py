"""Ways to damage one file of a drive, and what is said about it: for the tables of errors of several formats."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from tests.datasets.contents import read_everything

Change = Callable[[Path], object]
NOBODY = 65534


@dataclass(frozen=True)
class Damage:
    """One thing broken, and what the error says. words: all of them have to be in it."""

    name: str
    error: type[Exception]
    words: tuple[str, ...]
    change: Change


def params(*damages: Damage) -> list[Any]:
    return [pytest.param(damage, id=damage.name) for damage in damages]


def check_refused(damage: Damage, written: Path, root: Path) -> None:
    """Damage a copy of what was written; reading it raises one line that has all the words."""
    shutil.copytree(written, root)
    damage.change(root)
    with pytest.raises(damage.error) as caught:
        read_everything(root)
    message = str(caught.value)
    assert "\n" not in message
    for word in (str(root), *damage.words):
        assert word in message, message


def missing(relative: str) -> Change:
    return lambda root: (root / relative).unlink()


def folder_missing(relative: str) -> Change:
    return lambda root: shutil.rmtree(root / relative)


def content(relative: str, data: bytes | str) -> Change:
    return lambda root: (root / relative).write_bytes(data if isinstance(data, bytes) else data.encode())


def half(relative: str) -> Change:
    """Cut it short, at a byte where no record ends."""

    def cut(root: Path) -> None:
        data = (root / relative).read_bytes()
        (root / relative).write_bytes(data[: len(data) // 2 + 1])

    return cut


def cut_short(relative: str, size: int) -> Change:
    """Keep so many bytes."""
    return lambda root: (root / relative).write_bytes((root / relative).read_bytes()[:size])


def image(relative: str, width_px: int, height_px: int) -> Change:
    return lambda root: Image.new("RGB", (width_px, height_px)).save(root / relative)


def as_json(relative: str, change: Callable[[Any], Any]) -> Change:
    """Rewrite what the file says; change may also give nothing back and alter what it is given."""

    def rewrite(root: Path) -> None:
        told = json.loads((root / relative).read_text())
        changed = change(told)
        (root / relative).write_text(json.dumps(told if changed is None else changed))

    return rewrite


def feather(relative: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    return lambda root: pa.feather.write_feather(_arrow(change(pd.read_feather(root / relative))), root / relative)


def parquet(relative: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def rewrite(root: Path) -> None:
        table = _arrow(change(pd.read_parquet(root / relative)))
        pa.parquet.write_table(table, root / relative, use_dictionary=False, compression="none")

    return rewrite


def _arrow(table: pd.DataFrame) -> pa.Table:
    """NaN stays NaN, which pandas would make a gap of."""
    columns: dict[str, pa.Array] = {}
    for name in table:
        column = table[name]
        if column.dtype.kind == "f":
            columns[name] = pa.array(column.to_numpy(), from_pandas=False)
        elif column.dtype == object and len(column):
            columns[name] = pa.array(list(column), from_pandas=False)
        else:
            columns[name] = pa.array(column)
    return pa.table(columns)


def value(column: str, number: Any, row: int = 0, as_type: type | None = None) -> Callable[[Any], Any]:
    """Another value in one cell. as_type: what the column is turned into before."""

    def change(table: pd.DataFrame) -> pd.DataFrame:
        if as_type is not None:
            table[column] = table[column].astype(as_type)
        table.iloc[row, table.columns.get_loc(column)] = number
        return table

    return change


def without(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.drop(columns=column)


def as_text(column: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**{column: table[column].astype(str)})


def no_rows(table: pd.DataFrame) -> pd.DataFrame:
    return table[:0]


def row_twice(table: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([table, table[:1]])


def without_row(row: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.drop(index=table.index[row])


@contextmanager
def somebody_else() -> Iterator[Path]:
    """A folder that everybody may enter. Inside, a test that root runs goes on as a user without rights."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def without_rights() -> Iterator[None]:
    """No permission stops root: so root becomes nobody meanwhile."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def check_unreadable(written: Path, relative: str) -> None:
    """Reading a file without permission raises PermissionError that names it and says what to do."""
    with somebody_else() as folder:
        root = folder / "drives"
        shutil.copytree(written, root)
        for path in (root, *root.rglob("*")):
            path.chmod(0o755)
        (root / relative).chmod(0)
        with without_rights(), pytest.raises(PermissionError) as caught:
            read_everything(root)
    message = str(caught.value)
    assert str(root / relative) in message
    assert "may not be read: give yourself the right to" in message
    assert "\n" not in message


def nan_in(column: str, row: int = 3) -> Callable[[Any], Any]:
    return value(column, np.nan, row, as_type=np.float64)
