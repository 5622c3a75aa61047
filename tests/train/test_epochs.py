"""Oracle: what an epoch is by definition: every frame once, in batches of the asked size and a rest."""

from __future__ import annotations

import pytest
import torch

from lima.train.epochs import Epochs


def test_every_epoch_takes_every_frame_once_in_another_order() -> None:
    epochs = Epochs(frames=12, batch=5, epochs=2, steps=None, seed=3)
    assert (epochs.steps_of_epoch, epochs.steps) == (3, 6)
    taken = [epochs.frames_of_step(step) for step in range(6)]
    assert [len(numbers) for numbers in taken] == [5, 5, 2, 5, 5, 2]
    first, second = ([number for numbers in epoch for number in numbers] for epoch in (taken[:3], taken[3:]))
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    again, other = (Epochs(12, 5, 2, None, seed) for seed in (3, 4))
    assert [again.frames_of_step(step) for step in range(6)] == taken
    assert [other.frames_of_step(step) for step in range(6)] != taken


def test_steps_replace_epochs_and_a_batch_is_no_larger_than_an_epoch() -> None:
    epochs = Epochs(frames=4, batch=16, epochs=100, steps=10, seed=0)
    assert (epochs.batch, epochs.steps_of_epoch, epochs.steps) == (4, 1, 10)
    assert Epochs(frames=4, batch=3, epochs=1, steps=3, seed=0).done(3) == 1.5


def test_another_draw() -> None:
    def last_ones(generator: torch.Generator) -> list[int]:
        return [7, 7, int(torch.randint(100, (), generator=generator))]

    epochs = Epochs(frames=3, batch=2, epochs=2, steps=None, seed=0, draw=last_ones)
    assert epochs.frames_of_step(0) == epochs.frames_of_step(2) == [7, 7]
    assert epochs.frames_of_step(1) != epochs.frames_of_step(3)  # the epoch's number is in the generator


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"epochs": 0}, {"steps": 0}])
def test_mistakes_are_told(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least one keyframe a step and one epoch or step are needed, got batch"):
        Epochs(**{"frames": 4, "batch": 1, "epochs": 1, "steps": None, "seed": 0, **wrong})  # type: ignore[arg-type]
