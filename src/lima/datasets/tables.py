"""nuScenes's JSON tables, read block by block into columns, and the tokens that join them.

The `sample_data` table of the full dataset has 2.6 million rows in 1.4 GB: parsed in one piece it takes 8 GB of Python
objects. Here some thousands of rows at a time become Python objects and then columns of numpy.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Series
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from jaxtyping import Int64, Shaped

from lima.datasets.scan_files import reading

BLOCK_CHARACTERS = 1 << 22
TOKEN_BYTES = 16

Row = dict[str, Any]
RowFilter = Callable[[list[str]], Iterable[bool]]
"""which rows are worth parsing, by the JSON text of one of their fields"""
_GENUINE = re.compile(rf"[0-9a-fA-F]{{{2 * TOKEN_BYTES}}}")
_BETWEEN_ROWS = re.compile(r"[\s,]*")


def read_rows(
    path: Path, block_characters: int = BLOCK_CHARACTERS, only: tuple[str, RowFilter] | None = None
) -> Iterator[list[Row]]:
    """The rows of a table, in lists of some thousands, without ever holding the whole file.

    only: a field and a filter of its texts (`"abc"`, `true`). Rows it refuses may be left out, which saves most of
    the time where few are wanted; where the text does not show safely what is whose, all rows come. Raises
    FileNotFoundError where there is no such table, ValueError where it is not an array of objects.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: a nuScenes version folder holds the table {path.name}; "
            f"was the metadata archive unpacked completely?"
        )
    with reading(path, "a table of nuScenes"):
        file = path.open(encoding="utf-8")
    with file:
        unread = _read(file, block_characters, path).lstrip()
        if not unread.startswith("["):
            raise _not_a_table(path, f"it begins with {unread[:20]!r}")
        unread = unread[1:]
        while True:
            rows, unread = _split_rows(unread, only)
            if rows:
                _check_rows(path, rows)
                yield rows
            more = _read(file, block_characters, path)
            if not more:
                break
            unread += more
    if unread.strip() != "]":
        raise _not_a_table(path, f"it ends with {unread[-40:]!r}")


def _read(file: TextIO, characters: int, path: Path) -> str:
    try:
        return file.read(characters)
    except UnicodeDecodeError as problem:
        raise _not_a_table(path, f"it is no text ({problem.reason})") from None


def _split_rows(text: str, only: tuple[str, RowFilter] | None) -> tuple[list[Row], str]:
    """The complete objects at the beginning of the text, and what follows them."""
    end = text.rfind("}") + 1
    complete = text[:end].lstrip().removeprefix(",")
    if only is not None:
        complete = _wanted_rows(complete, *only)
    try:
        return json.loads(f"[{complete}]"), text[end:]
    except json.JSONDecodeError:  # the last brace was inside a string or a nested object: go row by row
        return _split_rows_one_by_one(text)


def _wanted_rows(text: str, field: str, wanted: RowFilter) -> str:
    """The text of the rows that pass the filter, or of all where a row is not one brace, one field, one brace."""
    values = re.findall(rf'"{field}"\s*:\s*("[^"\\]*"|true|false)', text)
    rows = text.split("}")
    if not len(values) == len(rows) - 1 == text.count("{"):
        return text
    kept = [row.lstrip(" ,\t\r\n") + "}" for row, keep in zip(rows, wanted(values), strict=False) if keep]
    return ",".join(kept)


def _split_rows_one_by_one(text: str) -> tuple[list[Row], str]:
    decode = json.JSONDecoder().raw_decode
    rows: list[Row] = []
    end = 0
    while True:
        gap = _BETWEEN_ROWS.match(text, end)
        start = gap.end() if gap else end
        if not text.startswith("{", start):
            return rows, text[end:]
        try:
            row, end = decode(text, start)
        except json.JSONDecodeError:
            return rows, text[end:]
        rows.append(row)


def _check_rows(path: Path, rows: list[Row]) -> None:
    if not isinstance(rows[0], dict) or "token" not in rows[0]:
        raise _not_a_table(path, f"a row is {str(rows[0])[:80]!r}")


def _not_a_table(path: Path, found: str) -> ValueError:
    return ValueError(
        f"{path} must be a JSON array of objects that each have a token, but {found}: a truncated download?"
    )


def column(path: Path, rows: list[Row], name: str) -> list[Any]:
    """One field of every row. Raises ValueError naming the table and the row that lacks it."""
    try:
        return [row[name] for row in rows]
    except KeyError:
        token = next(row.get("token") for row in rows if name not in row)
        raise ValueError(f"{path}: row {token} has no field {name!r}, which nuScenes v1.0 demands") from None


def read_columns(path: Path, names: Series[str]) -> dict[str, list[Any]]:
    """Some fields of a whole table, for tables that are not large."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for rows in read_rows(path):
        for name in names:
            columns[name] += column(path, rows, name)
    return columns


def numbers(path: Path, field: str, values: list[Any], shape: tuple[int, ...], tokens: Series[str]) -> np.ndarray:
    """The field of every row as doubles. Raises ValueError naming the row whose value has another shape or is NaN."""
    try:
        array = np.array(values, dtype=np.float64).reshape(len(values), *shape)
        if array.size == len(values) * math.prod(shape) and np.isfinite(array).all():
            return array
    except (ValueError, TypeError):
        pass
    for token, value in zip(tokens, values, strict=True):
        try:
            fine = np.shape(value) == shape and np.isfinite(np.array(value, dtype=np.float64)).all()
        except (ValueError, TypeError):
            fine = False
        if not fine:
            raise ValueError(f"{path}: row {token} must have {shape} finite numbers as {field}, got {value}")
    raise AssertionError(f"{path}: {field} is fine row by row, but not as a whole")


def text_array(texts: Series[str]) -> Shaped[np.ndarray, "rows"]:
    """Texts as UTF-8 bytes of one width, a quarter of what numpy's own strings take."""
    return np.array([text.encode() for text in texts], dtype=np.bytes_)


def tokens_from_strings(tokens: Series[str]) -> Shaped[np.ndarray, "rows"]:
    """16 bytes per token: the 32 hexadecimal digits of a genuine one, a digest of any other name."""
    try:
        packed = bytes.fromhex("".join(tokens))
        if len(packed) == TOKEN_BYTES * len(tokens) and set(map(len, tokens)) <= {2 * TOKEN_BYTES}:
            return np.frombuffer(packed, dtype=f"S{TOKEN_BYTES}")
    except ValueError:
        pass
    return np.array([_token_bytes(token) for token in tokens], dtype=f"S{TOKEN_BYTES}")


def hex_token(packed: bytes) -> str:
    """The 32 digits of a packed token (numpy drops zeros at its end)."""
    return packed.ljust(TOKEN_BYTES, b"\0").hex()


def _token_bytes(token: str) -> bytes:
    if _GENUINE.fullmatch(token):
        return bytes.fromhex(token)
    return hashlib.blake2b(token.encode(), digest_size=TOKEN_BYTES).digest()


class TokenIndex:
    """Where in its table every token stands.

    Raises ValueError where a token stands twice.
    """

    def __init__(self, path: Path, names: Series[str]) -> None:
        self.path = path
        tokens = tokens_from_strings(names)
        self._order = np.argsort(tokens, kind="stable")
        self._sorted = tokens[self._order]
        twice = np.flatnonzero(self._sorted[1:] == self._sorted[:-1])
        if len(twice):
            raise ValueError(f"{path}: token {names[self._order[twice[0]]]} stands in more than one row")

    def find(self, tokens: Shaped[np.ndarray, "rows"]) -> Int64[np.ndarray, "rows"]:
        """The row of every token, -1 where the table has none."""
        if len(self._sorted) == 0:
            return np.full(len(tokens), -1)
        places = np.minimum(np.searchsorted(self._sorted, tokens), len(self._sorted) - 1)
        return np.where(self._sorted[places] == tokens, self._order[places], -1)

    def rows(
        self,
        tokens: Series[str],
        asked_by: Path,
        field: str,
        askers: Series[str],
        may_be_empty: bool = False,
    ) -> Int64[np.ndarray, "rows"]:
        """The row of every token; -1 for the empty token, nuScenes's word for nothing, where that is allowed.

        Raises ValueError naming the asking table's row and the token that is not there.
        """
        found = self.find(tokens_from_strings(tokens))
        for row in np.flatnonzero(found < 0).tolist():
            if not (may_be_empty and tokens[row] == ""):
                raise ValueError(
                    f"{asked_by}: row {askers[row]} has {field} {tokens[row]!r}, which is not in {self.path}: "
                    f"do the tables come from the same version?"
                )
        return found
