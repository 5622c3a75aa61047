"""Oracle: recomputation of everything from the last k frames (oracles/memory.py), and laws that hold for any memory."""

import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from lima.config import Association
from lima.method.cross_view import PointFeatures
from lima.method.memory import MemoryBank
from tests.oracles.memory import SlowMemory

ASSOCIATIONS: tuple[Association, ...] = ("voxel", "nearest")


def drive(frames: int, points: int = 150, dim: int = 5, seed: int = 0) -> Iterator[tuple[Tensor, PointFeatures]]:
    """Points around a vehicle that moves a metre per frame, so that voxels come, stay a while and go."""
    generator = torch.Generator().manual_seed(seed)
    extent_m = torch.tensor([6.0, 6.0, 1.0], dtype=torch.float64)
    for frame in range(frames):
        points_world = torch.rand(points, 3, generator=generator, dtype=torch.float64) * extent_m
        points_world[:, 0] += frame - 100.3
        known = torch.rand(points, generator=generator) < 0.7
        features = torch.randn(points, dim, generator=generator)
        features[~known] = 1e6  # without meaning, and must stay without effect
        yield points_world, PointFeatures(features, known)


def assert_same(left: PointFeatures, right: PointFeatures, tolerance: float = 0) -> None:
    assert left.known.equal(right.known)
    torch.testing.assert_close(left.features[left.known], right.features[right.known], rtol=0, atol=tolerance)


@pytest.mark.parametrize("association", ASSOCIATIONS)
@pytest.mark.parametrize("frames", [1, 2, 4, 7])
def test_equals_recomputation_from_the_last_frames(association: Association, frames: int) -> None:
    bank, slow = MemoryBank(frames, association, 0.5), SlowMemory(frames, association, 0.5)
    gained = 0
    for points_world, current in drive(12):
        target = bank.step(points_world, current)
        slow_target, slow_known = slow.step(points_world, current.features, current.known)
        assert target.known.equal(slow_known)
        torch.testing.assert_close(
            target.features[slow_known].double(), slow_target[slow_known], rtol=0, atol=1e-6 * frames
        )
        gained += int((target.known & ~current.known).sum())
    assert (gained > 0) == (frames > 1), "points unseen now must gain a target from the past, and only from it"


def test_one_frame_is_the_current_frame_exactly() -> None:
    bank = MemoryBank(1)
    for points_world, current in drive(3):
        assert_same(bank.step(points_world, current), current)
    assert bank.nbytes == 0


@pytest.mark.parametrize("association", ASSOCIATIONS)
def test_standing_still_before_the_same_sweep_changes_nothing(association: Association) -> None:
    bank = MemoryBank(4, association, 1e-3)  # so small that no two points share a voxel or a neighbourhood
    points_world, current = next(drive(1))
    for _ in range(10):
        assert_same(bank.step(points_world, current), current, tolerance=1e-6)


def test_voxel_mean_and_frame_mean_by_hand() -> None:
    bank = MemoryBank(3, "voxel", 1.0)
    inside = torch.tensor([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9], [1.1, 0.1, 0.1]], dtype=torch.float64)
    everything = torch.ones(3, dtype=torch.bool)
    bank.step(inside, PointFeatures(torch.tensor([[0.0], [4.0], [100.0]]), everything))
    bank.step(inside[:1], PointFeatures(torch.tensor([[8.0]]), everything[:1]))
    # Frame 1 gives (0 + 4) / 2 = 2 to the first voxel, frame 2 gives 8; a third adds its own feature of the point.
    target = bank.step(inside, PointFeatures(torch.tensor([[5.0], [0.0], [0.0]]), torch.tensor([True, False, False])))
    assert target.features[:, 0].tolist() == pytest.approx([(5 + 2 + 8) / 3, (2 + 8) / 2, 100.0])
    assert target.known.all()
    # Frame 1 has left: the first voxel has 8 and 5, the second has nobody.
    target = bank.step(inside, PointFeatures(torch.zeros(3, 1), torch.zeros(3, dtype=torch.bool)))
    assert target.features[:2, 0].tolist() == pytest.approx([6.5, 6.5])
    assert target.known.tolist() == [True, True, False]


def test_nearest_takes_the_neighbour_and_no_farther_than_the_size() -> None:
    bank = MemoryBank(2, "nearest", 1.0)
    past = torch.tensor([[0.9, 0.5, 0.5], [3.05, 0.5, 0.5]], dtype=torch.float64)
    bank.step(past, PointFeatures(torch.tensor([[1.0], [2.0]]), torch.ones(2, dtype=torch.bool)))
    now = torch.tensor([[1.2, 0.5, 0.5], [2.2, 0.5, 0.5], [1.99, 0.5, 0.5]], dtype=torch.float64)
    target = bank.step(now, PointFeatures(torch.zeros(3, 1), torch.zeros(3, dtype=torch.bool)))
    assert target.known.tolist() == [True, True, False]
    assert target.features[:2, 0].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("association", ASSOCIATIONS)
def test_reset_forgets(association: Association) -> None:
    bank = MemoryBank(4, association, 0.5)
    for points_world, current in drive(3):
        bank.step(points_world, current)
    bank.reset()
    points_world, current = next(drive(1, seed=1))
    assert_same(bank.step(points_world, current), current)


@pytest.mark.parametrize("association", ASSOCIATIONS)
def test_the_order_of_points_is_irrelevant(association: Association) -> None:
    straight, shuffled = MemoryBank(4, association, 0.5), MemoryBank(4, association, 0.5)
    for points_world, current in drive(8):
        order = torch.randperm(len(points_world))
        target = straight.step(points_world, current)
        other = shuffled.step(points_world[order], PointFeatures(current.features[order], current.known[order]))
        assert_same(other, PointFeatures(target.features[order], target.known[order]), tolerance=1e-5)


@pytest.mark.parametrize("association", ASSOCIATIONS)
def test_the_origin_of_the_map_is_irrelevant(association: Association) -> None:
    # By whole voxels of a power of two, exact in binary, as far as metric map grids reach: 5000 km.
    shift_m = torch.tensor([5_000_000.0, -250_000.0, 64.0], dtype=torch.float64)
    here, far_away = MemoryBank(4, association, 0.5), MemoryBank(4, association, 0.5)
    for points_world, current in drive(8):
        points_world = points_world.mul(2**16).round() / 2**16  # so that adding the shift rounds nothing
        assert_same(here.step(points_world, current), far_away.step(points_world + shift_m, current))


@pytest.mark.parametrize("association", ASSOCIATIONS)
def test_precision_does_not_suffer_far_from_the_origin_of_the_map(association: Association) -> None:
    bank, slow = MemoryBank(4, association, 0.3), SlowMemory(4, association, 0.3)
    for points_world, current in drive(6):
        points_world += torch.tensor([691_234.567, 5_334_567.891, 520.1], dtype=torch.float64)
        target = bank.step(points_world, current)
        expected, known = slow.step(points_world, current.features, current.known)
        assert target.known.equal(known)
        torch.testing.assert_close(target.features[known].double(), expected[known], rtol=0, atol=1e-5)


@pytest.mark.parametrize("association", ASSOCIATIONS)
@pytest.mark.parametrize("stop", [0, 2, 9])
def test_goes_on_from_its_state_bit_for_bit(association: Association, stop: int) -> None:
    bank, resumed = MemoryBank(4, association, 0.5), MemoryBank(4, association, 0.5)
    steps = list(drive(14))
    for step in steps[:stop]:
        bank.step(*step)
    for step in steps[5:]:
        resumed.step(*step)  # what it knew before must not matter
    state = {name: tensor.clone() for name, tensor in bank.state_dict().items()}
    resumed.load_state_dict(state)
    for step in steps[stop:]:
        assert_same(resumed.step(*step), bank.step(*step))
    for name, tensor in resumed.state_dict().items():
        assert tensor.equal(bank.state_dict()[name]), name


def test_a_loaded_bank_does_not_write_into_the_state() -> None:
    bank = MemoryBank(4, "voxel", 0.5)
    steps = list(drive(10))
    for step in steps[:5]:
        bank.step(*step)
    state = bank.state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    resumed = MemoryBank(4, "voxel", 0.5)
    resumed.load_state_dict(state)
    for step in steps[5:]:
        resumed.step(*step)
        bank.step(*step)
    assert all(tensor.equal(before[name]) for name, tensor in state.items())


def test_a_longer_memory_does_not_fit_into_a_shorter_one() -> None:
    bank = MemoryBank(6)
    for step in drive(6):
        bank.step(*step)
    with pytest.raises(ValueError, match="memory of 3 frames cannot go on from one of 6"):
        MemoryBank(3).load_state_dict(bank.state_dict())


def test_frames_without_known_points_leave_nothing() -> None:
    bank = MemoryBank(3, "voxel", 0.5)
    for points_world, current in drive(6):
        nothing = PointFeatures(current.features, torch.zeros_like(current.known))
        assert not bank.step(points_world, nothing).known.any()


@pytest.mark.slow
def test_a_long_drive_holds_no_more_than_a_short_one() -> None:
    bank = MemoryBank(6, "voxel", 0.5)
    steps = drive(2000, points=60, dim=2)
    for step in itertools.islice(steps, 100):
        bank.step(*step)
    early = bank.nbytes
    for step in steps:
        bank.step(*step)
    assert bank.nbytes <= 1.1 * early


@pytest.mark.slow
def test_standing_still_for_long_accumulates_no_rounding() -> None:
    bank, slow = MemoryBank(3, "voxel", 2.0), SlowMemory(3, "voxel", 2.0)
    generator = torch.Generator().manual_seed(0)
    points_world = torch.rand(20, 3, generator=generator, dtype=torch.float64)
    known = torch.ones(20, dtype=torch.bool)
    for step in range(500):
        current = PointFeatures(torch.randn(20, 3, generator=generator) * 10, known)
        target = bank.step(points_world, current)
        if step >= 497:
            expected, _ = slow.step(points_world, current.features, known)
    torch.testing.assert_close(target.features.double(), expected, rtol=0, atol=1e-3)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="at least the current frame, got frames = 0"):
        MemoryBank(0)
    with pytest.raises(ValueError, match="must be positive, got 0"):
        MemoryBank(2, size_m=0.0)
    bank = MemoryBank(2)
    points_world, current = next(drive(1))
    bank.step(points_world, current)
    with pytest.raises(ValueError, match="holds features of width 5, got 7"):
        bank.step(points_world, PointFeatures(torch.zeros(len(points_world), 7), current.known))
