"""Arrow tables in feather and parquet files, as columns of numpy; errors name the file, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Series
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lima.datasets.scan_files import reading

Kind = Literal["number", "whole", "text"]
_KINDS = {"number": "fiu", "whole": "iu"}
EXTRA = "pip install 'lima-lidar[parquet]'"


def require_pyarrow(for_what: str) -> None:
    """Raises ModuleNotFoundError with the command that helps, where pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as problem:
        raise ModuleNotFoundError(f"{for_what} is read with pyarrow: {EXTRA}", name=problem.name) from None


@contextmanager
def arrow_file(path: Path, what: str) -> Iterator[None]:
    """Around whatever opens or decodes the file: says which file should have held what.

    Raises FileNotFoundError, PermissionError, ValueError.
    """
    import pyarrow

    with reading(path, what):
        if path.is_file() and path.stat().st_size == 0:
            raise ValueError(f"{path} is empty, {what} was expected: a broken download? Copy it again")
        try:
            yield
        except (FileNotFoundError, PermissionError):
            raise
        except (pyarrow.ArrowException, OSError) as problem:
            told = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
            raise ValueError(
                f"{path} is no readable {path.suffix.lstrip('.')} file ({told.rstrip('.')}), {what} was expected: "
                f"truncated? Copy it again"
            ) from None


def read_feather(
    path: Path, what: str, number: Series[str] = (), whole: Series[str] = (), text: Series[str] = ()
) -> dict[str, Any]:
    """Columns of a feather file (Arrow's file format), numbers as arrays, texts as lists; others are left where they
    are.

    number, whole, text: the wanted columns, by what they have to hold. Raises FileNotFoundError, PermissionError,
    ValueError.
    """
    import pyarrow

    kinds = _kinds(number, whole, text)

    with arrow_file(path, what), pyarrow.OSFile(str(path)) as source:
        names = pyarrow.ipc.open_file(source).schema.names
        check_columns(path, names, kinds)
        options = pyarrow.ipc.IpcReadOptions(use_threads=False, included_fields=[names.index(name) for name in kinds])
        table = pyarrow.ipc.open_file(source, options=options).read_all()
        return {name: column(table, name, kind, path) for name, kind in kinds.items()}


def read_parquet(
    path: Path, what: str, number: Series[str] = (), whole: Series[str] = (), text: Series[str] = ()
) -> dict[str, Any]:
    """Columns of a parquet file that is not large, as `read_feather` gives them."""
    import pyarrow.parquet

    kinds = _kinds(number, whole, text)
    with arrow_file(path, what), pyarrow.parquet.ParquetFile(str(path)) as file:
        check_columns(path, file.schema_arrow.names, kinds)
        table = file.read(columns=list(kinds), use_threads=False)
        return {name: column(table, name, kind, path) for name, kind in kinds.items()}


def read_records(path: Path, what: str, columns: Series[str]) -> list[dict[str, Any]]:
    """Rows of a small parquet file as dictionaries, lists in them as lists. Raises as `read_feather`."""
    import pyarrow.parquet

    with arrow_file(path, what), pyarrow.parquet.ParquetFile(str(path)) as file:
        check_columns(path, file.schema_arrow.names, columns)
        records: list[dict[str, Any]] = file.read(columns=list(columns), use_threads=False).to_pylist()
        return records


def _kinds(number: Series[str], whole: Series[str], text: Series[str]) -> dict[str, Kind]:
    wanted: tuple[tuple[Series[str], Kind], ...] = ((number, "number"), (whole, "whole"), (text, "text"))
    return {name: kind for names, kind in wanted for name in names}


def check_columns(path: Path, names: Series[str], wanted: Iterable[str]) -> None:
    """Raises ValueError where one of the wanted columns is not there."""
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(
            f"{path} has no column {missing[0]} (it has {', '.join(names[:8]) or 'none'}{' …' * (len(names) > 8)}): "
            f"of another version, or of something else?"
        )


def column(table: Any, name: str, kind: Kind, path: Path) -> Any:
    """One column of an Arrow table. Raises ValueError for gaps in it, and for another type."""
    import pyarrow

    values = table.column(name)
    if values.null_count:
        raise ValueError(f"{path}: column {name} has no value in {values.null_count} of {len(values)} rows")
    if kind == "text":
        is_text = pyarrow.types.is_string(values.type) or pyarrow.types.is_large_string(values.type)
        if pyarrow.types.is_dictionary(values.type):
            is_text = pyarrow.types.is_string(values.type.value_type)
        if not is_text:
            raise ValueError(f"{path}: column {name} holds {values.type}, texts were expected")
        return values.to_pylist()
    array = np.asarray(values.to_numpy())
    if array.dtype.kind not in _KINDS[kind]:
        expected = "whole numbers" if kind == "whole" else "numbers"
        raise ValueError(f"{path}: column {name} holds {values.type}, {expected} were expected")
    return array


def check_finite(path: Path, columns: Mapping[str, np.ndarray], names: Iterable[str]) -> None:
    """Raises ValueError naming the first row that has NaN or infinity in one of these columns."""
    for name in names:
        bad = np.flatnonzero(~np.isfinite(columns[name]))
        if len(bad):
            raise ValueError(
                f"{path}: {name} is {columns[name][bad[0]]} in row {bad[0]} (and {len(bad) - 1} more), finite numbers "
                f"were expected"
            )
