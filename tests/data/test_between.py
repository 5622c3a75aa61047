"""Oracles: frames picked by hand, the memory that recomputes everything, and a vehicle that stands still."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from lima.config import MethodConfig
from lima.data.between import Interleaved, interleaved
from lima.data.lanes import Lanes
from lima.data.pairs import pairs_from_frame
from lima.evaluate.probe_features import target_features
from lima.geometry.rigid import RigidTransform
from lima.method.cross_view import aggregate_views
from lima.scene import Frame, Sequence
from lima.train.loader import Loader
from tests.oracles.memory import SlowMemory
from tests.train.drives import Drive, image_features

SIZE_M = 0.7


@dataclass(frozen=True)
class Every:
    """Some frames of a drive as a sequence: the keyframes of a drive, or what is between them."""

    drive: Drive
    places: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.drive.name

    @property
    def tokens(self) -> Series[str]:
        return [self.drive.tokens[place] for place in self.places]

    @property
    def timestamps_ns(self) -> Series[int]:
        return [self.drive.timestamps_ns[place] for place in self.places]

    def __len__(self) -> int:
        return len(self.places)

    def frame(self, index: int) -> Frame:
        return replace(self.drive.frame(self.places[index]), index=index)


@dataclass(frozen=True)
class Keyframes(Every):
    """Every third frame is a keyframe, the two after it are sweeps."""

    def between(self, most: int, needs_images: bool) -> Sequence:
        assert needs_images, "the teacher looks at all of them"
        skipped = [p for p in range(self.drive.frames) if p % 3 and (p % 3 == 2 or most > 1)]
        return Every(self.drive, tuple(skipped))


def keyframes(drive: Drive) -> Keyframes:
    return Keyframes(drive, tuple(range(0, drive.frames, 3)))


def place_of(frame: Frame) -> int:
    return int(frame.token.rsplit("-", 1)[1])


def test_frames_between_come_in_order_of_time() -> None:
    (both,) = interleaved([keyframes(Drive("a", 11))], 2)
    assert [[place_of(frame) for frame in both.before(index)] for index in range(4)] == [[], [1, 2], [4, 5], [7, 8]]
    (one,) = interleaved([keyframes(Drive("a", 11))], 1)
    assert [[place_of(frame) for frame in one.before(index)] for index in range(4)] == [[], [2], [5], [8]]
    assert list(Interleaved(keyframes(Drive("a", 11))).before(2)) == []


def look(frame: Frame) -> Tensor:
    """Features of the frame's image, others in every frame of the drive."""
    return image_features(replace(frame, index=place_of(frame)))


def unified(frame: Frame) -> tuple[Tensor, Tensor, Tensor]:
    """F_u by itself: points in the world, features, and which are known."""
    found = aggregate_views(look(frame), pairs_from_frame(frame), "mean")
    points_world = frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())
    return points_world, found.features, found.known


@pytest.mark.parametrize("frames", [2, 4, 7])
@pytest.mark.parametrize("sweeps", [0, 1, 2])
def test_the_memory_counts_sweeps_as_frames(frames: int, sweeps: int) -> None:
    """Targets of keyframes are those of a memory that recomputes the last k frames of whatever kind."""
    drive = Drive("a", 10, points=60)
    sequence = keyframes(drive)
    source = target_features(look, MethodConfig(frames, sweeps, association_size_m=SIZE_M), [sequence])
    twin = SlowMemory(frames, "voxel", SIZE_M)
    for place in range(drive.frames):
        wanted = place % 3 == 0 or sweeps == 2 or (sweeps == 1 and place % 3 == 2)
        if not wanted:
            continue
        features, known = twin.step(*unified(drive.frame(place)))
        if place % 3 == 0:
            target = source(sequence.frame(place // 3))
            assert torch.equal(target.known, known)
            assert torch.allclose(target.features[known].double(), features[known], atol=1e-5)


def test_a_standing_vehicle_remembers_the_same_in_every_sweep() -> None:
    """The same sweep and image again and again: the mean over them is what one of them says."""

    @dataclass(frozen=True)
    class Standing(Drive):
        def frame(self, index: int) -> Frame:
            first = super().frame(0)
            sweep = replace(first.sweep, timestamp_ns=self.timestamps_ns[index])
            return replace(first, index=index, sweep=sweep)

    drive = Standing("a", 7)
    sequence = keyframes(drive)
    source = target_features(look, MethodConfig(7, 2, association_size_m=SIZE_M), [sequence])
    once = [source(sequence.frame(index)) for index in range(3)][-1]
    means = SlowMemory(2, "voxel", SIZE_M)
    means.step(*unified(drive.frame(0)))
    own_points, own_features, own_known = unified(drive.frame(0))
    remembered, known = means.step(own_points, torch.zeros_like(own_features), torch.zeros_like(own_known))
    assert torch.equal(once.known, known)
    wanted = (6 * remembered[own_known] + own_features[own_known].double()) / 7
    assert torch.allclose(once.features[own_known].double(), wanted, atol=1e-5)
    assert torch.allclose(once.features[known & ~own_known].double(), remembered[known & ~own_known], atol=1e-5)


def test_a_moving_vehicle_finds_standing_things_again_only_with_the_sweeps_own_poses() -> None:
    drive = Drive("a", 4)
    pose = drive.frame(1).sweep.world_from_ego
    assert not torch.equal(pose.translation_m, RigidTransform.identity().translation_m)
    (both,) = interleaved([keyframes(drive)], 2)
    assert [frame.sweep.world_from_ego.translation_m[0].item() for frame in both.before(1)] == [2.0, 4.0]


@pytest.mark.parametrize("ahead", [False, True])
def test_a_step_reads_the_frames_since_its_lane_s_last_keyframe(ahead: bool) -> None:
    sequences = [keyframes(Drive("a", 10)), keyframes(Drive("b", 7))]
    lanes = Lanes([len(sequence) for sequence in sequences], 2, seed=0)
    with Loader(sequences, lanes, range(2), look, False, ahead, sweeps=2) as loader:
        for _ in range(8):
            for keyframe in loader.next().keyframes:
                place = 3 * keyframe.step.frame
                assert place_of(keyframe.frame) == place
                wanted = [] if keyframe.step.starts_sequence else [place - 2, place - 1]
                assert [place_of(past.frame) for past in keyframe.between] == wanted
                for past in keyframe.between:
                    assert torch.equal(past.image_features, look(past.frame))
                    assert torch.equal(past.pairs.visible, pairs_from_frame(past.frame).visible)
