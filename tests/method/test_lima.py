"""Oracle: what the words mean. One frame without mixing is the plain distillation loss, written out here; mixed points
keep their own sequence's target, so that a student that knows every target has no loss anywhere."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from lima.config import MethodConfig, StudentConfig
from lima.data.pairs import PointPixelPairs
from lima.geometry.rigid import RigidTransform
from lima.method.cross_view import PointFeatures, aggregate_views
from lima.method.lima import LiMA, StudentSweep
from lima.scene import Batch, Sweep
from lima.students.student import Student, build_student

DIM = 5
ONE_FRAME = MethodConfig(frames=1, mixing="none")


def feature_of(intensity: Tensor) -> Tensor:
    return torch.sin(intensity[:, None] * torch.arange(1, DIM + 1) * 40)


class Knowing(Student):
    """Answers with a function of intensity, which augmentation leaves alone and mixing carries along."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.dim = DIM
        self.gain = nn.Parameter(torch.ones(()))
        self.batches: list[Batch] = []

    def forward(self, batch: Batch) -> Tensor:
        self.batches.append(batch)
        return self.gain * feature_of(batch.intensity)

    def in_range(self, batch: Batch) -> Tensor:
        return batch.points_lidar.norm(dim=1) < 40


def knowing_lima(config: MethodConfig, lanes: int) -> tuple[LiMA, Knowing]:
    student = Knowing()
    lima = LiMA(student, DIM, lanes, config)
    lima.head = nn.Identity()  # type: ignore[assignment]
    return lima, student


def make_sweeps(lanes: int, seed: int = 0) -> list[StudentSweep]:
    generator = torch.Generator().manual_seed(seed)
    sweeps = []
    for lane in range(lanes):
        points = 200 + 50 * lane
        intensity = torch.rand(points, generator=generator)
        known = torch.rand(points, generator=generator) < 0.6
        features = torch.where(known[:, None], feature_of(intensity), 1e6)
        points_lidar = torch.randn(points, 3, generator=generator) * torch.tensor([20.0, 20.0, 2.0])
        sweeps.append(StudentSweep(points_lidar, intensity, PointFeatures(features, known)))
    return sweeps


def generators(lanes: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(lane) for lane in range(lanes)]


@pytest.mark.parametrize("mixing", ["laser", "polar", "both"])
def test_a_student_that_knows_the_targets_has_no_loss_mixed_or_not(mixing: str) -> None:
    lima, student = knowing_lima(MethodConfig(mixing=mixing), 4)  # type: ignore[arg-type]
    sweeps = make_sweeps(4)
    parts = lima.loss(sweeps, generators(4))
    assert float(parts.total.detach()) == pytest.approx(0, abs=1e-5)
    assert parts.mixed.points > 300
    # Each mixed sweep is made of two; together they hold every point once more.
    (batch,) = student.batches
    assert batch.sweeps == 8
    points = torch.bincount(batch.sweep_of_point).tolist()
    assert points[:4] == [len(sweep.intensity) for sweep in sweeps]
    assert points[4] + points[5] == points[0] + points[1]
    assert points[6] + points[7] == points[2] + points[3]
    assert batch.intensity[: sum(points[:4])].sort().values.equal(batch.intensity[sum(points[:4]) :].sort().values)


def test_one_frame_without_mixing_is_the_distance_to_the_target() -> None:
    lima, student = knowing_lima(replace(ONE_FRAME, loss="l2"), 2)
    sweeps = make_sweeps(2)
    with torch.no_grad():
        student.gain.fill_(0.5)
    parts = lima.loss(sweeps, generators(2))
    (batch,) = student.batches
    known = torch.cat([sweep.target.known for sweep in sweeps]) & (batch.points_lidar.norm(dim=1) < 40)
    by_hand = [float((0.5 * feature).norm()) for feature in feature_of(batch.intensity)[known]]
    assert parts.distillation.points == len(by_hand) < len(known)
    assert float(parts.distillation.total.detach()) == pytest.approx(sum(by_hand), rel=1e-5)
    assert float(parts.total.detach()) == pytest.approx(sum(by_hand) / len(by_hand), rel=1e-5)
    assert parts.mixed.points == 0
    parts.total.backward()
    assert student.gain.grad is not None
    assert float(student.gain.grad) < 0


def test_the_sum_over_lanes_is_the_sum_of_the_lanes() -> None:
    """So that processes with their own lanes can add up to one."""
    config = MethodConfig(mixing="both")
    (together, student), sweeps = knowing_lima(config, 4), make_sweeps(4)
    with torch.no_grad():
        student.gain.fill_(0.5)
    whole = together.loss(sweeps, generators(4))
    halves = []
    for first in (0, 2):
        lima, student = knowing_lima(config, 2)
        with torch.no_grad():
            student.gain.fill_(0.5)
        halves.append(lima.loss(sweeps[first : first + 2], generators(4)[first : first + 2]))
    for part in ("distillation", "mixed"):
        one, two = (getattr(half, part) for half in halves)
        assert getattr(whole, part).points == one.points + two.points
        torch.testing.assert_close(getattr(whole, part).total, one.total + two.total)


def test_targets_are_aggregation_then_memory_in_the_world() -> None:
    """The vehicle moves 3 m; what it sees again lies in the same place of the world, not of the sensor."""
    lima, _ = knowing_lima(MethodConfig(frames=2, association_size_m=0.5, mixing="none"), 2)
    place = torch.tensor([[10.2, 0.2, 0.2]])
    identity = RigidTransform.identity()
    moved = RigidTransform(identity.rotation, torch.tensor([3.0, 0, 0], dtype=torch.float64))
    first = Sweep(place, torch.ones(1), 0, identity, identity)
    second = Sweep(place - torch.tensor([3.0, 0, 0]), torch.ones(1), 1, identity, moved)
    pairs = PointPixelPairs(torch.full((1, 1, 2), 0.5), torch.ones(1, 1, dtype=torch.bool))
    maps = [torch.full((1, DIM, 2, 2), value) for value in (1.0, 5.0)]
    lima.targets(0, first, maps[0], pairs, starts_sequence=True)
    assert lima.targets(0, second, maps[1], pairs, starts_sequence=False).features.eq(3).all()
    # Another lane knows nothing of it, and neither does the same lane in a new sequence.
    assert lima.targets(1, second, maps[1], pairs, starts_sequence=False).features.eq(5).all()
    assert lima.targets(0, second, maps[0], pairs, starts_sequence=True).features.eq(1).all()


def test_one_frame_targets_are_the_unified_features() -> None:
    lima, _ = knowing_lima(ONE_FRAME, 1)
    sweep = Sweep(torch.rand(50, 3), torch.ones(50), 0, RigidTransform.identity(), RigidTransform.identity())
    pairs = PointPixelPairs(torch.rand(3, 50, 2), torch.rand(3, 50) < 0.5)
    maps = torch.randn(3, DIM, 4, 6)
    target, unified = lima.targets(0, sweep, maps, pairs, True), aggregate_views(maps, pairs, "mean")
    assert target.features.equal(unified.features)
    assert target.known.equal(unified.known)


def test_the_same_generators_give_the_same_loss_and_others_another_mix() -> None:
    config = MethodConfig(mixing="both")
    student = build_student(StudentConfig(backbone="minkunet14", width=0.25, voxel_size_m=1.0))
    lima = LiMA(student, DIM, 2, config)
    sweeps = make_sweeps(2)
    one, again = (lima.loss(sweeps, generators(2)).total for _ in range(2))
    assert one.equal(again)
    other = lima.loss(sweeps, [torch.Generator().manual_seed(9), torch.Generator().manual_seed(8)]).total
    assert not one.equal(other)
    one.backward()
    assert all(parameter.grad is not None for parameter in lima.parameters())


def test_mixing_needs_pairs_of_lanes() -> None:
    with pytest.raises(ValueError, match="mixing takes lanes two by two, got 3"):
        LiMA(Knowing(), DIM, 3, MethodConfig(mixing="laser"))
