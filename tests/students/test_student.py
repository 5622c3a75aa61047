"""Oracle: laws. A sweep's features depend on nothing but the sweep, and points of one voxel share one feature."""

from __future__ import annotations

import pytest
import torch

from lima.config import StudentConfig
from lima.scene import Batch
from lima.students.student import Student, build_student

SMALL = StudentConfig(backbone="minkunet14", width=0.25, voxel_size_m=0.2, max_range_m=10.0)


def sweep(points: int, seed: int, reach_m: float = 9.0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positions = (torch.rand(points, 3, generator=generator) * 2 - 1) * torch.tensor([reach_m, reach_m, 1.0])
    return positions, torch.rand(points, generator=generator)


def make_student(config: StudentConfig = SMALL) -> Student:
    torch.manual_seed(0)
    return build_student(config)


@pytest.mark.parametrize("voxels", ["cartesian", "cylindrical"])
def test_one_feature_per_point_and_zeros_beyond_the_range(voxels: str) -> None:
    student = make_student(StudentConfig(backbone="minkunet14", width=0.25, voxels=voxels, max_range_m=10.0))  # type: ignore[arg-type]
    points, intensity = sweep(700, 0)
    batch = Batch.from_points([points], [intensity])
    features = student(batch)
    assert features.shape == (700, student.dim) == (700, 24)
    seen = student.in_range(batch)
    assert seen.tolist() == [x * x + y * y <= 100 for x, y, _ in points.tolist()]
    assert (features[~seen] == 0).all()
    assert (features[seen] != 0).any(dim=1).all()


def test_a_sweep_does_not_know_its_neighbours_in_the_batch() -> None:
    student = make_student().double().eval()
    first, second = sweep(600, 0), sweep(500, 1)
    together = student(Batch.from_points([first[0], second[0]], [first[1], second[1]]))
    alone = [student(Batch.from_points([points], [intensity])) for points, intensity in (first, second)]
    assert torch.allclose(together, torch.cat(alone))


def test_points_of_one_voxel_share_its_feature() -> None:
    points, intensity = sweep(600, 0)
    features = make_student().eval()(Batch.from_points([torch.cat([points, points])], [torch.cat([intensity] * 2)]))
    assert torch.equal(features[:600], features[600:])


def test_the_student_learns() -> None:
    """A few steps on one sweep bring its features nearer to a target that depends on where a point is."""
    student = make_student()
    points, intensity = sweep(500, 0)
    batch = Batch.from_points([points], [intensity])
    seen = student.in_range(batch)
    target = torch.sin(points[:, :1] + torch.arange(student.dim))
    optimiser = torch.optim.AdamW(student.parameters(), lr=0.01)
    losses = []
    for _ in range(12):
        loss = (student(batch) - target)[seen].square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_same_seed_same_student_same_steps() -> None:
    runs = []
    for _ in range(2):
        student = make_student()
        points, intensity = sweep(300, 0)
        student(Batch.from_points([points], [intensity])).square().sum().backward()
        runs.append([parameter.grad for parameter in student.parameters()])
    for first, second in zip(*runs, strict=True):
        assert torch.equal(first, second)


def test_an_empty_horizon_is_no_accident() -> None:
    batch = Batch.from_points([torch.full((3, 3), 50.0)], [torch.zeros(3)])
    for student in (make_student(), make_student().eval()):
        features = student(batch)
        assert features.eq(0).all()
        features.sum().backward()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(Exception, match="minkunet99"):
        build_student(StudentConfig(backbone="minkunet99"))  # type: ignore[arg-type]
