"""From which size on `lima doctor` finds errors, and how often it finds some where there are none.

    lima simulate DATA --scenes 8
    python benchmarks/doctor.py DATA --json FILE

Known errors are put into drives: outlines are moved as a wrong mount or a wrong clock would move them, poses are
disturbed. A mount is wrong about or along each of its three axes. `found` counts the errors that become a finding that
is wrong: with the settings of the command (default), with a tolerance of 0.15 degrees and 3 cm (strict), and so against
a reference (reference): from the other drives or, where there is only one, from every other of its frames, the frames
between being tried. Without errors the same columns count false alarms.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from lima.config import DoctorConfig
from lima.datasets import open_dataset
from lima.datasets.rotations import quaternions
from lima.datasets.trajectory import MAX_BEYOND_S, Trajectory
from lima.doctor.alignment import Alignment, align
from lima.doctor.evidence import Evidence
from lima.doctor.finding import Finding
from lima.doctor.fits import Tolerance, check_alignment, check_following
from lima.doctor.following import follow
from lima.doctor.looking import KeptSweep, Looked, look
from lima.doctor.moves import camera_moves, lidar_moves, turned
from lima.doctor.reference import Reference
from lima.doctor.selection import choose
from lima.geometry.rigid import RigidTransform

DEFAULT = Tolerance(DoctorConfig.tolerance_deg, DoctorConfig.tolerance_m)
STRICT = Tolerance(0.15, 0.03)
TURNS_DEG, MOVES_M, LATE_S = (0.2, 0.4, 1.0), (0.05, 0.1), (0.025, 0.05)
JUMPS_M, STRETCHED, ASKEW_DEG = (0.3, 0.5), (0.03, 0.06), (1.0, 2.0)
POSE_SWEEPS = 8
CAMERA_AXES, LIDAR_AXES = ("right", "down", "forward"), ("forward", "left", "up")


@dataclass(frozen=True)
class Case:
    """An error and who found it; None where that was not tried. estimate, spread: of the number that was changed."""

    drive: str
    error: str
    size: float
    sensor: str
    default: bool
    strict: bool
    reference: bool | None
    estimate: float | None = None
    spread: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a dataset that is known to be good")
    parser.add_argument("--drives", type=int, default=3)
    parser.add_argument("--cameras", type=int, default=1, help="of every drive, to put errors into; in turns")
    parser.add_argument("--clean", action="store_true", help="count false alarms only")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    started = time.process_time()
    cases: list[Case] = []
    for case in measure(arguments.data, arguments.drives, arguments.cameras, arguments.clean):
        cases.append(case)
        print(case, file=sys.stderr, flush=True)
    print("\n".join(lines(cases)))
    print(f"{time.process_time() - started:.0f} s of one core")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps([asdict(case) for case in cases], indent=1))


def measure(data: Path, drives: int, cameras: int, clean: bool) -> Iterator[Case]:
    """All cases of a dataset, the clean ones first."""
    chosen = choose(open_dataset(data, "split").sequences(), drives, 0)
    looks = [look(each, lambda: None) for each in chosen]
    places = [_clean_places(each) for each in looks]
    for number, looked in enumerate(looks):
        others = places[:number] + places[number + 1 :]
        reference, half = (_reference(others), looked) if others else _from_every_other_frame(looked)
        yield from _clean(looked, reference, half)
        if not clean:
            yield from _clock_cases(half, looked)
            yield from _camera_cases(half, reference, cameras, number)
            yield from _lidar_cases(half)
            yield from _pose_cases(looked)


def _clean(looked: Looked, reference: Reference, half: Looked) -> Iterator[Case]:
    alignment = align(looked.evidences, _lidar_m(looked))
    again = align([reference.apply(evidence) for evidence in half.evidences], _lidar_m(half))
    for fit in alignment.cameras:
        yield _case(looked, "none: one camera", 0, fit.camera, _only(alignment, fit.camera), _only(again, fit.camera))
    yield _case(looked, "none: all cameras", 0, "all", alignment, again)
    following = check_following(looked.name, follow(looked.sweeps))
    yield Case(looked.name, "none: poses", 0, "poses", bool(following), bool(following), None)


def _camera_cases(looked: Looked, reference: Reference, cameras: int, turn: int) -> Iterator[Case]:
    """One camera mounted otherwise."""
    count = len(looked.evidences)
    for place in range(min(cameras, count)):
        evidence = looked.evidences[(turn + 2 * place) % count if count > 2 else place]
        sign = 1 if (turn + place) % 2 else -1
        for axis in range(6):
            for size in TURNS_DEG if axis < 3 else MOVES_M:
                offset = torch.zeros(6, dtype=torch.float64)
                offset[axis] = sign * size
                wrong = evidence.moved(camera_moves(evidence, offset))
                alignment = align([wrong], _lidar_m(looked))
                again = align([reference.apply(wrong)], _lidar_m(looked))
                kind = f"camera {'turned about' if axis < 3 else 'moved'} {CAMERA_AXES[axis % 3]}"
                found = _case(looked, kind, size, evidence.name, alignment, again)
                if again.cameras:
                    best = again.cameras[0].offset
                    found = replace(found, estimate=-sign * best.place[axis], spread=best.spread[axis])
                yield found


def _lidar_cases(looked: Looked) -> Iterator[Case]:
    """The LiDAR mounted otherwise; with one camera that is the same as the camera."""
    where = _lidar_m(looked)
    for axis in range(6 if len(looked.evidences) > 1 else 0):
        size = (TURNS_DEG if axis < 3 else MOVES_M)[-1 if axis < 3 else 1]
        offset = torch.zeros(6, dtype=torch.float64)
        offset[axis] = size
        wrong = [evidence.moved(lidar_moves(evidence, offset, where)) for evidence in looked.evidences]
        kind = f"LiDAR {'turned about' if axis < 3 else 'moved'} {LIDAR_AXES[axis % 3]}"
        yield _case(looked, kind, size, "all", align(wrong, where), None)


def _clock_cases(looked: Looked, whole: Looked) -> Iterator[Case]:
    """The clock of all cameras off. whole: the drive that tells the way."""
    where = _lidar_m(looked)
    for size in LATE_S:
        wrong = [evidence.moved(_late_moves(looked, whole, evidence, size)) for evidence in looked.evidences]
        alignment = align(wrong, where)
        found = _case(looked, "cameras' clock", size, "all", alignment, None)
        if alignment.late is not None:
            found = replace(found, estimate=-alignment.late.place[0], spread=alignment.late.spread[0])
        yield found


def _late_moves(looked: Looked, whole: Looked, evidence: Evidence, late_s: float) -> Tensor:
    """What a clock that is ahead by so much does: the camera is put where the vehicle was at the wrong time.

    The way comes from the poses of all sensors, straight between neighbours; the doctor knows those of sweeps.
    """
    known: dict[int, RigidTransform] = {}
    for frame in whole.facts:
        known[frame.sweep.timestamp_ns] = frame.sweep.world_from_ego
        known |= {image.timestamp_ns: image.world_from_ego for image in frame.images}
    times = sorted(known)
    poses = [known[moment] for moment in times]
    way = Trajectory(
        Path(),
        np.array(times, dtype=np.int64),
        quaternions(np.stack([pose.rotation.numpy() for pose in poses])),
        np.stack([pose.translation_m.numpy() for pose in poses]),
    )
    moves = []
    for frame in looked.facts:
        for image in frame.images:
            if image.camera == evidence.name:
                beyond = int(MAX_BEYOND_S * 1e9)
                moment = min(max(image.timestamp_ns + round(late_s * 1e9), times[0] - beyond), times[-1] + beyond)
                wrong = way.at(moment) @ image.ego_from_cam
                moves.append((wrong.inverse() @ image.world_from_ego @ image.ego_from_cam).matrix())
    return torch.stack(moves)


def _pose_cases(looked: Looked) -> Iterator[Case]:
    """Poses that jump, that are stretched, a LiDAR that looks askew."""
    middle, some = len(looked.sweeps) // 2, looked.sweeps[:POSE_SWEEPS]
    around = looked.sweeps[max(0, middle - 4) : middle + 5]
    for size in JUMPS_M:
        jumped = [_moved(sweep, (0.0, size, 0.0)) if sweep.index >= middle else sweep for sweep in around]
        yield _pose_case(looked, "poses jump sideways", size, jumped)
    for size in STRETCHED:
        yield _pose_case(looked, "poses stretched by", size, [_stretched(sweep, 1 + size) for sweep in some])
    for size in ASKEW_DEG:
        turn = RigidTransform(turned(torch.tensor([0, 0, size * torch.pi / 180]).double()), torch.zeros(3).double())
        askew = [
            replace(
                sweep,
                ego_from_lidar=RigidTransform(
                    turn.rotation @ sweep.ego_from_lidar.rotation, sweep.ego_from_lidar.translation_m
                ),
            )
            for sweep in some
        ]
        yield _pose_case(looked, "LiDAR askew against the way", size, askew)


def _moved(sweep: KeptSweep, by_m: tuple[float, float, float]) -> KeptSweep:
    own = RigidTransform(torch.eye(3, dtype=torch.float64), torch.tensor(by_m, dtype=torch.float64))
    return replace(sweep, world_from_ego=sweep.world_from_ego @ own)


def _stretched(sweep: KeptSweep, factor: float) -> KeptSweep:
    pose = sweep.world_from_ego
    return replace(sweep, world_from_ego=RigidTransform(pose.rotation, pose.translation_m * factor))


def _pose_case(looked: Looked, error: str, size: float, sweeps: list[KeptSweep]) -> Case:
    found = bool(check_following(looked.name, follow(sweeps)))
    return Case(looked.name, error, size, "poses", found, found, None)


def _case(looked: Looked, error: str, size: float, sensor: str, alone: Alignment, again: Alignment | None) -> Case:
    return Case(
        looked.name,
        error,
        size,
        sensor,
        default=_is_wrong(check_alignment("", alone, DEFAULT)),
        strict=_is_wrong(check_alignment("", alone, STRICT)),
        reference=None if again is None else _is_wrong(check_alignment("", again, STRICT)),
    )


def _is_wrong(findings: list[Finding]) -> bool:
    return any(finding.level == "wrong" for finding in findings)


def _only(alignment: Alignment, camera: str) -> Alignment:
    fits = tuple(fit for fit in alignment.cameras if fit.camera == camera)
    return replace(alignment, cameras=fits, lidar=None, late=None)


def _lidar_m(looked: Looked) -> Tensor:
    return looked.sweeps[0].ego_from_lidar.translation_m


def _clean_places(looked: Looked) -> dict[str, tuple[float, ...]]:
    return {fit.camera: fit.offset.place for fit in align(looked.evidences, _lidar_m(looked)).cameras}


def _reference(places: Sequence[dict[str, tuple[float, ...]]]) -> Reference:
    cameras = {camera for each in places for camera in each}
    found = {camera: [each[camera] for each in places if camera in each] for camera in cameras}
    return Reference({camera: tuple(map(median, zip(*each, strict=True))) for camera, each in found.items()})


def _from_every_other_frame(looked: Looked) -> tuple[Reference, Looked]:
    """What every other frame says, and the frames between."""
    return _reference([_clean_places(_frames(looked, 0))]), _frames(looked, 1)


def _frames(looked: Looked, start: int) -> Looked:
    """Every other frame from `start` on."""
    evidences = []
    for evidence in looked.evidences:
        shown = torch.arange(start, evidence.frames, 2)
        kept = evidence.frame % 2 == start
        evidences.append(
            replace(
                evidence,
                stretches_cam=evidence.stretches_cam[kept],
                frame=torch.div(evidence.frame[kept] - start, 2, rounding_mode="floor"),
                maps=evidence.maps[shown],
                cam_from_ego=evidence.cam_from_ego[shown],
                place=torch.unique(evidence.place[shown], return_inverse=True)[1],
                velocity_mps=evidence.velocity_mps[shown],
                turn_radps=evidence.turn_radps[shown],
            )
        )
    return replace(looked, facts=looked.facts[start::2], sweeps=looked.sweeps[start::2], evidences=tuple(evidences))


def lines(cases: Sequence[Case]) -> list[str]:
    """Shares found, by kind and size of the error."""
    kinds = dict.fromkeys((case.error, case.size) for case in cases)
    rows = [
        "| error | size | cases | default | strict | reference | estimate, median ± its own spread |",
        "|" + "---|" * 7,
    ]
    for error, size in kinds:
        same = [case for case in cases if (case.error, case.size) == (error, size)]
        tried = [case.reference for case in same if case.reference is not None]
        known = [(case.estimate, case.spread) for case in same if case.estimate is not None and case.spread is not None]
        guess = f"{median(one for one, _ in known):.3f} ± {median(one for _, one in known):.3f}" if known else "–"
        rows.append(
            f"| {error} | {size:g} | {len(same)} | {sum(case.default for case in same)} | "
            f"{sum(case.strict for case in same)} | {f'{sum(tried)}' if tried else '–'} | {guess} |"
        )
    return rows


if __name__ == "__main__":
    main()
