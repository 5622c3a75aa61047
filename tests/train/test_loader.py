"""Oracle: the same keyframes read one by one, without a thread."""

import threading

import pytest
import torch

from lima.data.lanes import Lanes
from lima.data.pairs import pairs_from_frame
from lima.scene import Frame
from lima.train.loader import Loader
from tests.train.drives import Drive, image_features

DRIVES = [Drive("a", 5), Drive("b", 3), Drive("c", 4)]
LENGTHS = [5, 3, 4]


@pytest.mark.parametrize("ahead", [False, True])
def test_the_same_keyframes_as_read_one_by_one(ahead: bool) -> None:
    lanes, alone = Lanes(LENGTHS, 2, seed=0), Lanes(LENGTHS, 2, seed=0)
    with Loader(DRIVES, lanes, range(1, 2), image_features, occlusion_test=False, ahead=ahead) as loader:
        for _ in range(10):
            loaded, steps = loader.next(), alone.next()
            assert loaded.lane_steps == steps
            assert loaded.lanes_after == alone.state_dict()
            assert [keyframe.step for keyframe in loaded.keyframes] == [steps[1]]
            frame = DRIVES[steps[1].sequence].frame(steps[1].frame)
            assert loaded.keyframes[0].frame.token == frame.token
            assert torch.equal(loaded.keyframes[0].frame.sweep.points_lidar, frame.sweep.points_lidar)
            assert torch.equal(loaded.keyframes[0].seen.image_features, image_features(frame))
            assert torch.equal(loaded.keyframes[0].seen.pairs.visible, pairs_from_frame(frame).visible)
            assert loaded.seconds.keys() == {"sweep", "features", "pairs"}


def test_reading_goes_on_while_the_student_works() -> None:
    second_step_is_read = threading.Event()
    read = []

    def counted_features(frame: Frame) -> torch.Tensor:
        read.append(frame.token)
        if len(read) == 2:
            second_step_is_read.set()
        return image_features(frame)

    with Loader(DRIVES, Lanes(LENGTHS, 1, seed=0), range(1), counted_features, False, ahead=True) as loader:
        loader.next()
        assert second_step_is_read.wait(timeout=30), "nobody asked for the second step yet"


def test_on_a_cpu_nothing_is_read_before_it_is_asked_for() -> None:
    read = []

    def counted_features(frame: Frame) -> torch.Tensor:
        read.append(frame.token)
        return image_features(frame)

    with Loader(DRIVES, Lanes(LENGTHS, 1, seed=0), range(1), counted_features, False, ahead=False) as loader:
        for step in range(1, 5):
            loader.next()
            assert len(read) == step


@pytest.mark.parametrize("ahead", [False, True])
def test_an_error_comes_out_at_its_step_and_leaving_does_not_wait_for_more(ahead: bool) -> None:
    def failing_features(frame: Frame) -> torch.Tensor:
        if frame.index == 2:
            raise ValueError(f"{frame.token} is broken")
        return image_features(frame)

    with Loader([Drive("a", 5)], Lanes([5], 1, seed=0), range(1), failing_features, False, ahead) as loader:
        loader.next()
        loader.next()
        with pytest.raises(ValueError, match="a-2 is broken"):
            loader.next()
