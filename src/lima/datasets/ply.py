"""Polygon files, .ply: the vertices of ascii, binary_little_endian and binary_big_endian files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lima.datasets.point_columns import Columns
from lima.datasets.text_rows import read_rows

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}
_POINTS = ("vertex", "point", "points")


@dataclass
class _Element:
    name: str
    count: int
    fields: list[tuple[str, str]] = field(default_factory=list)
    has_list: bool = False


def read(path: Path) -> Columns:
    """Every property of the vertices by its name. Raises ValueError (without the file's name)."""
    content = path.read_bytes()
    kind, elements, start = _header(content)
    before, vertices = _until_vertices(elements)
    record = _record(vertices, kind)
    if kind == "ascii":
        lines = content[start:].split(b"\n")[sum(element.count for element in before) :]
        return read_rows(b"\n".join(lines), record, vertices.count)
    for element in before:
        start += element.count * _record(element, kind).itemsize
    if len(content) - start < vertices.count * record.itemsize:
        raise ValueError(
            f"{max(len(content) - start, 0)} bytes of vertices, {vertices.count} of {record.itemsize} bytes were "
            f"promised: truncated? Copy it again"
        )
    table = np.frombuffer(content, dtype=record, count=vertices.count, offset=start)
    return {name: table[name].astype(record[name].newbyteorder("=")) for name in record.names or ()}


def _header(content: bytes) -> tuple[str, list[_Element], int]:
    """The kind of the file, its elements, and where they begin."""
    end = content.find(b"end_header")
    start = content.find(b"\n", end) + 1
    if content[:3] != b"ply" or end < 0 or start == 0:
        raise ValueError("not a PLY file: a header from ply to end_header was expected")
    kind = ""
    elements: list[_Element] = []
    for line in content[:end].decode("ascii", errors="replace").splitlines()[1:]:
        match line.split():
            case ["format", word, *_]:
                kind = word
            case ["element", name, count] if count.isdigit():
                elements.append(_Element(name, int(count)))
            case ["property", "list", *_] if elements:
                elements[-1].has_list = True
            case ["property", type_name, name] if elements and type_name in _TYPES:
                elements[-1].fields.append((name, _TYPES[type_name]))
            case [] | ["comment", *_] | ["obj_info", *_]:
                pass
            case _:
                raise ValueError(f"line {line.strip()!r} of the header is not understood")
    if kind not in _ORDERS:
        raise ValueError(f"format {kind!r} is unknown: {', '.join(_ORDERS)} were expected")
    return kind, elements, start


def _until_vertices(elements: list[_Element]) -> tuple[list[_Element], _Element]:
    for place, element in enumerate(elements):
        if element.name in _POINTS:
            before = elements[:place]
            if element.has_list or any(other.has_list for other in before):
                raise ValueError("lists come before or in the vertices: plain numbers were expected")
            return before, element
    names = ", ".join(element.name for element in elements) or "none"
    raise ValueError(f"the file has no vertices, only elements: {names}")


def _record(element: _Element, kind: str) -> np.dtype:
    return np.dtype([(name, _ORDERS[kind] + code) for name, code in element.fields])
