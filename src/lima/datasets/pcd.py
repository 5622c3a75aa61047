"""Files of the Point Cloud Library, .pcd: ascii, binary and binary_compressed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from lima.datasets.point_columns import Columns
from lima.datasets.text_rows import read_rows

_TYPES = {
    ("F", 4): "<f4", ("F", 8): "<f8",
    ("U", 1): "u1", ("U", 2): "<u2", ("U", 4): "<u4", ("U", 8): "<u8",
    ("I", 1): "i1", ("I", 2): "<i2", ("I", 4): "<i4", ("I", 8): "<i8",
}  # fmt: skip
_HEADER_BYTES = 65_536


def read(path: Path) -> Columns:
    """Every field with one number per point, by its name. Raises ValueError (without the file's name)."""
    content = path.read_bytes()
    header, start = _header(content)
    if not header["POINTS"][0].isdigit():
        raise ValueError(f"POINTS is {header['POINTS'][0]!r}: a number was expected")
    points, record = int(header["POINTS"][0]), _record(header)
    kind = header["DATA"][0].lower()
    if kind == "ascii":
        return read_rows(content[start:], record, points)
    if kind == "binary":
        needed = points * record.itemsize
        if len(content) - start < needed:
            raise ValueError(
                f"{len(content) - start} bytes of points, {points} points of {record.itemsize} bytes were promised: "
                f"truncated? Copy it again"
            )
        table = np.frombuffer(content, dtype=record, count=points, offset=start)
        return {name: table[name] for name in _scalars(record)}
    if kind == "binary_compressed":
        return _compressed(content, start, record, points)
    raise ValueError(f"DATA {kind} is unknown: ascii, binary or binary_compressed was expected")


def _header(content: bytes) -> tuple[dict[str, list[str]], int]:
    """The lines before the points, and where the points begin."""
    header: dict[str, list[str]] = {}
    start = 0
    while start < min(len(content), _HEADER_BYTES):
        end = content.find(b"\n", start)
        if end < 0:
            break
        words = content[start:end].decode("ascii", errors="replace").split()
        start = end + 1
        if not words or words[0].startswith("#"):
            continue
        header[words[0].upper()] = words[1:]
        if words[0].upper() == "DATA":
            missing = [name for name in ("FIELDS", "SIZE", "TYPE", "POINTS") if not header.get(name)]
            if missing or not words[1:]:
                raise ValueError(f"the header has no {', '.join(missing or ['DATA'])}: truncated?")
            return header, start
    raise ValueError("not a PCD file: a header that ends with DATA was expected")


def _record(header: dict[str, list[str]]) -> np.dtype:
    names, sizes, kinds = header["FIELDS"], header["SIZE"], header["TYPE"]
    counts = header.get("COUNT", ["1"] * len(names))
    if not len(names) == len(sizes) == len(kinds) == len(counts):
        raise ValueError(
            f"FIELDS, SIZE, TYPE and COUNT have {len(names)}, {len(sizes)}, {len(kinds)} and {len(counts)} entries: "
            f"as many of each were expected"
        )
    fields = []
    for place, (name, size, kind, count) in enumerate(zip(names, sizes, kinds, counts, strict=True)):
        if not size.isdigit() or not count.isdigit() or (kind, int(size)) not in _TYPES:
            raise ValueError(f"field {name} has TYPE {kind}, SIZE {size}, COUNT {count}: no type that is known")
        unique = f"_{place}" if name == "_" or name in names[:place] else name  # padding is called _, again and again
        shape = () if int(count) == 1 else (int(count),)
        fields.append((unique, _TYPES[kind, int(size)], shape))
    return np.dtype(fields)


def _compressed(content: bytes, start: int, record: np.dtype, points: int) -> Columns:
    """One field after the other, all of it packed by LZF."""
    if len(content) < start + 8:
        raise ValueError("the compressed points are missing: truncated? Copy it again")
    packed_bytes, plain_bytes = struct.unpack_from("<II", content, start)
    needed = points * record.itemsize
    if plain_bytes != needed:
        raise ValueError(f"{plain_bytes} bytes are promised, {points} points of {record.itemsize} bytes are {needed}")
    packed = content[start + 8 : start + 8 + packed_bytes]
    if len(packed) < packed_bytes:
        raise ValueError(f"{len(packed)} of {packed_bytes} compressed bytes are there: truncated? Copy it again")
    plain = lzf_decompress(packed, plain_bytes)
    columns, place = {}, 0
    for name in record.names or ():
        field = record[name]
        if field.shape == ():
            columns[name] = np.frombuffer(plain, dtype=field, count=points, offset=place)
        place += points * field.itemsize
    return columns


def lzf_decompress(packed: bytes, plain_bytes: int) -> bytes:
    """What liblzf packed: runs of bytes as they are (a control byte below 32: its value + 1 of them), and references
    back (three bits of length, thirteen of distance, lengths from seven on in a byte of their own)."""
    plain = bytearray()
    place, end = 0, len(packed)
    try:
        while place < end:
            control = packed[place]
            place += 1
            if control < 32:
                plain += packed[place : place + control + 1]
                place += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += packed[place]
                place += 1
            distance = ((control & 31) << 8) + packed[place] + 1
            place += 1
            begin = len(plain) - distance
            if begin < 0:
                raise ValueError("the compressed points refer to what is not there: corrupt? Copy the file again")
            length += 2
            if distance >= length:
                plain += plain[begin : begin + length]
            else:  # it overlaps what it writes: the last bytes again and again
                plain += (plain[begin:] * (length // distance + 1))[:length]
    except IndexError:
        raise ValueError("the compressed points end in the middle: corrupt? Copy the file again") from None
    if len(plain) != plain_bytes:
        raise ValueError(f"{len(plain)} bytes came out of the compressed points, {plain_bytes} were promised: corrupt?")
    return bytes(plain)


def _scalars(record: np.dtype) -> list[str]:
    return [name for name in record.names or () if record[name].shape == ()]
