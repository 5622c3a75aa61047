"""Oracles: laws. What lies in a box still does after both are turned; overlaps, shares, chances counted one by one."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from lima.evaluate.detection.balance import balanced_epoch, balanced_length
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.examples import Example, augmented, collate, read_example, transformed
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.nms import rotated_iou
from lima.evaluate.detection.object_bank import MIN_POINTS, WANTED, ObjectBank
from lima.evaluate.detection.sweeps import SweepHistory
from lima.geometry.boxes import Boxes
from tests.evaluate.detection.drives import HandMadeDrive
from tests.evaluate.detection.lidar_boxes import spread_boxes


def crowded(seed: int, points: int = 4000) -> Example:
    """Boxes, and points all over the place."""
    generator = torch.Generator().manual_seed(seed)
    positions = (torch.rand(points, 3, generator=generator) - 0.5) * torch.tensor([40.0, 30.0, 4.0])
    others = torch.rand(points, 2, generator=generator)
    return Example(f"example {seed}", torch.cat([positions, others], dim=1), spread_boxes(seed))


def test_inside_as_boxes_in_the_world_say_it() -> None:
    example = crowded(0)
    boxes = example.boxes
    world = Boxes(
        boxes.values[:, :3].double(),
        boxes.values[:, 3:6].double(),
        boxes.rotations().double(),
        torch.zeros(12, 3, dtype=torch.float64),
        ("",) * 12,
        ("",) * 12,
    )
    inside = boxes.contain(example.points[:, :3])
    assert torch.equal(inside, world.contain(example.points[:, :3]))
    assert int(inside.sum()) > 20
    wider = boxes.contain(example.points[:, :3], margin_m=0.5)
    assert bool((wider | ~inside).all())
    assert int(wider.sum()) > int(inside.sum())


@pytest.mark.parametrize("negate", [(False, False), (True, False), (False, True), (True, True)])
def test_points_stay_in_their_boxes_and_velocities_turn_along(negate: tuple[bool, bool]) -> None:
    example = crowded(1)
    found = transformed(example, *negate, angle=0.7, scale=1.1)
    inside = example.boxes.contain(example.points[:, :3])
    assert int((inside != found.boxes.contain(found.points[:, :3])).sum()) <= 1  # rounding at a face
    assert torch.equal(found.points[:, 3:], example.points[:, 3:])
    later = Example("", example.points, example.boxes)
    later.boxes.values[:, :2] += 0.5 * example.boxes.values[:, 7:].nan_to_num()  # half a second later
    moved = transformed(later, *negate, angle=0.7, scale=1.1).boxes.values[:, :2] - found.boxes.values[:, :2]
    assert torch.allclose(moved, 0.5 * found.boxes.values[:, 7:].nan_to_num(), atol=1e-5)


def test_chance_is_the_generators() -> None:
    first = augmented(crowded(2), torch.Generator().manual_seed(3))
    again = augmented(crowded(2), torch.Generator().manual_seed(3))
    other = augmented(crowded(2), torch.Generator().manual_seed(4))
    assert torch.equal(first.points, again.points)
    assert not torch.allclose(first.points, other.points)
    scale = float(first.points[:, :3].norm() / crowded(2).points[:, :3].norm())
    assert 0.95 <= scale <= 1.05


def test_a_keyframe_as_an_example() -> None:
    example = read_example(SweepHistory(HandMadeDrive(3), 10, 0.55), 2)
    assert example.token == "frame at 1.00"
    assert len(example.boxes) == 1
    assert int(example.boxes.contain(example.points[:, :3]).sum()) == 2  # the post, now and half a second ago
    batch, seconds = collate([example, crowded(0, points=7)])
    assert batch.sweeps == 2
    assert batch.sweep_of_point.bincount().tolist() == [len(example.points), 7]
    assert torch.equal(seconds[-7:], crowded(0, points=7).points[:, 4])


def test_boxes_without_a_point_are_not_learned() -> None:
    class Empty(HandMadeDrive):
        def frame(self, index: int):  # type: ignore[no-untyped-def]
            frame = super().frame(index)
            far = frame.sweep.points_lidar + torch.tensor([0.0, 0.0, 50.0])
            object.__setattr__(frame.sweep, "points_lidar", far)
            return frame

    assert len(read_example(SweepHistory(Empty(2), 1, 1.0), 0).boxes) == 0


def test_things_are_set_down_where_they_were_and_hide_what_was_there() -> None:
    bank = full_bank()
    assert len(bank) > 20
    bare = Example("bare", crowded(9).points, spread_boxes(9)[torch.tensor([0, 5])])
    found = bank.fill_up(bare, torch.Generator().manual_seed(0))
    added = found.boxes[torch.arange(2, len(found.boxes))]
    assert len(added) > 5
    rectangles = found.boxes.values[:, [0, 1, 3, 4, 6]]
    overlap = rotated_iou(rectangles, rectangles)
    assert float((overlap - torch.diag(overlap.diagonal())).max()) == 0
    for name, cls in (("car", 0), ("pedestrian", 5), ("truck", 1), ("construction_vehicle", 4)):
        assert int((found.boxes.classes == cls).sum()) <= max(WANTED[name], int((bare.boxes.classes == cls).sum()))
    inside = added.contain(found.points[:, :3])
    assert int(inside.sum(dim=1).min()) >= MIN_POINTS
    own = {tuple(point) for point in bare.points[added.contain(bare.points[:, :3]).any(dim=0)].tolist()}
    assert own
    assert not own & {tuple(point) for point in found.points.tolist()}
    assert torch.equal(found.points, bank.fill_up(bare, torch.Generator().manual_seed(0)).points)


def test_an_empty_bank_changes_nothing() -> None:
    example = crowded(0)
    assert ObjectBank(torch.Generator()).fill_up(example, torch.Generator()) is example


def test_an_example_that_needs_nothing_stays_as_it_is() -> None:
    """Its boxes are so far away that none would be in the way; with one car fewer, another car is set down."""
    classes = torch.tensor([cls for cls, name in enumerate(DETECTION_CLASSES) for _ in range(WANTED[name])])
    more = torch.cat([classes, torch.tensor([0, 0, 5])])  # of cars and pedestrians there may be more
    for given in (far_away(classes), far_away(more)):
        assert full_bank().fill_up(given, torch.Generator().manual_seed(0)) is given
    needy = full_bank().fill_up(far_away(classes[1:]), torch.Generator().manual_seed(0))
    assert needy.boxes.classes.tolist() == [*classes[1:].tolist(), 0]


def test_what_has_no_room_is_left_out() -> None:
    bank = ObjectBank(torch.Generator())
    example = crowded(0, points=20000)
    bank.add(example)
    assert len(bank) == len(example.boxes)
    assert bank.fill_up(example, torch.Generator().manual_seed(0)) is example


def full_bank() -> ObjectBank:
    bank = ObjectBank(torch.Generator())
    for seed in range(6):
        bank.add(crowded(seed, points=20000))
    return bank


def far_away(classes: Tensor) -> Example:
    """A box of each of these classes, a kilometre off."""
    values = torch.tensor([[1000.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0, 0.0, 0.0]]).repeat(len(classes), 1)
    values[:, 1] = 10.0 * torch.arange(len(classes))
    return Example("far away", torch.zeros(1, 5), LidarBoxes(values, classes, torch.ones(len(classes))))


def row_of_cars(first: int, count: int) -> Example:
    """Cars with five points each, whose intensity says which car it is, and points of none."""
    values = torch.tensor([[0.0, 0.0, 0.0, 4.0, 2.0, 1.5, 0.0, 0.0, 0.0]]).repeat(count, 1)
    values[:, 0] = 10.0 * torch.arange(count)
    points = torch.zeros(count, MIN_POINTS, 5)
    points[..., 0], points[..., 3] = values[:, :1], torch.arange(first, first + count)[:, None].float()
    around = torch.full((100, 5), -50.0)
    boxes = LidarBoxes(values, torch.zeros(count, dtype=torch.int64), torch.ones(count))
    return Example("a row of cars", torch.cat([points.view(-1, 5), around]), boxes)


def kept_cars(bank: ObjectBank) -> list[int]:
    return [int(thing.points[0, 3]) for thing in bank._things[0]]


def test_every_thing_is_as_likely_to_be_kept() -> None:
    """Of four cars in two keyframes two are kept: each car by half of all banks, each pair by a sixth."""
    banks = 400
    rows = [row_of_cars(0, 2), row_of_cars(2, 2)]
    pairs = torch.zeros(4, 4)
    for seed in range(banks):
        bank = ObjectBank(torch.Generator().manual_seed(seed), limit=2)
        for example in rows:
            bank.add(example)
        one, other = sorted(kept_cars(bank))
        pairs[one, other] += 1
    cars = pairs.sum(dim=0) + pairs.sum(dim=1)
    for counts, chance in ((cars, 1 / 2), (pairs[torch.triu_indices(4, 4, 1).unbind()], 1 / 6)):
        spread = math.sqrt(banks * chance * (1 - chance))
        assert float((counts - banks * chance).abs().max()) < 3.5 * spread


def test_a_bank_with_room_keeps_all_in_order_and_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    bank = ObjectBank(generator, limit=12)
    for first in (0, 4, 8):
        bank.add(row_of_cars(first, 4))
    assert kept_cars(bank) == list(range(12))
    assert torch.equal(generator.get_state(), before)
    bank.add(row_of_cars(12, 1))
    assert not torch.equal(generator.get_state(), before)


def test_a_full_bank_is_the_generators_and_grows_no_more() -> None:
    def bank_of(seed: int) -> ObjectBank:
        bank = ObjectBank(torch.Generator().manual_seed(seed), limit=8)
        for first in range(0, 200, 10):
            bank.add(row_of_cars(first, 10))
        return bank

    bank = bank_of(0)
    assert kept_cars(bank) == kept_cars(bank_of(0)) != kept_cars(bank_of(1))
    assert max(kept_cars(bank)) >= 100
    held = [tensor.untyped_storage() for thing in bank._things[0] for tensor in (thing.points, thing.box.values)]
    assert sum(storage.nbytes() for storage in held) == 8 * 4 * (MIN_POINTS * 5 + 9)  # of no keyframe the rest


def test_every_class_is_drawn_as_often() -> None:
    frames_of_class = [list(range(100)), [3, 4], [], [7], list(range(0, 100, 2))]
    total = balanced_length(frames_of_class)
    assert total == (100 + 2 + 1 + 50) // 4 * 4
    epoch = balanced_epoch(frames_of_class, torch.Generator().manual_seed(0))
    assert len(epoch) == total
    assert epoch.count(7) >= total // 4
    assert abs(epoch.count(3) + epoch.count(4) - total / 4) < 6  # and by chance for the two common classes
    assert epoch != sorted(epoch)
    assert balanced_epoch(frames_of_class, torch.Generator().manual_seed(1)) != epoch
    assert balanced_epoch([[], []], torch.Generator()) == []
    assert math.isclose(balanced_length([]), 0)


def test_boxes_there_and_back() -> None:
    """From the world to the LiDAR's frame: the car around the first post is where that post is seen."""
    frame = HandMadeDrive(3).frame(2)
    assert frame.read_boxes is not None
    found, kept = LidarBoxes.of(frame.read_boxes(), frame.sweep.world_from_lidar)
    assert kept.tolist() == [0]
    assert torch.allclose(found.values[0, :3], frame.sweep.points_lidar[0], atol=1e-4)
    turned = frame.sweep.world_from_lidar.rotation @ found.rotations()[0].double()
    assert torch.allclose(turned, torch.eye(3, dtype=torch.float64), atol=1e-5)
