"""Oracle: files written byte by byte from the descriptions of PCD, PLY and NPY, and numbers worked out by hand."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lima.datasets.pcd import lzf_decompress
from lima.datasets.point_columns import Points, points_of, relative_time_s
from lima.datasets.point_files import read_points
from tests.datasets.exporters.plain import KINDS, lzf_compress, write_points

COLUMNS = ("x", "y", "z", "intensity", "ring")
NOW_NS = 1_700_000_000_123_456_789


def some_table(rows: int = 300) -> np.ndarray:
    rng = np.random.default_rng(1)
    table = np.zeros(rows, dtype=[(name, "<f4") for name in COLUMNS[:4]] + [("ring", "<u2")])
    for name in "xyz":
        table[name] = rng.normal(scale=30, size=rows)
    table["intensity"] = rng.integers(0, 256, rows)
    table["ring"] = np.arange(rows) % 64
    return table


def assert_points(points: Points, table: np.ndarray) -> None:
    assert np.array_equal(points.xyz_m, np.stack([table[name] for name in "xyz"], axis=1).astype(np.float32))
    for name, values in (("intensity", points.intensity), ("ring", points.ring)):
        if name in (table.dtype.names or ()):
            assert values is not None
            assert np.array_equal(values, table[name])
        else:
            assert values is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [COLUMNS, COLUMNS[:4], COLUMNS[:3]])
def test_every_kind_holds_the_same_points(tmp_path: Path, kind: str, names: tuple[str, ...]) -> None:
    path = tmp_path / f"Wolke 1.{kind.split()[0]}"
    table = some_table()[list(names)].copy()
    table = np.array(table.tolist(), dtype=[(name, table.dtype[name]) for name in names])  # without gaps
    write_points(path, table, kind)
    assert_points(read_points(path, names if kind == "bin" else None, NOW_NS), table)


@pytest.mark.parametrize(
    "kind", ["pcd ascii", "pcd binary", "pcd binary_compressed", "ply ascii", "ply little", "ply big", "npy"]
)
def test_fields_may_come_in_any_order_and_type(tmp_path: Path, kind: str) -> None:
    """Doubles, bytes, unknown fields, capital letters."""
    source = some_table(50)
    table = np.zeros(
        50, dtype=[("Ring", "u1"), ("z", "<f8"), ("quality", "<i4"), ("x", "<f8"), ("Reflectivity", "u1"), ("y", "<f8")]
    )
    for name, other in (("Ring", "ring"), ("Reflectivity", "intensity"), *((axis, axis) for axis in "xyz")):
        table[name] = source[other]
    path = tmp_path / f"points.{kind.split()[0]}"
    write_points(path, table, kind)
    found = read_points(path, None, None)
    assert_points(found, source)
    assert found.intensity_limit == 255


def test_pcd_with_padding_and_counts(tmp_path: Path) -> None:
    """As the PCL writes PointXYZI: padding called _, again and again, and a descriptor of several numbers."""
    record = np.dtype(
        [
            ("x", "<f4"),
            ("y", "<f4"),
            ("z", "<f4"),
            ("_", "u1", 4),
            ("normal", "<f4", 3),
            ("intensity", "<f4"),
            ("__", "u1", 12),
        ]
    )
    table = np.zeros(5, dtype=record)
    table["x"], table["normal"], table["intensity"] = np.arange(5), 7, np.arange(5) * 10
    head = (
        "# .PCD v.7\nVERSION .7\nFIELDS x y z _ normal intensity _\nSIZE 4 4 4 1 4 4 1\nTYPE F F F U F F U\n"
        "COUNT 1 1 1 4 3 1 12\nWIDTH 5\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 5\nDATA binary\n"
    )
    path = tmp_path / "a.pcd"
    path.write_bytes(head.encode() + table.tobytes())
    found = read_points(path, None, None)
    assert found.xyz_m[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert found.intensity is not None
    assert found.intensity.tolist() == [0, 10, 20, 30, 40]


def test_ply_vertices_may_come_after_others(tmp_path: Path) -> None:
    head = (
        "ply\nformat binary_big_endian 1.0\nobj_info a camera\nelement camera 2\nproperty float f\nproperty uchar n\n"
        "element vertex 2\nproperty double x\nproperty double y\nproperty double z\nend_header\n"
    )
    path = tmp_path / "a.ply"
    path.write_bytes(head.encode() + b"\0" * 10 + struct.pack(">6d", 1, 2, 3, 4, 5, 6))
    assert read_points(path, None, None).xyz_m.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_npy_arrays_without_names(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    array = np.arange(20, dtype=np.float64).reshape(5, 4)
    np.save(path, array)
    found = read_points(path, None, None)
    assert found.xyz_m.tolist() == array[:, :3].tolist()
    assert found.intensity is not None
    assert found.intensity.tolist() == array[:, 3].tolist()
    assert read_points(path, ("x", "y", "z", "ring"), None).ring is not None


@given(st.binary(max_size=2000), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_lzf_is_undone(content: bytes, repeats: int) -> None:
    plain = content * repeats
    assert lzf_decompress(lzf_compress(plain), len(plain)) == plain


def test_lzf_by_hand() -> None:
    """Three letters as they are; then nine from three back: control 7 << 5, a byte for length 9 - 9, distance 3 - 1."""
    assert lzf_decompress(b"\x02abc" + bytes([7 << 5, 0, 2]), 12) == b"abc" * 4


# --- what goes wrong, a line each


def pcd(body: bytes = bytes(24), **changes: str) -> bytes:
    head = {"VERSION": "0.7", "FIELDS": "x y z", "SIZE": "4 4 4", "TYPE": "F F F", "COUNT": "1 1 1", "WIDTH": "2"}
    head |= {"HEIGHT": "1", "POINTS": "2", "DATA": "binary"}
    return "".join(f"{name} {words}\n" for name, words in (head | changes).items()).encode() + body


def ply(
    body: bytes = bytes(24), kind: str = "binary_little_endian", number: str = "float", element: str = "vertex 2"
) -> bytes:
    properties = "".join(f"property {number} {axis}\n" for axis in "xyz")
    return f"ply\nformat {kind} 1.0\nelement {element}\n{properties}end_header\n".encode() + body


PACKED = struct.pack("<II", 3, 24)
COMPRESSED = "binary_compressed"
BROKEN = {
    "bin, empty": ("a.bin", b"", "empty file"),
    "bin, cut": ("a.bin", bytes(41), "41 bytes are no multiple of 20"),
    "npy, empty": ("a.npy", b"", "empty file"),
    "npy, a letter": ("a.npy", b"dear aunt", "not a readable .npy array"),
    "pcd, a letter": ("a.pcd", b"dear aunt", "not a PCD file"),
    "pcd, cut": ("a.pcd", pcd(bytes(20)), "20 bytes of points, 2 points of 12 bytes were promised: truncated?"),
    "pcd, no fields": ("a.pcd", pcd(FIELDS=""), "no FIELDS"),
    "pcd, three sizes of two": ("a.pcd", pcd(SIZE="4 4"), "3, 2, 3 and 3 entries"),
    "pcd, unknown type": ("a.pcd", pcd(TYPE="F F G"), "field z has TYPE G"),
    "pcd, unknown data": ("a.pcd", pcd(DATA="zipped"), "DATA zipped is unknown"),
    "pcd, no number": ("a.pcd", pcd(POINTS="many"), "POINTS is 'many'"),
    "pcd, no z": ("a.pcd", pcd(FIELDS="x y w"), "the points have no z, only x, y, w"),
    "pcd, ascii cut": ("a.pcd", pcd(b"1 2 3\n", DATA="ascii"), "1 lines of points, 2 were promised"),
    "pcd, ascii words": ("a.pcd", pcd(b"1 2 3\n4 five 6\n", DATA="ascii"), "a line of points is not as promised"),
    "pcd, compressed missing": ("a.pcd", pcd(b"", DATA=COMPRESSED), "compressed points are missing"),
    "pcd, compressed cut": ("a.pcd", pcd(PACKED + b"\x02a", DATA=COMPRESSED), "2 of 3 compressed bytes"),
    "pcd, compressed less": ("a.pcd", pcd(PACKED + b"\x01ab", DATA=COMPRESSED), "2 bytes came out"),
    "pcd, nonsense": ("a.pcd", pcd(PACKED + b"\x20\x05\x00", DATA=COMPRESSED), "refer to what is not there"),
    "ply, a letter": ("a.ply", b"dear aunt", "not a PLY file"),
    "ply, cut": ("a.ply", ply(bytes(20)), "20 bytes of vertices, 2 of 12 bytes were promised: truncated?"),
    "ply, unknown format": ("a.ply", ply(kind="binary"), "format 'binary' is unknown"),
    "ply, lists": ("a.ply", ply(number="list uchar int"), "lists come before or in the vertices"),
    "ply, whole numbers": ("a.ply", ply(number="int"), "x is int32: metres as float32"),
    "ply, no points": ("a.ply", ply(element="face 2"), "no vertices, only elements: face"),
    "ply, empty sweep": ("a.ply", ply(element="vertex 0"), "empty sweep"),
}


@pytest.mark.parametrize(("name", "content", "words"), BROKEN.values(), ids=BROKEN)
def test_broken_files_are_one_line(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        read_points(path, COLUMNS if name == "a.bin" else None, None)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 500), np.float32), "transposed?"),
        (np.zeros((500, 4), np.int32), "type int32"),
        (np.zeros((500, 6), np.float32), "6 columns without names"),
        (np.zeros(12, np.float32), r"shape \(12,\)"),
        (np.zeros((0, 4), np.float32), "empty sweep"),
    ],
)
def test_arrays_of_something_else_are_refused(tmp_path: Path, array: np.ndarray, words: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match=words):
        read_points(tmp_path / "a.npy", None, None)


def test_floats_without_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(12))
    with pytest.raises(ValueError, match=r"say it in calibration\.yaml"):
        read_points(tmp_path / "a.bin", None, None)


# --- names of columns, and times


@pytest.mark.parametrize(
    ("intensity", "ring"), [("i", "channel"), ("remission", "laser_id"), ("scalar_Intensity", "Ring")]
)
def test_columns_are_known_by_the_names_of_many_drivers(intensity: str, ring: str) -> None:
    one = np.ones(3, dtype=np.float32)
    found = points_of({"x": one, "y": one, "z": one, intensity: one * 7, ring: one * 3}, None)
    assert found.intensity is not None
    assert found.ring is not None
    assert (found.intensity[0], found.ring[0]) == (7, 3)


def test_rings_are_whole() -> None:
    one = np.ones(3, dtype=np.float32)
    with pytest.raises(ValueError, match=r"rings are whole numbers, got 0\.5"):
        points_of({"x": one, "y": one, "z": one, "ring": one / 2}, None)


TURN_S = np.linspace(-0.02, 0.08, 101)


@pytest.mark.parametrize(
    ("values", "error_s"),
    [
        (TURN_S.astype(np.float32), 1e-7),
        ((TURN_S * 1e3).astype(np.float32), 1e-7),
        ((TURN_S * 1e6).astype(np.int32), 2e-6),
        ((TURN_S * 1e9).astype(np.int64), 1e-8),
        (((TURN_S + 0.02) * 1e9).astype(np.uint32), None),
        (NOW_NS * 1e-9 + TURN_S, 5e-7),
        (NOW_NS + (TURN_S * 1e9).astype(np.int64), 1e-8),
        ((NOW_NS + (TURN_S * 1e9).astype(np.int64)).astype(np.uint64) // np.uint64(1000), 2e-6),
    ],
)
def test_times_of_all_units_are_seconds_from_the_stamp(values: np.ndarray, error_s: float | None) -> None:
    expected = TURN_S if error_s is not None else TURN_S + 0.02
    assert np.abs(relative_time_s(values, NOW_NS) - expected).max() < (error_s or 1e-8)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([0.0, 40.0, 5e11]), "in no unit"),
        (np.array([77.0, 77.1]), "are they of another clock"),
        (np.array([NOW_NS * 1e-9 + 60, NOW_NS * 1e-9 + 60.1]), "begin 60.000 s after"),
    ],
)
def test_times_that_make_no_sense_say_how_to_leave_them_aside(values: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        relative_time_s(values, NOW_NS)
    assert "compensated: true" in str(caught.value)


def test_times_that_are_all_equal_say_nothing() -> None:
    assert relative_time_s(np.full(3, 12.0), NOW_NS).tolist() == [0, 0, 0]
