"""Where the vehicle was, as a list of poses in time: read, written, and asked for any time in between."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64

from lima.datasets.file_times import HOW_TO_WRITE_TIMES, seconds_text, time_ns
from lima.datasets.rotations import matrices, quaternions, slerp
from lima.datasets.scan_files import read_text
from lima.geometry.rigid import RigidTransform

MAX_GAP_S = 1.0
MAX_BEYOND_S = 0.1
BOTH_FORMATS = (
    "lines of eight numbers (time x y z qx qy qz qw) or, one for every file of points/, of twelve (a 3 x 4 matrix, row "
    "by row)"
)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Poses `world_from_ego` at times that strictly ascend. source: the file they come from, for messages.

    In between, rotations turn evenly and translations move evenly. Before the first and after the last pose the motion
    goes on for at most `MAX_BEYOND_S`; poses more than `MAX_GAP_S` apart have nothing known in between.
    """

    source: Path
    times_ns: Int64[np.ndarray, "poses"]
    quaternions_wxyz: Float64[np.ndarray, "poses 4"]
    translations_m: Float64[np.ndarray, "poses 3"]

    def __len__(self) -> int:
        return len(self.times_ns)

    def knows(self, times_ns: Int64[np.ndarray, "times"]) -> Bool[np.ndarray, "times"]:
        """Which of these times have a pose."""
        row, share = self._between(times_ns)
        gap_s = np.diff(self.times_ns)[row] * 1e-9 if len(self) > 1 else np.zeros(len(times_ns))
        beyond_s = np.maximum(self.times_ns[0] - times_ns, times_ns - self.times_ns[-1]) * 1e-9
        reach_s = MAX_BEYOND_S if len(self) > 1 else 0
        return ((gap_s <= MAX_GAP_S) | (share == 0) | (share == 1)) & (beyond_s <= reach_s)

    def at(self, moment_ns: int) -> RigidTransform:
        """`world_from_ego` at that time. Raises ValueError where nothing is known."""
        rotations, translations_m = self.many(np.array([moment_ns], dtype=np.int64))
        return RigidTransform(torch.from_numpy(rotations[0]), torch.from_numpy(translations_m[0]))

    def many(
        self, times_ns: Int64[np.ndarray, "times"]
    ) -> tuple[Float64[np.ndarray, "times 3 3"], Float64[np.ndarray, "times 3"]]:
        """Rotations and translations of `world_from_ego` at many times. Raises ValueError where nothing is known."""
        known = self.knows(times_ns)
        if not known.all():
            raise ValueError(self._unknown(int(times_ns[int(np.argmin(known))])))
        if len(self) == 1:
            whole = np.zeros(len(times_ns), dtype=np.int64)
            return matrices(self.quaternions_wxyz)[whole], self.translations_m[whole]
        row, share = self._between(times_ns)
        turned = slerp(self.quaternions_wxyz[row], self.quaternions_wxyz[row + 1], share)
        first_m, second_m = self.translations_m[row], self.translations_m[row + 1]
        return matrices(turned), first_m + share[:, None] * (second_m - first_m)

    def part(self, ego_from_part: RigidTransform) -> Trajectory:
        """The poses of something that rides on the vehicle, `world_from_part`."""
        rotations = matrices(self.quaternions_wxyz)
        turned = rotations @ ego_from_part.rotation.numpy()
        return self._moved(turned, rotations @ ego_from_part.translation_m.numpy() + self.translations_m)

    def seen_from(
        self, rotations: Float64[np.ndarray, "#poses 3 3"], translations_m: Float64[np.ndarray, "#poses 3"]
    ) -> Trajectory:
        """The same motion in another frame, `other_from_world` at the time of every pose or once for all."""
        turned = rotations @ matrices(self.quaternions_wxyz)
        shifted_m = np.einsum("pij,pj->pi", np.broadcast_to(rotations, turned.shape), self.translations_m)
        return self._moved(turned, shifted_m + translations_m)

    def only(self, kept: Bool[np.ndarray, "poses"]) -> Trajectory:
        """Some of the poses."""
        return Trajectory(self.source, self.times_ns[kept], self.quaternions_wxyz[kept], self.translations_m[kept])

    def _moved(
        self, rotations: Float64[np.ndarray, "poses 3 3"], translations_m: Float64[np.ndarray, "poses 3"]
    ) -> Trajectory:
        return Trajectory(self.source, self.times_ns, quaternions(rotations), translations_m)

    def _between(
        self, times_ns: Int64[np.ndarray, "times"]
    ) -> tuple[Int64[np.ndarray, "times"], Float64[np.ndarray, "times"]]:
        """The pose before each time and the share of the way to the next; below 0 or above 1 beyond the ends."""
        if len(self) == 1:
            return np.zeros(len(times_ns), dtype=np.int64), np.zeros(len(times_ns))
        row = np.clip(np.searchsorted(self.times_ns, times_ns, side="right") - 1, 0, len(self) - 2).astype(np.int64)
        step_ns = self.times_ns[row + 1] - self.times_ns[row]
        return row, (times_ns - self.times_ns[row]) / step_ns

    def _unknown(self, moment_ns: int) -> str:
        first, last = int(self.times_ns[0]), int(self.times_ns[-1])
        if first <= moment_ns <= last:
            row = int(np.searchsorted(self.times_ns, moment_ns)) - 1
            gap_s = int(self.times_ns[row + 1] - self.times_ns[row]) * 1e-9
            return (
                f"{self.source} has no pose for {seconds_text(moment_ns)} s: the poses around it are {gap_s:.2f} s "
                f"apart, more than {MAX_GAP_S:g} s"
            )
        return (
            f"{self.source} has no pose for {seconds_text(moment_ns)} s: its {len(self)} poses reach from "
            f"{seconds_text(first)} to {seconds_text(last)} s"
        )


def read_poses(path: Path, sweep_times_ns: Int64[np.ndarray, "sweeps"]) -> Trajectory:
    """Poses of the vehicle from a text file, in either of two formats, told apart by the numbers in a line.

    Eight numbers: time, x y z in metres, quaternion qx qy qz qw (the TUM format). Twelve: the first three rows of the
    homogeneous matrix, row by row, one line for every sweep in order of time (the KITTI format). Lines that begin with
    # are comments. Raises FileNotFoundError, PermissionError, ValueError naming the line.
    """
    rows = [
        (number, line.replace(",", " ").split())
        for number, line in enumerate(read_text(path, "the poses of the vehicle").splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not rows:
        raise ValueError(f"{path} holds no pose: {BOTH_FORMATS} were expected")
    width = len(rows[0][1])
    if width not in (8, 12):
        raise ValueError(f"{path}, line {rows[0][0]} has {width} words: {BOTH_FORMATS} were expected")
    values = np.empty((len(rows), width))
    for row, (number, words) in enumerate(rows):
        if len(words) != width:
            raise ValueError(f"{path}, line {number} has {len(words)} numbers, the first has {width}: truncated?")
        try:
            values[row] = [float(word) for word in words]
        except ValueError:
            raise ValueError(f"{path}, line {number} holds a word that is no number: {' '.join(words)}") from None
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(bad):
        raise ValueError(f"{path}, line {rows[bad[0]][0]} has a number that is NaN or infinite: {rows[bad[0]][1]}")
    if width == 12:
        return _from_matrices(path, values, [number for number, _ in rows], sweep_times_ns)
    return _from_quaternions(path, values, rows)


def _from_quaternions(
    path: Path, values: Float64[np.ndarray, "poses 8"], rows: list[tuple[int, list[str]]]
) -> Trajectory:
    times = [time_ns(words[0]) for _, words in rows]
    for when, (number, words) in zip(times, rows, strict=True):
        if when is None:
            raise ValueError(f"{path}, line {number}: {words[0]!r} is no time: write {HOW_TO_WRITE_TIMES}")
    times_ns = np.array(times, dtype=np.int64)
    back = np.flatnonzero(np.diff(times_ns) <= 0)
    if len(back):
        first, second = rows[back[0]], rows[back[0] + 1]
        raise ValueError(
            f"{path}, line {second[0]}: time {second[1][0]} does not come after {first[1][0]} of line {first[0]}: "
            f"poses must be in order of time, each with its own"
        )
    xyzw = values[:, 4:]
    norms = np.linalg.norm(xyzw, axis=1)
    bad = np.flatnonzero(np.abs(norms - 1) > 1e-3)
    if len(bad):
        raise ValueError(
            f"{path}, line {rows[bad[0]][0]}: the quaternion qx qy qz qw {xyzw[bad[0]].tolist()} has norm "
            f"{norms[bad[0]]:.4f}, 1 was expected: {BOTH_FORMATS}"
        )
    return Trajectory(path, times_ns, (xyzw / norms[:, None])[:, [3, 0, 1, 2]].copy(), values[:, 1:4].copy())


def _from_matrices(
    path: Path, values: Float64[np.ndarray, "poses 12"], numbers: list[int], sweep_times_ns: Int64[np.ndarray, "sweeps"]
) -> Trajectory:
    if len(values) != len(sweep_times_ns):
        raise ValueError(
            f"{path} has {len(values)} poses, there are {len(sweep_times_ns)} sweeps: 3 x 4 matrices are one for every "
            f"file of points/ in order of time; poses with times of their own are written time x y z qx qy qz qw"
        )
    transforms = values.reshape(-1, 3, 4)
    for number, transform in zip(numbers, transforms, strict=True):
        try:
            RigidTransform.from_matrix(torch.from_numpy(transform))
        except ValueError as problem:
            raise ValueError(f"{path}, line {number}: {problem}") from None
    return Trajectory(
        path, sweep_times_ns.astype(np.int64), quaternions(transforms[:, :, :3]), transforms[:, :, 3].copy()
    )


def poses_text(trajectory: Trajectory) -> str:
    """The trajectory in the format with times, exact to the nanosecond and the nanometre."""
    lines = ["# world_from_ego: time_s x_m y_m z_m qx qy qz qw"]
    for moment_ns, (w, x, y, z), xyz_m in zip(
        trajectory.times_ns.tolist(),
        trajectory.quaternions_wxyz.tolist(),
        trajectory.translations_m.tolist(),
        strict=True,
    ):
        numbers = " ".join(f"{value:.9f}" for value in (*xyz_m, x, y, z, w))
        lines.append(f"{seconds_text(moment_ns)} {numbers}")
    return "\n".join(lines) + "\n"
