"""Oracle: the whole table, read at once by pyarrow."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from lima.datasets.parquet_rows import ParquetRows, list_values


def write(file: Path, rows: int, group: int) -> list[list[int]]:
    lists = [list(range(number, number + 3 + number % 4)) for number in range(rows)]
    table = pa.table({"number": list(range(rows)), "values": pa.array(lists, pa.list_(pa.int32()))})
    pq.write_table(table, file, row_group_size=group)
    return lists


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=some.integers(1, 20),
    group=some.integers(1, 8),
    kept=some.integers(1, 5),
    order=some.lists(some.integers(0, 10_000), max_size=30),
)
def test_rows_come_in_any_order(tmp_path: Path, rows: int, group: int, kept: int, order: list[int]) -> None:
    file = tmp_path / "a.parquet"
    lists = write(file, rows, group)
    reader = ParquetRows(file, "rows", ("values",), kept)
    for number in [each % rows for each in order]:
        found = list_values(reader.row(number), "values", file)
        assert found.tolist() == lists[number]


def test_rows_in_order_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.parquet"
    write(file, 12, 4)
    decoded = 0
    read = pq.ParquetFile.iter_batches

    def counted(*arguments: object, **options: object):
        nonlocal decoded
        for batch in read(*arguments, **options):
            decoded += len(batch)
            yield batch

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    reader = ParquetRows(file, "rows", ("values",), kept=2)
    for number in (0, 1, 1, 2, 3, 4, 6, 5, 7):  # 5 is remembered from the way to 6
        reader.row(number)
    assert decoded == 8


def test_only_wanted_rows_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    lists = write(file, 10, 10)
    reader = ParquetRows(file, "rows", ("values",), kept=2, wanted=frozenset({0, 5}))
    for number in (5, 0, 5):
        assert list_values(reader.row(number), "values", file).tolist() == lists[number]
    assert reader.row(7) is not None
    assert sorted(reader._remembered) == [0, 5]


def test_lists_that_are_absent_or_have_gaps(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"values": pa.array([None, [1.0, None], [1.5]], pa.list_(pa.float32()))}), file)
    reader = ParquetRows(file, "rows", ("values",), kept=3)
    assert list_values(reader.row(0), "values", file) is None
    with pytest.raises(ValueError, match="has gaps"):
        list_values(reader.row(1), "values", file)
    assert list_values(reader.row(2), "values", file).dtype == np.float32


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_broken_files_are_named(tmp_path: Path, share: float) -> None:
    file = tmp_path / "a.parquet"
    write(file, 10, 10)
    data = file.read_bytes()
    file.write_bytes(data[: int(share * len(data))])
    with pytest.raises(ValueError, match=r"a\.parquet is (empty|no readable parquet file).*Copy it again"):
        ParquetRows(file, "rows", ("values",), kept=1)


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    write(file, 3, 3)
    with pytest.raises(ValueError, match=r"has no column other \(it has number, values\)"):
        ParquetRows(file, "rows", ("other",), kept=1)


def test_threads_may_share_a_reader(tmp_path: Path) -> None:
    """Frames are read ahead by several threads, in about the order of the file."""
    file = tmp_path / "a.parquet"
    lists = write(file, 200, 50)
    reader = ParquetRows(file, "rows", ("values",), kept=4)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda number: list_values(reader.row(number), "values", file).tolist(), range(200)))
    assert found == lists


def test_a_damaged_group_is_named_every_time_and_the_others_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    rng = np.random.default_rng(1)
    lists = [rng.integers(0, 10_000, 300).tolist() for _ in range(9)]
    pq.write_table(pa.table({"values": pa.array(lists, pa.list_(pa.int32()))}), file, row_group_size=3)
    place = pq.ParquetFile(file).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(file.read_bytes())
    data[place : place + 40] = bytes(40)
    file.write_bytes(data)
    reader = ParquetRows(file, "rows", ("values",), kept=1)
    for number in (3, 4, 4, 5):
        with pytest.raises(ValueError, match=r"a\.parquet is no readable parquet file"):
            reader.row(number)
    for number in (0, 8, 2):
        assert list_values(reader.row(number), "values", file).tolist() == lists[number]
