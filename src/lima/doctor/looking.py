"""The one pass over a drive's frames: facts, outlines and edges are gathered while a frame is in memory."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Series
from dataclasses import dataclass, field

import torch
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from lima.data.pairs import pairs_from_frame
from lima.doctor.depth_edges import depth_edges
from lima.doctor.edge_map import EdgeMap, edge_map
from lima.doctor.evidence import Evidence, outlines_before
from lima.doctor.facts import FrameFacts, ImageFacts, image_facts, seen_by, sweep_facts
from lima.doctor.finding import Finding
from lima.doctor.moves import turn_rad
from lima.doctor.selection import Chosen
from lima.doctor.sweep_fit import some_of
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep

POINTS_KEPT = 40_000  # of every sweep, to lay sweeps on each other
PLACE_M = 1.0
NAMED = 5  # of what cannot be read
MOTION_GAP_S = 1.5  # poses farther apart say little about the motion between


@dataclass(frozen=True, eq=False)
class KeptSweep:
    """Some points of a sweep, and where it was. index: in the drive."""

    index: int
    timestamp_ns: int
    points_lidar: Float32[Tensor, "points 3"]
    ego_from_lidar: RigidTransform
    world_from_ego: RigidTransform

    @property
    def world_from_lidar(self) -> RigidTransform:
        return self.world_from_ego @ self.ego_from_lidar


@dataclass(frozen=True, eq=False)
class Looked:
    """A drive as it was found. sweeps: of the same frames as facts. findings: of what cannot be read."""

    name: str
    frames: int
    facts: tuple[FrameFacts, ...]
    sweeps: tuple[KeptSweep, ...]
    evidences: tuple[Evidence, ...]
    findings: tuple[Finding, ...]


@dataclass
class _Gathered:
    """What is gathered of one camera, frame by frame. sweep: which of the kept sweeps."""

    maps: list[EdgeMap] = field(default_factory=list)
    stretches_cam: list[Tensor] = field(default_factory=list)
    images: list[CameraImage] = field(default_factory=list)
    sweep: list[int] = field(default_factory=list)


def look(chosen: Chosen, progress: Callable[[], None]) -> Looked:
    """Read the chosen frames. What cannot be read becomes a finding; the rest is looked at all the same.

    progress: called after every frame.
    """
    name = chosen.sequence.name
    facts: list[FrameFacts] = []
    sweeps: list[KeptSweep] = []
    gathered: dict[str, _Gathered] = {}
    findings: list[Finding] = []
    for index in chosen.frames:
        try:
            frame = chosen.sequence.frame(index)
        except (ValueError, OSError) as problem:
            findings.append(Finding("wrong", "reading", f"{name}, frame {index}", str(problem)))
        else:
            sweeps.append(_kept(index, frame.sweep))
            facts.append(_frame_facts(index, frame, gathered, len(sweeps) - 1, findings))
        progress()
    motions = [_motion(sweeps, place) for place in range(len(sweeps))]
    place = places([sweep.world_from_ego.translation_m for sweep in sweeps])
    evidences = tuple(_evidence(camera, each, sweeps, place, motions) for camera, each in gathered.items())
    return Looked(name, len(chosen.sequence), tuple(facts), tuple(sweeps), evidences, _few(name, findings))


def _few(name: str, findings: Series[Finding]) -> tuple[Finding, ...]:
    """The first few of what cannot be read, and how many more there are."""
    if len(findings) <= NAMED:
        return tuple(findings)
    more = Finding("wrong", "reading", name, f"{len(findings) - NAMED} more sweeps or images cannot be read")
    return (*findings[:NAMED], more)


def _frame_facts(
    index: int, frame: Frame, gathered: dict[str, _Gathered], sweep: int, findings: list[Finding]
) -> FrameFacts:
    """The facts of a frame; what its images show is added to what was gathered before."""
    visible = pairs_from_frame(frame).visible
    edges = depth_edges(frame.sweep) if frame.images else None
    images: list[ImageFacts] = []
    for image, in_image in zip(frame.images, visible, strict=True):
        try:
            pixels = image.read_pixels()
        except (ValueError, OSError) as problem:
            where = f"{frame.sequence}, frame {index}, {image.name}"
            findings.append(Finding("wrong", "reading", where, str(problem)))
            continue
        images.append(image_facts(image, pixels, in_image))
        assert edges is not None
        of_camera = gathered.setdefault(image.name, _Gathered())
        of_camera.maps.append(edge_map(pixels, image.camera))
        of_camera.stretches_cam.append(outlines_before(image, frame.sweep, edges, in_image))
        of_camera.images.append(image)
        of_camera.sweep.append(sweep)
    cameras = tuple(image.name for image in frame.images)
    return FrameFacts(index, cameras, sweep_facts(frame.sweep), tuple(images), seen_by(visible))


def _kept(index: int, sweep: Sweep) -> KeptSweep:
    points = sweep.points_lidar[some_of(len(sweep.points_lidar), POINTS_KEPT)]
    return KeptSweep(index, sweep.timestamp_ns, points, sweep.ego_from_lidar, sweep.world_from_ego)


def _evidence(
    camera: str,
    gathered: _Gathered,
    sweeps: Series[KeptSweep],
    place: Int64[Tensor, "sweeps"],
    motions: Series[tuple[Float64[Tensor, "3"], Float64[Tensor, "3"]]],
) -> Evidence:
    """All frames of one camera; those whose images have another size than the first are left out."""
    first = gathered.maps[0].camera
    alike = [number for number, each in enumerate(gathered.maps) if each.camera == first]
    cam_from_ego, velocity_mps, turn_radps = [], [], []
    for number in alike:
        image, sweep = gathered.images[number], gathered.sweep[number]
        velocity, turn = motions[sweep]
        to_camera = image.ego_from_cam.inverse()
        lever_m = image.ego_from_cam.translation_m
        cam_from_ego.append((image.world_from_cam.inverse() @ sweeps[sweep].world_from_ego).matrix())
        velocity_mps.append(to_camera.rotate(velocity + torch.linalg.cross(turn, lever_m)))
        turn_radps.append(to_camera.rotate(turn))
    stretches = [gathered.stretches_cam[number] for number in alike]
    return Evidence(
        name=camera,
        camera=first,
        stretches_cam=torch.cat(stretches),
        frame=torch.repeat_interleave(torch.arange(len(alike)), torch.tensor([len(each) for each in stretches])),
        maps=torch.stack([gathered.maps[number].strength.half() for number in alike]),
        cam_from_ego=torch.stack(cam_from_ego),
        place=place[torch.tensor([gathered.sweep[number] for number in alike])],
        velocity_mps=torch.stack(velocity_mps),
        turn_radps=torch.stack(turn_radps),
    )


def places(positions_m: Series[Float64[Tensor, "3"]]) -> Int64[Tensor, "frames"]:
    """A number for every frame, the same as long as the vehicle is within `PLACE_M` of where it was: frames from one
    place are one witness, not many."""
    numbers: list[int] = []
    for position in positions_m:
        if not numbers:
            numbers.append(0)
            last = position
        elif float((position - last).norm()) < PLACE_M:
            numbers.append(numbers[-1])
        else:
            numbers.append(numbers[-1] + 1)
            last = position
    return torch.tensor(numbers, dtype=torch.int64)


def _motion(sweeps: Series[KeptSweep], place: int) -> tuple[Float64[Tensor, "3"], Float64[Tensor, "3"]]:
    """The vehicle's velocity and turn in its own axes, between the frames around this one; zero where none is near."""
    here = sweeps[place]
    near = [
        each
        for each in sweeps[max(0, place - 1) : place + 2]
        if abs(each.index - here.index) <= 1 and abs(each.timestamp_ns - here.timestamp_ns) <= MOTION_GAP_S * 1e9
    ]
    seconds = (near[-1].timestamp_ns - near[0].timestamp_ns) * 1e-9
    if seconds <= 0:
        return torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    start, end = near[0].world_from_ego, near[-1].world_from_ego
    velocity_world = (end.translation_m - start.translation_m) / seconds
    turn = turn_rad(start.rotation.T @ end.rotation) / seconds
    return here.world_from_ego.inverse().rotate(velocity_world), turn
