"""All that is asked of a dataset, drive by drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass, field
from statistics import median

from lima.doctor.alignment import Alignment, align
from lima.doctor.facts import FrameFacts
from lima.doctor.finding import Finding
from lima.doctor.fits import Tolerance, check_alignment, check_following
from lima.doctor.following import Following, follow
from lima.doctor.looking import Looked, look
from lima.doctor.points import check_images, check_sweeps
from lima.doctor.poses import check_poses, travelled_m
from lima.doctor.reference import Reference
from lima.doctor.selection import Chosen
from lima.doctor.timing import (
    SensorTimes,
    camera_times,
    check_camera_times,
    check_parts,
    check_sweep_times,
    lidar_times,
    steps_s,
)
from lima.scene import Sequence

SECONDS_PER_IMAGE, SECONDS_PER_SWEEP = 0.4, 1.0  # of one core of an AMD EPYC, measurements included


@dataclass(frozen=True)
class Judge:
    """What counts as wrong, and from where offsets between LiDAR and images are counted."""

    tolerance: Tolerance
    reference: Reference = field(default_factory=Reference)


@dataclass(frozen=True, eq=False)
class DriveReport:
    """A drive: what it holds, what was measured, what is wrong.

    alignment: None where no image could be read; following: None where no frame could.
    """

    sequence: Sequence
    facts: tuple[FrameFacts, ...]
    times: tuple[SensorTimes, ...]
    travelled_m: float
    alignment: Alignment | None
    following: Following | None
    findings: tuple[Finding, ...]

    @property
    def name(self) -> str:
        return self.sequence.name


@dataclass(frozen=True, eq=False)
class Examination:
    """A dataset. drives: those that were looked at, of `drives_there`. findings: of all of them, and of times of the
    others. stopped: by the user, before all of `drives` that were asked for."""

    dataset: str
    drives_there: int
    drives: tuple[DriveReport, ...]
    findings: tuple[Finding, ...]
    seconds: float
    stopped: bool = False

    @property
    def wrong(self) -> tuple[Finding, ...]:
        """What is not only worth a look."""
        return tuple(finding for finding in self.findings if finding.level == "wrong")


def forecast(chosen: Series[Chosen]) -> tuple[int, int, float]:
    """Frames and images to read, and the seconds that takes on one core, judging from each drive's first frame."""
    frames, images = 0, 0
    for drive in chosen:
        frames += len(drive.frames)
        try:
            images += len(drive.frames) * len(drive.sequence.frame(drive.frames[0]).images)
        except (ValueError, OSError):
            continue  # becomes a finding when it is read
    return frames, images, frames * SECONDS_PER_SWEEP + images * SECONDS_PER_IMAGE


def examine(
    dataset: str,
    sequences: Series[Sequence],
    chosen: Series[Chosen],
    judge: Judge,
    progress: Callable[[], None] = lambda: None,
) -> Examination:
    """Look at the chosen frames. An interrupt (Ctrl-C) ends it with the drives that are done.

    sequences: all of the dataset, whose times are looked at. progress: called after every frame.
    """
    started = time.perf_counter()
    findings = check_parts(sequences)
    for sequence in sequences:
        findings += check_sweep_times(sequence)
    reports: list[DriveReport] = []
    stopped = False
    try:
        for each in chosen:
            reports.append(examine_drive(each, judge, progress))
    except KeyboardInterrupt:
        stopped = True
    findings += [finding for report in reports for finding in report.findings]
    seconds = time.perf_counter() - started
    return Examination(dataset, len(sequences), tuple(reports), tuple(findings), seconds, stopped)


def examine_drive(chosen: Chosen, judge: Judge, progress: Callable[[], None] = lambda: None) -> DriveReport:
    """Everything about one drive, but the times of its sweeps: `check_sweep_times` needs no reading."""
    looked = look(chosen, progress)
    name, facts = looked.name, looked.facts
    steps = [step for step in steps_s(chosen.sequence.timestamps_ns) if step > 0]
    findings = [
        *looked.findings,
        *check_camera_times(name, facts, median(steps) if steps else None),
        *check_sweeps(name, facts),
        *check_images(name, facts),
        *check_poses(name, facts),
    ]
    alignment, following = _fits(looked, judge.reference)
    if alignment is not None:
        findings += check_alignment(name, alignment, judge.tolerance)
    if following is not None:
        findings += check_following(name, following)
    return DriveReport(
        sequence=chosen.sequence,
        facts=facts,
        times=(lidar_times(chosen.sequence), *camera_times(facts)),
        travelled_m=travelled_m(facts),
        alignment=alignment,
        following=following,
        findings=tuple(findings),
    )


def _fits(looked: Looked, reference: Reference) -> tuple[Alignment | None, Following | None]:
    """The two measurements, as far as there is something to measure."""
    if not looked.sweeps:
        return None, None
    lidar_m = looked.sweeps[0].ego_from_lidar.translation_m
    evidences = [reference.apply(evidence) for evidence in looked.evidences]
    return align(evidences, lidar_m) if evidences else None, follow(looked.sweeps)
