"""Frames of coordinates and how they hang together: what tf and tf_static say over a whole recording."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from lima.datasets.trajectory import Trajectory
from lima.geometry.rigid import RigidTransform

STILL_M = 1e-6
STILL_EVERY_NS = 500_000_000  # while nothing moves, this is enough
STILL_TURN = 1e-9  # of 1 - |dot product| of two quaternions


def frame_name(name: str) -> str:
    """Without the slash that old recordings put before it."""
    return name.lstrip("/")


@dataclass
class Edge:
    """All that was said about one frame in another: times, and x y z qx qy qz qw. fixed: said by tf_static."""

    parent: str
    child: str
    fixed: bool = False
    moved: bool = False
    times_ns: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def add(self, time_ns: int, transform: Any) -> None:
        """One more. A transform that never changes is kept once, whatever topic said it."""
        t, q = transform.translation, transform.rotation
        values = (t.x, t.y, t.z, q.x, q.y, q.z, q.w)
        if self.times_ns and not self.moved:
            first = self.values[:7]
            shift_m = max(abs(one - other) for one, other in zip(first[:3], values[:3], strict=True))
            dot = sum(one * other for one, other in zip(first[3:], values[3:], strict=True))
            self.moved = shift_m > STILL_M or 1 - abs(dot) > STILL_TURN
            if not self.moved and self.fixed:
                return
        if self.fixed and self.moved:
            raise ValueError(
                f"tf_static says two things about {self.child} in {self.parent}: {list(self.values[:7])} and "
                f"{list(values)} (x y z qx qy qz qw): which one holds? Describe the sensors with --calibration"
            )
        if not self.moved and len(self.times_ns) > 1 and time_ns - self.times_ns[-2] < STILL_EVERY_NS:
            self.times_ns.pop()
            del self.values[-7:]
        self.times_ns.append(time_ns)
        self.values.extend(values)

    @property
    def still(self) -> bool:
        """Whether it never moved. A transform that was said only once by tf, and not by tf_static, may have."""
        return self.fixed or (not self.moved and len(self.times_ns) > 1)

    def parent_from_child(self) -> RigidTransform:
        """Of an edge that is still. Raises ValueError for quaternions that are none."""
        x, y, z, qx, qy, qz, qw = self.values[:7]
        try:
            return RigidTransform.from_quaternion([qw, qx, qy, qz], [x, y, z])
        except ValueError as problem:
            raise ValueError(f"tf of {self.child} in {self.parent}: {problem}") from None

    def trajectory(self, source: Path) -> Trajectory:
        """The poses of the child in the parent, in order of time, each time once."""
        return trajectory_of(source, self.times_ns, self.values)


def trajectory_of(source: Path, times: array[int], values: array[float]) -> Trajectory:
    """Poses in order of time, each time once. values: x y z qx qy qz qw of each. Raises ValueError for quaternions that
    are none."""
    times_ns: Int64[np.ndarray, "poses"] = np.frombuffer(times, dtype=np.int64)
    table: Float64[np.ndarray, "poses 7"] = np.frombuffer(values, dtype=np.float64).reshape(-1, 7)
    times_ns, first = np.unique(times_ns, return_index=True)
    table = table[first]
    norms = np.linalg.norm(table[:, 3:], axis=1)
    bad = np.flatnonzero(~((np.abs(norms - 1) < 1e-3) & np.isfinite(table).all(axis=1)))
    if len(bad):
        raise ValueError(
            f"{source}: the pose at {times_ns[bad[0]]} ns is none: {table[bad[0]].tolist()} (x y z qx qy qz qw)"
        )
    quaternions = table[:, [6, 3, 4, 5]] / norms[:, None]
    return Trajectory(source, times_ns, quaternions, table[:, :3].copy())


class FrameTree:
    """Frames of coordinates of a recording."""

    def __init__(self) -> None:
        self.edges: dict[tuple[str, str], Edge] = {}

    def add(self, message: Any, fixed: bool) -> None:
        """All transforms of a tf2_msgs/TFMessage. fixed: it came on tf_static. Raises ValueError for contradictions."""
        for stamped in message.transforms:
            names = frame_name(stamped.header.frame_id), frame_name(stamped.child_frame_id)
            edge = self.edges.setdefault(names, Edge(*names))
            edge.fixed |= fixed
            stamp = stamped.header.stamp
            edge.add(stamp.sec * 1_000_000_000 + stamp.nanosec, stamped.transform)

    @property
    def names(self) -> set[str]:
        return {name for edge in self.edges for name in edge}

    def parents(self, frame: str) -> list[Edge]:
        """What is said about a frame, in whatever other frames."""
        return [edge for edge in self.edges.values() if edge.child == frame]

    def mount(self, frame: str) -> tuple[str, RigidTransform]:
        """The frame at the top of what does not move against this one, and the way there: top, `top_from_frame`.

        Raises ValueError where frames go round in circles.
        """
        top, top_from_frame, seen = frame, RigidTransform.identity(), {frame}
        while True:
            still = [edge for edge in self.parents(top) if edge.still]
            if not still:
                return top, top_from_frame
            top, top_from_frame = still[0].parent, still[0].parent_from_child() @ top_from_frame
            if top in seen:
                raise ValueError(f"tf goes round in a circle: {' -> '.join(sorted(seen))}")
            seen.add(top)

    def between(self, frame: str, other: str) -> RigidTransform:
        """`frame_from_other` of two frames that do not move against each other. Raises ValueError for others."""
        top, top_from_frame = self.mount(frame)
        other_top, top_from_other = self.mount(other)
        if top != other_top:
            known = ", ".join(sorted(self.names)) or "none"
            raise ValueError(
                f"tf does not say where {other!r} sits against {frame!r} (frames with transforms: {known}): describe "
                f"the sensors with --calibration"
            )
        return top_from_frame.inverse() @ top_from_other

    def poses(self, ego: str, world: str | None, source: Path) -> Trajectory | None:
        """`world_from_ego` over time. world: the frame that moves against `ego` next above it, where None is given.

        Farther frames are reached over frames in between, at the times of the first. None where nothing moves. Raises
        ValueError where it is said in several frames, or the world is not above.
        """
        top, top_from_ego = self.mount(ego)
        moving = [edge for edge in self.parents(top) if not edge.still]
        if world is not None:
            moving = [edge for edge in moving if edge.parent == world or self._is_above(world, edge.parent)]
            if not moving and not self._is_above(world, top):
                known = ", ".join(sorted(self.names)) or "none"
                raise ValueError(f"tf does not say where {ego!r} is in {world!r} (frames with transforms: {known})")
        if not moving:
            return None
        if len(moving) > 1:
            parents = ", ".join(edge.parent for edge in moving)
            raise ValueError(f"tf says where {top!r} is in several frames ({parents}): choose one with --world-frame")
        edge = moving[0]
        found = edge.trajectory(source).part(top_from_ego)
        reached = edge.parent
        while world is not None and reached != world:
            steps = self.parents(reached)
            step = next(edge for edge in steps if edge.parent == world or self._is_above(world, edge.parent))
            found = _through(step, found)
            reached = step.parent
        return found

    def _is_above(self, frame: str, other: str) -> bool:
        seen, waiting = set(), [other]
        while waiting:
            name = waiting.pop()
            if name == frame:
                return True
            seen.add(name)
            waiting += [edge.parent for edge in self.parents(name) if edge.parent not in seen]
        return False


def _through(edge: Edge, trajectory: Trajectory) -> Trajectory:
    """The same motion in the frame above; where that moves too, only at times at which it is known."""
    if edge.still:
        above = edge.parent_from_child()
        return trajectory.seen_from(above.rotation.numpy()[None], above.translation_m.numpy()[None])
    above_poses = edge.trajectory(trajectory.source)
    known = above_poses.knows(trajectory.times_ns)
    if not known.any():
        raise ValueError(f"{trajectory.source}: {edge.child} in {edge.parent} is not known at any time of the poses")
    kept = trajectory.only(known)
    return kept.seen_from(*above_poses.many(kept.times_ns))
