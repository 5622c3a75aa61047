"""The columns of a point cloud under the names that drivers give them, as the numbers that a sweep is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped

INTENSITY = (
    "intensity", "intensities", "i", "reflectivity", "reflectance", "remission", "scalar_intensity",
    "scalar_reflectance",
)  # fmt: skip
RING = ("ring", "channel", "line", "laser", "laser_id", "laser_number", "beam", "scalar_ring")
TIME = (
    "time", "t", "timestamp", "timestamps", "stamps", "time_stamp", "timestamp_ns", "offset_time", "time_offset", "dt",
    "gps_time", "scalar_time", "scalar_timestamp",
)  # fmt: skip
LONGEST_TURN_S = 1.0
TOLERANCE_S = 1.0  # between the clocks of absolute times and of the sweep's timestamp
UNITS_S = (1.0, 1e-3, 1e-6, 1e-9)

LEAVE_ASIDE = "leave times aside with points: {compensated: true} in calibration.yaml (lima import: --compensated)"

Columns = Mapping[str, Shaped[np.ndarray, "points"]]


@dataclass(frozen=True, eq=False)
class Points:
    """A point cloud as it was stored. intensity: as stored, not scaled; intensity_limit: the largest that its type
    holds, 0 for floats. time_s: when each point was measured, from the timestamp of the sweep."""

    xyz_m: Float32[np.ndarray, "points 3"]
    intensity: Float32[np.ndarray, "points"] | None
    intensity_limit: int
    ring: Int64[np.ndarray, "points"] | None
    time_s: Float32[np.ndarray, "points"] | None

    def __len__(self) -> int:
        return len(self.xyz_m)

    def finite(self) -> Bool[np.ndarray, "points"]:
        """Which points have no number that is NaN or infinite."""
        finite = np.isfinite(self.xyz_m).all(axis=1)
        for column in (self.intensity, self.time_s):
            if column is not None:
                finite &= np.isfinite(column)
        return finite

    def usable(self) -> Bool[np.ndarray, "points"]:
        """Which points were measured: finite, and not at the sensor itself, where drivers put beams without an echo."""
        return self.finite() & (self.xyz_m != 0).any(axis=1)

    def where(self, kept: Bool[np.ndarray, "points"]) -> Points:
        """Only these points, in the same order."""
        return Points(
            self.xyz_m[kept],
            None if self.intensity is None else self.intensity[kept],
            self.intensity_limit,
            None if self.ring is None else self.ring[kept],
            None if self.time_s is None else self.time_s[kept],
        )


def points_of(columns: Columns, timestamp_ns: int | None) -> Points:
    """The columns by what they mean, whatever the driver calls them (`INTENSITY`, `RING`, `TIME`, in any case).

    timestamp_ns: of the sweep, which times are counted from; None where the points' times do not count. Raises
    ValueError where x, y or z is missing or no float, or times make no sense.
    """
    by_name = {name.lower(): values for name, values in columns.items()}
    missing = [axis for axis in "xyz" if axis not in by_name]
    if missing:
        held = ", ".join(columns)
        raise ValueError(f"the points have no {', '.join(missing)}, only {held}: x, y and z were expected")
    for axis in "xyz":
        if by_name[axis].dtype.kind != "f":
            raise ValueError(f"{axis} is {by_name[axis].dtype.name}: metres as float32 or float64 were expected")
    xyz_m = np.empty((len(by_name["x"]), 3), dtype=np.float32)
    for place, axis in enumerate("xyz"):
        xyz_m[:, place] = by_name[axis]
    intensity, ring, time = (_first(by_name, names) for names in (INTENSITY, RING, TIME))
    limit = np.iinfo(intensity.dtype).max if intensity is not None and intensity.dtype.kind in "iu" else 0
    return Points(
        xyz_m=xyz_m,
        intensity=None if intensity is None else intensity.astype(np.float32),
        intensity_limit=int(limit),
        ring=None if ring is None else _whole(ring),
        time_s=None if time is None or timestamp_ns is None else relative_time_s(time, timestamp_ns),
    )


def relative_time_s(values: Shaped[np.ndarray, "points"], timestamp_ns: int) -> Float32[np.ndarray, "points"]:
    """Seconds from the sweep's timestamp, of times that drivers give as seconds or nanoseconds, relative or absolute.

    The unit is the first of seconds, milliseconds, microseconds and nanoseconds (whole numbers: the other way round)
    in which the turn lasts 1 ms to `LONGEST_TURN_S`. Times that begin farther from 0 than that are absolute. Times that
    are all equal say nothing: zeros. Raises ValueError where no unit fits, and for absolute times of another clock.
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0 or finite.min() == finite.max():
        return np.where(np.isfinite(values), 0, np.nan).astype(np.float32)
    low = finite.min()
    span = float(finite.max() - low)
    units_s = UNITS_S if values.dtype.kind == "f" else UNITS_S[::-1]
    fitting = [unit_s for unit_s in units_s if 1e-3 <= span * unit_s <= LONGEST_TURN_S]
    if not fitting:
        raise ValueError(
            f"times of the points reach from {low} to {finite.max()}: in no unit from seconds to nanoseconds is that a "
            f"turn of 1 ms to {LONGEST_TURN_S:g} s; {LEAVE_ASIDE}"
        )
    unit_s = fitting[0]
    if abs(float(low)) * unit_s <= LONGEST_TURN_S:
        return (values.astype(np.float64) * unit_s).astype(np.float32)
    unit_ns = round(unit_s * 1e9)
    low_ns = int(low) * unit_ns if values.dtype.kind in "iu" else round(float(low) * unit_s * 1e9)
    begin_s = (low_ns - timestamp_ns) * 1e-9
    if abs(begin_s) > LONGEST_TURN_S + TOLERANCE_S:
        raise ValueError(
            f"times of the points begin {begin_s:.3f} s after the sweep's timestamp: are they of another clock? "
            f"{LEAVE_ASIDE}"
        )
    return ((values - low).astype(np.float64) * unit_s + begin_s).astype(np.float32)


def _first(columns: Columns, names: tuple[str, ...]) -> Shaped[np.ndarray, "points"] | None:
    return next((columns[name] for name in names if name in columns), None)


def _whole(ring: Shaped[np.ndarray, "points"]) -> Int64[np.ndarray, "points"]:
    if ring.dtype.kind != "f":
        return ring.astype(np.int64)
    whole = np.nan_to_num(ring, nan=-1.0, posinf=-1.0, neginf=-1.0)
    if (whole != np.round(whole)).any():
        wrong = whole[whole != np.round(whole)][0]
        raise ValueError(f"rings are whole numbers, got {wrong}: is that column something else?")
    return whole.astype(np.int64)
