"""sensor_msgs/PointCloud2 of any layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from lima.datasets.point_columns import Columns, Points, points_of

_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


def cloud_points(message: Any, timestamp_ns: int | None) -> Points:
    """The points of a message, as many as it has, unusable ones among them.

    timestamp_ns: of the sweep, which the points' times are counted from; None where they do not count. Raises
    ValueError for layouts that contradict themselves, data that are cut short, and fields that make no sense
    (`points_of`).
    """
    return points_of(cloud_columns(message), timestamp_ns)


def cloud_columns(message: Any) -> Columns:
    """Every field with one number per point: padding between fields, points and rows, and either byte order."""
    step, width, height = int(message.point_step), int(message.width), int(message.height)
    order = ">" if message.is_bigendian else "<"
    names, types, offsets = [], [], []
    for field in message.fields:
        if field.datatype not in _TYPES:
            raise ValueError(f"field {field.name!r} has datatype {field.datatype}: 1 … 8 was expected")
        kind = np.dtype(order + _TYPES[field.datatype])
        count = max(int(field.count), 1)  # some drivers leave it 0
        if field.offset + kind.itemsize * count > step:
            raise ValueError(
                f"field {field.name!r} at byte {field.offset} does not fit into points of {step} bytes (point_step)"
            )
        if count == 1:
            names.append(field.name)
            types.append(kind)
            offsets.append(int(field.offset))
    if len(set(names)) < len(names):
        raise ValueError(f"fields have the same name: {', '.join(names)}")
    row_bytes = int(message.row_step) if height > 1 else width * step
    data = np.asarray(message.data, dtype=np.uint8)
    if row_bytes < width * step or len(data) < row_bytes * (height - 1) + width * step:
        raise ValueError(
            f"{len(data)} bytes of data with row_step {message.row_step}: {height} rows of {width} points of {step} "
            f"bytes were promised: cut short?"
        )
    if width * height == 0:
        return {name: np.zeros(0, dtype=kind.newbyteorder("=")) for name, kind in zip(names, types, strict=True)}
    rows = [data[row * row_bytes : row * row_bytes + width * step] for row in range(height)]
    points = rows[0] if height == 1 else np.concatenate(rows)
    record = np.dtype({"names": names, "formats": types, "offsets": offsets, "itemsize": step})
    table = np.ascontiguousarray(points).view(record)
    return {name: table[name].astype(kind.newbyteorder("=")) for name, kind in zip(names, types, strict=True)}
