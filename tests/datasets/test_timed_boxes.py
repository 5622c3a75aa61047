"""Oracle: boxes of one moment moved by `Boxes.transformed`, velocities by hand; quarter turns by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets.rotations import about
from lima.datasets.timed_boxes import boxes_in_world
from lima.geometry.boxes import Boxes
from lima.geometry.rigid import RigidTransform

FILE = Path("boxes.parquet")
TIMES_NS = np.array([2, 0, 2, 1, 0]) * 1_000_000_000  # in no order; two boxes at 0 s and 2 s, one at 1 s
INSTANCES = ["car", "tree", "tree", "car", "car"]
TURNS = about(np.array([0.3, 0.0, 0.1, -0.4, 1.2]), 0, 1)
SIZES_M = np.arange(1.0, 16).reshape(5, 3)


def world_from_ego(time_ns: int) -> RigidTransform:
    """A vehicle that turns left while it climbs."""
    seconds = time_ns * 1e-9
    (rotation,) = about(np.array([0.2 * seconds]), 0, 1)
    return RigidTransform(torch.from_numpy(rotation), torch.tensor([5 * seconds, seconds**2, 0.1 * seconds]).double())


def test_a_quarter_turn_takes_the_first_axis_to_the_second() -> None:
    quarter = np.array([np.pi / 2, -np.pi / 2])
    axes = np.eye(3)
    for first, second in ((0, 1), (1, 2), (2, 0)):
        left, right = about(quarter, first, second)
        assert np.allclose(left @ axes[first], axes[second], atol=1e-15)
        assert np.allclose(right @ axes[first], -axes[second], atol=1e-15)
        third = 3 - first - second
        assert np.array_equal(left @ axes[third], axes[third])


def test_every_box_is_moved_by_the_pose_of_its_own_time() -> None:
    rng = np.random.default_rng(0)
    centres_ego = rng.normal(size=(5, 3)) * 10
    categories = ["a", "b", "c", "d", "e"]
    timed = boxes_in_world(FILE, TIMES_NS, centres_ego, TURNS, SIZES_M, categories, INSTANCES, world_from_ego)
    for second, rows in {0: [1, 4], 1: [3], 2: [0, 2]}.items():
        time_ns = second * 1_000_000_000
        unmoved = Boxes(
            centres_m=torch.from_numpy(centres_ego[rows]),
            sizes_m=torch.from_numpy(SIZES_M[rows]),
            rotations=torch.from_numpy(TURNS[rows]),
            velocities_mps=torch.zeros(len(rows), 3).double(),
            categories=tuple(categories[row] for row in rows),
            instances=tuple(INSTANCES[row] for row in rows),
        )
        expected, found = unmoved.transformed(world_from_ego(time_ns)), timed.at(time_ns)
        assert torch.allclose(found.centres_m, expected.centres_m, rtol=0, atol=1e-12)
        assert torch.allclose(found.rotations, expected.rotations, rtol=0, atol=1e-12)
        assert torch.equal(found.sizes_m, expected.sizes_m)
        assert (found.categories, found.instances) == (expected.categories, expected.instances)
    assert len(timed.at(500_000_000)) == 0


def test_velocities_follow_from_where_things_are_in_the_world() -> None:
    tree, car = np.array([20.0, 3, 1]), np.array([[0.0, 0, 0], [4, 0, 0], [10, 2, 0]])
    seconds = TIMES_NS // 1_000_000_000
    places = np.stack(
        [tree if thing == "tree" else car[second] for thing, second in zip(INSTANCES, seconds, strict=True)]
    )
    centres_ego = np.stack(
        [
            world_from_ego(int(time_ns)).inverse().apply(torch.from_numpy(place[None])).numpy()[0]
            for time_ns, place in zip(TIMES_NS, places, strict=True)
        ]
    )
    timed = boxes_in_world(FILE, TIMES_NS, centres_ego, TURNS, SIZES_M, INSTANCES, INSTANCES, world_from_ego)
    # the tree is seen 2 s apart, longer than a one-sided difference may be
    assert torch.isnan(timed.at(0).velocities_mps[0]).all()
    moving = torch.cat([timed.at(0).velocities_mps[1:], timed.at(1_000_000_000).velocities_mps])
    assert torch.allclose(moving, torch.tensor([[4.0, 0, 0], [5, 1, 0]]).double(), rtol=0, atol=1e-9)
    last = timed.at(2_000_000_000)
    assert last.instances == ("car", "tree")
    assert torch.allclose(last.velocities_mps[0], torch.tensor([6.0, 2, 0]).double(), rtol=0, atol=1e-9)


def test_messages_name_the_file_and_the_time() -> None:
    centres_ego, flat = np.zeros((5, 3)), np.where(np.arange(5)[:, None] == 3, 0.0, SIZES_M)
    timed = boxes_in_world(FILE, TIMES_NS, centres_ego, TURNS, flat, INSTANCES, INSTANCES, world_from_ego)
    with pytest.raises(ValueError, match=r"boxes\.parquet, boxes of 1000000000 ns: box sizes must be positive"):
        timed.at(1_000_000_000)
    with pytest.raises(ValueError, match=r"boxes\.parquet: thing car has two boxes at 0 ns"):
        boxes_in_world(FILE, TIMES_NS, centres_ego, TURNS, SIZES_M, INSTANCES, ["car"] * 5, world_from_ego)
