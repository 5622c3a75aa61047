"""Oracle: hills that are parabolas, whose summits are solutions of linear equations."""

import torch

from lima.doctor.climbing import climb, parabola

CURVATURE = torch.tensor([[-4.0, 1.0, 0.5], [1.0, -3.0, 0.2], [0.5, 0.2, -2.0]], dtype=torch.float64)
PLACES = torch.tensor([[0.3, -0.2, 0.4], [0.1, 0.5, -0.3], [-0.4, 0.2, 0.6], [0.2, 0.1, 0.1]], dtype=torch.float64)


def hills(place: torch.Tensor) -> torch.Tensor:
    """Four blocks, each highest at its own place."""
    offset = place - PLACES
    return (offset @ CURVATURE * offset).sum(dim=1) / 2


def test_a_parabola_is_known_from_points_around() -> None:
    here = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    heights, gradients, curvatures = parabola(hills, here)
    torch.testing.assert_close(heights, hills(here))
    torch.testing.assert_close(gradients, (here - PLACES) @ CURVATURE)
    torch.testing.assert_close(curvatures, CURVATURE.expand(4, 3, 3))


def test_the_summit_of_all_and_of_some() -> None:
    """All hills have one shape, so the sum is highest at the mean of their places."""
    summit = climb(hills, torch.tensor([2.0, -2.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(summit.place, PLACES.mean(dim=0))
    torch.testing.assert_close(summit.gain, hills(PLACES.mean(dim=0)) - hills(torch.zeros(3, dtype=torch.float64)))
    torch.testing.assert_close(summit.without(torch.tensor([1, 3])), PLACES[[0, 2]].mean(dim=0))
