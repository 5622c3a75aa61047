"""Single rows of a parquet file whose rows are megabytes, without ever holding many of them.

A row can only be reached by decoding all rows of its group before it, and groups are large (Waymo's hold some fifty
frames, a gigabyte when decoded). So a reader stays where it is: rows asked for in the order of the file are decoded
once; going back begins the group anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from lima.datasets.arrow import arrow_file, check_columns

OPEN_FILES = 128
"""per process: every drive that is being read has up to four"""


class ParquetRows:
    """Some columns of a file, row by row.

    kept: how many of the rows passed last are remembered. wanted: which rows are worth remembering. Raises
    FileNotFoundError, PermissionError, ValueError.
    """

    def __init__(
        self, path: Path, what: str, columns: tuple[str, ...], kept: int, wanted: frozenset[int] | None = None
    ) -> None:
        import pyarrow.parquet

        self.path, self.what = path, what
        self._columns, self._kept, self._wanted = list(columns), kept, wanted
        with arrow_file(path, what):
            self._file = pyarrow.parquet.ParquetFile(str(path), memory_map=True, pre_buffer=False)
            check_columns(path, self._file.schema_arrow.names, columns)
            groups = self._file.metadata.num_row_groups
            rows = [self._file.metadata.row_group(group).num_rows for group in range(groups)]
        self._first_row = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        self._remembered: OrderedDict[int, Any] = OrderedDict()
        self._batches: Iterator[Any] = iter(())
        self._next_row = self._last_row = 0
        self._lock = Lock()  # several threads read frames ahead

    def row(self, number: int) -> Any:
        """One row, as a pyarrow record batch of length one."""
        with self._lock:
            try:
                return self._row(number)
            except ValueError:
                self._next_row = self._last_row = 0  # the next one begins its group anew
                raise

    def _row(self, number: int) -> Any:
        if number in self._remembered:
            return self._remembered[number]
        if not self._next_row <= number < self._last_row:
            group = int(np.searchsorted(self._first_row, number, side="right")) - 1
            self._next_row, self._last_row = int(self._first_row[group]), int(self._first_row[group + 1])
            self._batches = self._file.iter_batches(
                batch_size=1, row_groups=[group], columns=self._columns, use_threads=False
            )
        with arrow_file(self.path, self.what):
            while self._next_row <= number:
                row = next(self._batches)
                if self._wanted is None or self._next_row in self._wanted:
                    self._remembered[self._next_row] = row
                    if len(self._remembered) > self._kept:
                        self._remembered.popitem(last=False)
                self._next_row += 1
        return row


@lru_cache(maxsize=OPEN_FILES)
def open_rows(
    path: Path, what: str, columns: tuple[str, ...], kept: int, wanted: frozenset[int] | None = None
) -> ParquetRows:
    """The reader of that file in this process, the same one whenever it is asked for."""
    return ParquetRows(path, what, columns, kept, wanted)


def list_values(row: Any, name: str, path: Path) -> np.ndarray | None:
    """The numbers of a list column in a row; None where the row has no list there. Raises ValueError."""
    import pyarrow

    values = row.column(row.schema.get_field_index(name))
    if values.null_count:
        return None
    kinds = pyarrow.types
    if not any(is_list(values.type) for is_list in (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list)):
        raise ValueError(f"{path}: column {name} holds {values.type}, lists of numbers were expected")
    numbers = values.flatten()
    if numbers.null_count:
        raise ValueError(f"{path}: a list in column {name} has gaps, numbers were expected")
    array = np.asarray(numbers.to_numpy(zero_copy_only=False))
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{path}: column {name} holds {values.type}, lists of numbers were expected")
    return array
