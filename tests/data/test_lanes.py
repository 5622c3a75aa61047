"""Oracle: the laws of the description of lanes, checked on every step, and stretches counted by hand."""

from collections import Counter

import pytest
import torch

from lima.data.lanes import Lanes, LaneStep, Stretch, cut_into_stretches, lanes_of_rank, random_generator

SPLITS = [([5, 3, 8, 1, 4, 4], 3, 0), ([7] * 9, 4, 1), ([40], 4, 2), ([2, 30], 6, 3), ([6], 1, 4), ([1] * 4, 4, 5)]


def walk(lanes: Lanes, steps: int) -> list[tuple[LaneStep, ...]]:
    return [lanes.next() for _ in range(steps)]


def runs_of_lane(steps: list[tuple[LaneStep, ...]], lane: int) -> list[list[LaneStep]]:
    """The steps of a lane, cut where it says that a sequence starts."""
    runs: list[list[LaneStep]] = []
    for step in steps:
        if step[lane].starts_sequence:
            runs.append([])
        runs[-1].append(step[lane])
    return runs


@pytest.mark.parametrize(("lengths", "lanes", "seed"), SPLITS)
def test_every_round_of_the_queue_visits_every_keyframe_once(lengths: list[int], lanes: int, seed: int) -> None:
    state = Lanes(lengths, lanes, seed)
    rounds = 4
    steps = walk(state, -(-rounds * sum(lengths) // lanes) + max(lengths))
    # The order in which stretches were taken is the order of their first steps: by step, then by lane.
    first_steps = [step for lane_steps in steps for step in lane_steps if step.starts_sequence]
    stretches = {(stretch.sequence, stretch.first): stretch for stretch in state.stretches}
    for number in range(rounds):
        taken = first_steps[number * len(stretches) : (number + 1) * len(stretches)]
        visited = Counter(
            (first.sequence, first.frame + i)
            for first in taken
            for i in range(stretches[first.sequence, first.frame].frames)
        )
        assert visited == Counter((s, frame) for s, length in enumerate(lengths) for frame in range(length))


@pytest.mark.parametrize(("lengths", "lanes", "seed"), SPLITS)
def test_lanes_follow_stretches_whole_and_in_time_order(lengths: list[int], lanes: int, seed: int) -> None:
    state = Lanes(lengths, lanes, seed)
    steps = walk(state, 3 * sum(lengths))
    lengths_from = {(stretch.sequence, stretch.first): stretch.frames for stretch in state.stretches}
    for lane in range(lanes):
        assert all(step[lane].lane == lane for step in steps)
        for run in runs_of_lane(steps, lane)[:-1]:
            frames = lengths_from[run[0].sequence, run[0].frame]
            assert [(step.sequence, step.frame) for step in run] == [
                (run[0].sequence, run[0].frame + i) for i in range(frames)
            ]


def test_orders_differ_from_round_to_round_and_seed_to_seed() -> None:
    def order(seed: int) -> list[int]:
        return [step[0].sequence for step in walk(Lanes([1] * 12, 1, seed), 24)]

    assert order(0) == order(0)
    assert order(0) != order(1)
    assert order(0)[:12] != order(0)[12:]


@pytest.mark.parametrize("steps_before", range(0, 30, 3))
def test_loaded_lanes_go_on_where_the_others_stood(steps_before: int) -> None:
    lanes = Lanes([5, 3, 8, 1, 4, 4], 3, seed=0)
    walk(lanes, steps_before)
    loaded = Lanes([5, 3, 8, 1, 4, 4], 3, seed=0)
    loaded.load_state_dict(lanes.state_dict())
    assert loaded.state_dict() == lanes.state_dict()
    assert walk(loaded, 40) == walk(lanes, 40)


@pytest.mark.parametrize(("lengths", "lanes", "seed"), [([5, 3, 8], 2, 0), ([5, 3, 9], 3, 0), ([5, 3, 8], 3, 1)])
def test_loading_a_state_of_something_else_is_refused(lengths: list[int], lanes: int, seed: int) -> None:
    with pytest.raises(ValueError, match="has the dataset, the split or the number of lanes changed"):
        Lanes([5, 3, 8], 3, seed=0).load_state_dict(Lanes(lengths, lanes, seed).state_dict())


def test_sequences_stay_whole_where_there_are_enough() -> None:
    assert cut_into_stretches([5, 3], 2) == (Stretch(0, 0, 5), Stretch(1, 0, 3))


def test_one_drive_of_40_keyframes_gives_four_lanes_ten_each() -> None:
    assert cut_into_stretches([40], 4) == tuple(Stretch(0, first, 10) for first in (0, 10, 20, 30))


def test_the_longest_is_cut_first() -> None:
    assert cut_into_stretches([4, 9], 3) == (Stretch(0, 0, 4), Stretch(1, 0, 4), Stretch(1, 4, 5))


@pytest.mark.parametrize(
    ("lengths", "lanes", "words"),
    [([3, 2], 6, "6 lanes need as many keyframes, the split has 5"), ([3, 0], 1, "number 1 has none"), ([3], 0, "one")],
)
def test_impossible_splits_are_refused(lengths: list[int], lanes: int, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        cut_into_stretches(lengths, lanes)


@pytest.mark.parametrize("world_size", [1, 2, 3, 6])
def test_ranks_share_all_lanes_and_never_part_a_pair(world_size: int) -> None:
    shares = [lanes_of_rank(12, rank, world_size, paired=True) for rank in range(world_size)]
    assert [lane for share in shares for lane in share] == list(range(12))
    assert len({len(share) for share in shares}) == 1
    for first in range(0, 12, 2):
        assert any(first in share and first + 1 in share for share in shares)


def test_lanes_that_cannot_be_shared_say_what_would_do() -> None:
    with pytest.raises(ValueError, match=r"4 lanes .* pairs of lanes .* to 4 processes: choose a multiple of 8"):
        lanes_of_rank(4, 0, 4, paired=True)
    with pytest.raises(ValueError, match=r"1 lanes .* to 1 process: choose a multiple of 2"):
        lanes_of_rank(1, 0, 1, paired=True)
    assert lanes_of_rank(4, 3, 4, paired=False) == range(3, 4)


def test_generators_depend_on_seed_and_place_alone() -> None:
    def draw(seed: int, *place: int | str) -> float:
        return float(torch.rand(1, generator=random_generator(seed, *place)))

    assert draw(0, "lane", 1, 2) == draw(0, "lane", 1, 2)
    assert len({draw(0, "a", 1, 2), draw(1, "a", 1, 2), draw(0, "b", 1, 2), draw(0, "a", 2, 1), draw(0, "a", 12)}) == 5
