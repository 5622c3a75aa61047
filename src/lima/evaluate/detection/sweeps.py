"""Several sweeps as one: those before a keyframe, moved to where the LiDAR stands now, each point with its age."""

from __future__ import annotations

from bisect import bisect_left

import torch
from jaxtyping import Float32
from torch import Tensor

from lima.data.between import PartOfSequence, RecordedBetween
from lima.scene import Frame, Sequence, Sweep

ALL = 1000  # more than any sensor turns between two keyframes
NEAR_M = 1.0  # a past sweep's points nearer than this along x and y are the vehicle itself, which has moved on


class SweepHistory:
    """The last sweeps at every keyframe of a sequence.

    sweeps: how many, the keyframe's own included. max_age_s: none older. Of a format that was recorded between its
    keyframes too, such as nuScenes, those sweeps are taken; otherwise past keyframes are. At the beginning of a
    sequence there are fewer: none is repeated. from_keyframes: whether keyframes are all there is.
    """

    def __init__(self, sequence: Sequence, sweeps: int, max_age_s: float) -> None:
        if sweeps < 1:
            raise ValueError(f"at least the keyframe's own sweep is needed, got sweeps = {sweeps}")
        self._sequence, self._sweeps, self._max_age_ns = sequence, sweeps, int(max_age_s * 1e9)
        self._between = _between(sequence) if sweeps > 1 else None
        self.from_keyframes = self._between is None
        own = [(time, index, False) for index, time in enumerate(sequence.timestamps_ns)]
        others = [] if self._between is None else list(enumerate(self._between.timestamps_ns))
        self._timeline = sorted([*own, *((time, index, True) for index, time in others)])
        self._times = [time for time, _, _ in self._timeline]

    def read(self, index: int) -> tuple[Frame, Float32[Tensor, "points 5"]]:
        """Keyframe `index`, and x, y, z (metres, the LiDAR's frame now), intensity (0 … 1) and seconds before now of
        all points, the keyframe's own first."""
        frame = self._sequence.frame(index)
        now = frame.sweep
        parts = [_columns(now.points_lidar, now.intensity, 0.0)]
        place = bisect_left(self._times, now.timestamp_ns)
        for time, past_index, is_between in reversed(self._timeline[max(0, place - self._sweeps + 1) : place]):
            if now.timestamp_ns - time > self._max_age_ns:
                break
            source = self._between if is_between and self._between is not None else self._sequence
            parts.append(_moved(source.frame(past_index).sweep, now))
        return frame, torch.cat(parts)


def _moved(past: Sweep, now: Sweep) -> Float32[Tensor, "points 5"]:
    now_from_past = now.world_from_lidar.inverse() @ past.world_from_lidar
    far = (past.points_lidar[:, :2].abs() >= NEAR_M).any(dim=1)
    points = now_from_past.apply(past.points_lidar[far])
    return _columns(points, past.intensity[far], (now.timestamp_ns - past.timestamp_ns) * 1e-9)


def _columns(points: Tensor, intensity: Tensor, age_s: float) -> Tensor:
    return torch.cat([points, intensity[:, None], torch.full((len(points), 1), age_s)], dim=1)


def _between(sequence: Sequence) -> Sequence | None:
    """All points recorded between the keyframes, of the whole drive where this is a part; None for nothing."""
    whole = sequence
    while isinstance(whole, PartOfSequence):
        whole = whole.whole
    if not isinstance(whole, RecordedBetween):
        return None
    between = whole.between(ALL, needs_images=False)
    return between if len(between) else None
