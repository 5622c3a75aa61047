"""Whether the poses can be a vehicle's, and whether calibrations stay what they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence as Series
from statistics import median

from jaxtyping import Float64
from torch import Tensor

from lima.doctor.facts import FrameFacts, ImageFacts, SweepFacts
from lima.doctor.finding import Finding, named
from lima.doctor.moves import turn_rad
from lima.geometry.rigid import RigidTransform

FASTEST_MPS = 70.0
FASTEST_TURN_DEGPS = 120.0
STRONGEST_MPS2 = 15.0
SMALLEST_JUMP_M = 0.3
NEIGHBOURS_S = 1.5
CHANGED_M, CHANGED_DEG = 1e-3, 0.01
STANDING_M = 5.0
APART_M = 0.4  # a pose between two others may be so far from the straight line: 0.1 m at 3 m/s² and 2 Hz
UNMOVED_S, UNMOVED_M = 0.005, 0.1


def check_poses(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    """Jumps, impossible speeds, cameras that are not where the vehicle was, calibrations that change on the way."""
    sweeps = [(frame.index, frame.sweep) for frame in facts]
    findings = _check_motion(name, sweeps)
    if not findings:
        findings += _check_cameras(name, facts)
    return findings + _check_calibrations(name, facts)


def travelled_m(facts: Series[FrameFacts]) -> float:
    """The way between neighbouring frames that were read."""
    steps = (
        _distance_m(earlier.sweep.world_from_ego, later.sweep.world_from_ego)
        for earlier, later in itertools.pairwise(facts)
        if later.index == earlier.index + 1
    )
    return sum(steps, start=0.0)


def _check_motion(name: str, sweeps: Series[tuple[int, SweepFacts]]) -> list[Finding]:
    fast, spinning, jumps, sizes_m = [], [], [], []
    for (index, earlier), (after, later) in itertools.pairwise(sweeps):
        seconds = (later.timestamp_ns - earlier.timestamp_ns) * 1e-9
        if after != index + 1 or not 0 < seconds < NEIGHBOURS_S:
            continue
        turn = turn_rad(earlier.world_from_ego.rotation.T @ later.world_from_ego.rotation)
        if _distance_m(earlier.world_from_ego, later.world_from_ego) / seconds > FASTEST_MPS:
            fast.append(after)
        elif math.degrees(float(turn.norm())) / seconds > FASTEST_TURN_DEGPS:
            spinning.append(after)
    for (_, before), (index, here), (after, later) in zip(sweeps, sweeps[1:], sweeps[2:], strict=False):
        jump_m = _jump_m(before, here, later)
        if after == index + 1 and jump_m is not None:
            jumps.append(index)
            sizes_m.append(jump_m)
    findings = []
    if fast:
        words = (
            f"faster than {3.6 * FASTEST_MPS:.0f} km/h before {named(fast)}: do the poses jump, or are they no metres?"
        )
        findings.append(Finding("wrong", "poses", name, words))
    if spinning:
        words = f"turning faster than {FASTEST_TURN_DEGPS:.0f} degrees a second before {named(spinning)}"
        findings.append(Finding("wrong", "poses", name, words))
    if jumps and not fast:
        words = f"poses jump by up to {max(sizes_m):.2f} m around {named(jumps)}: no vehicle accelerates so"
        findings.append(Finding("wrong", "poses", name, words))
    return findings


def _jump_m(before: SweepFacts, here: SweepFacts, later: SweepFacts) -> float | None:
    """How far a pose lies off the line between its neighbours, where that is beyond any acceleration."""
    first_s = (here.timestamp_ns - before.timestamp_ns) * 1e-9
    second_s = (later.timestamp_ns - here.timestamp_ns) * 1e-9
    if not (0 < first_s < NEIGHBOURS_S and 0 < second_s < NEIGHBOURS_S):
        return None
    share = first_s / (first_s + second_s)
    off_m = float((_between(before, later, share) - here.world_from_ego.translation_m).norm())
    acceleration = 2 * off_m / (first_s * second_s)
    return off_m if off_m > SMALLEST_JUMP_M and acceleration > STRONGEST_MPS2 else None


def _check_cameras(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    """Each camera's pose against that of the vehicle at its time, by the sweeps around it."""
    off: dict[str, list[float]] = {}
    unmoved: dict[str, list[float]] = {}
    for frame, after in itertools.pairwise(facts):
        if after.index != frame.index + 1:
            continue
        seconds = (after.sweep.timestamp_ns - frame.sweep.timestamp_ns) * 1e-9
        if not 0 < seconds < NEIGHBOURS_S:
            continue
        for images in (frame.images, after.images):
            for image in images:
                share = (image.timestamp_ns - frame.sweep.timestamp_ns) * 1e-9 / seconds
                if -0.1 <= share <= 1.1:
                    expected = _between(frame.sweep, after.sweep, share)
                    distance = float((expected - image.world_from_ego.translation_m).norm())
                    off.setdefault(image.camera, []).append(distance)
        speed = _distance_m(frame.sweep.world_from_ego, after.sweep.world_from_ego) / seconds
        for image in frame.images:
            unmoved.setdefault(image.camera, []).append(_missed_m(frame.sweep, image, speed))
    findings = []
    for camera, distances in off.items():
        missed = median(unmoved.get(camera, [0.0]))
        where = f"{name}, {camera}"
        if missed > UNMOVED_M:
            words = (
                f"images have the pose of their sweep, but not its time: the vehicle had moved {missed:.2f} m on; give "
                f"every image the pose of its own time"
            )
            findings.append(Finding("wrong" if missed > APART_M else "notice", "poses", where, words))
        elif median(distances) > APART_M:
            words = f"its poses are {median(distances):.2f} m from where the vehicle was at its times"
            findings.append(Finding("wrong", "poses", where, words))
    return findings


def _missed_m(sweep: SweepFacts, image: ImageFacts, speed_mps: float) -> float:
    """How far the vehicle moved between sweep and image, where their poses are nevertheless the same; 0 otherwise."""
    apart_s = abs(image.timestamp_ns - sweep.timestamp_ns) * 1e-9
    same = _distance_m(sweep.world_from_ego, image.world_from_ego) < 1e-6
    return speed_mps * apart_s if same and apart_s > UNMOVED_S else 0.0


def _check_calibrations(name: str, facts: Series[FrameFacts]) -> list[Finding]:
    if not facts:
        return []
    mounts: dict[str, list[tuple[int, RigidTransform]]] = {}
    for frame in facts:
        mounts.setdefault("the LiDAR", []).append((frame.index, frame.sweep.ego_from_lidar))
        for image in frame.images:
            mounts.setdefault(image.camera, []).append((frame.index, image.ego_from_cam))
    findings = []
    for sensor, poses in mounts.items():
        first = poses[0][1]
        changed = [index for index, pose in poses if _differs(first, pose)]
        if changed:
            words = f"{sensor} is mounted otherwise in {named(changed)} than before: is this one drive?"
            findings.append(Finding("wrong", "poses", name, words))
    return findings


def _differs(one: RigidTransform, other: RigidTransform) -> bool:
    turn_deg = math.degrees(float(turn_rad(one.rotation.T @ other.rotation).norm()))
    return _distance_m(one, other) > CHANGED_M or turn_deg > CHANGED_DEG


def _between(earlier: SweepFacts, later: SweepFacts, share: float) -> Float64[Tensor, "3"]:
    start, end = earlier.world_from_ego.translation_m, later.world_from_ego.translation_m
    return start + share * (end - start)


def _distance_m(one: RigidTransform, other: RigidTransform) -> float:
    return float((one.translation_m - other.translation_m).norm())
