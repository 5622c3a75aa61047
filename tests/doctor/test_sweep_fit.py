"""Oracle: a room whose walls are known, seen twice, the second time from a place that is told wrongly."""

import math

import pytest
import torch

from lima.doctor.fits import check_following
from lima.doctor.following import follow
from lima.doctor.looking import KeptSweep
from lima.doctor.sweep_fit import fit_sweeps
from lima.geometry.rigid import RigidTransform
from tests.doctor.hand_made import STEP_NS, at


def room(generator: torch.Generator, count: int = 40_000) -> torch.Tensor:
    """Points on a floor, four walls and two boxes, in the world; 30.8 m by 20.6 m, with 1 cm of noise."""
    share = torch.rand(count, 2, generator=generator, dtype=torch.float64) - 0.5
    part = torch.arange(count) % 8
    x, y, height = 30.8 * share[:, 0], 20.6 * share[:, 1], 4 * (share[:, 1] + 0.5)
    zero = torch.zeros(count, dtype=torch.float64)
    surfaces = [
        torch.stack([x, y, zero], dim=1),
        torch.stack([x, y, zero], dim=1),
        torch.stack([x, zero + 10.3, height], dim=1),
        torch.stack([x, zero - 10.3, height], dim=1),
        torch.stack([zero + 15.4, 20.6 * share[:, 0], height], dim=1),
        torch.stack([zero - 15.4, 20.6 * share[:, 0], height], dim=1),
        torch.stack([zero + 6, 4 * share[:, 0] - 5, height / 2], dim=1),
        torch.stack([zero - 7, 4 * share[:, 0] + 5, height / 2], dim=1),
    ]
    noise = 0.01 * torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return torch.stack(surfaces)[part, torch.arange(count)] + noise


def seen_from(pose: RigidTransform, seed: int) -> torch.Tensor:
    return pose.inverse().apply(room(torch.Generator().manual_seed(seed))).float()


def test_true_poses_need_no_correction() -> None:
    here, there = at(0, 0, 1.7), at(1.5, 0.3, 1.7, yaw_deg=4)
    fit = fit_sweeps(seen_from(here, 0), seen_from(there, 1), here.inverse() @ there)
    assert fit.known == 1
    assert fit.shift_m < 0.02
    assert fit.turn_deg < 0.1


@pytest.mark.parametrize("off", [at(0.25, -0.15, 0.1), at(0, 0, 0, yaw_deg=1.5), at(0.1, 0.3, -0.1, yaw_deg=-1)])
def test_wrong_poses_are_put_right(off: RigidTransform) -> None:
    """The correction undoes what was done to the pose: correction @ told = true."""
    here, there = at(0, 0, 1.7), at(1.5, 0.3, 1.7, yaw_deg=4)
    true = here.inverse() @ there
    told = off @ true
    fit = fit_sweeps(seen_from(here, 0), seen_from(there, 1), told)
    left = fit.correction @ told @ true.inverse()
    assert float(left.translation_m.norm()) < 0.03
    assert math.degrees(math.acos(min(1.0, (float(left.rotation.trace()) - 1) / 2))) < 0.15
    assert fit.after_m < fit.before_m


def test_what_the_surroundings_do_not_tell_is_left_alone() -> None:
    """On a plain the way along it and the turn on it are not known: three of six."""
    generator = torch.Generator().manual_seed(0)
    plains = []
    for _ in range(2):
        flat = 30 * (torch.rand(40_000, 2, generator=generator) - 0.5)
        plains.append(torch.cat([flat, torch.full((40_000, 1), -1.7)], dim=1))
    fit = fit_sweeps(plains[0], plains[1], at(0.4, 0.3, 0.1))
    assert fit.known == 0.5
    torch.testing.assert_close(
        fit.correction.translation_m, torch.tensor([0.0, 0.0, -0.1], dtype=torch.float64), atol=0.01, rtol=0
    )


def drive(jump_m: float = 0.0, askew_deg: float = 0.0) -> list[KeptSweep]:
    """Six sweeps a metre apart; from the fifth on poses are off to the left, and the LiDAR looks askew."""
    sweeps = []
    mount = at(1.0, 0, 1.7)
    for index in range(6):
        pose = at(-4.0 + index)
        points = (pose @ mount).inverse().apply(room(torch.Generator().manual_seed(index), 12_000)).float()
        told = at(-4.0 + index, jump_m if index >= 4 else 0.0)
        wrong_mount = RigidTransform(at(0, 0, 0, yaw_deg=askew_deg).rotation, mount.translation_m)
        sweeps.append(KeptSweep(index, index * STEP_NS // 5, points, wrong_mount, told))
    return sweeps


def test_sweeps_that_follow_each_other() -> None:
    following = follow(drive())
    assert check_following("drive", following) == []
    assert [(drift.frames, drift.pairs) for drift in following.drifts] == [(1, 5), (2, 4), (5, 1)]
    assert following.drifts[0].travelled_m == pytest.approx(1.0)


def test_a_jump_is_named_where_it_is() -> None:
    findings = check_following("drive", follow(drive(jump_m=0.6)))
    assert len(findings) == 1
    assert "disagree before frame 4, by up to 0.6" in findings[0].words


def test_a_lidar_askew_goes_with_the_way() -> None:
    """Turned 3 degrees to the left, sweeps are displaced by sin(3°) = 5 cm per metre."""
    following = follow(drive(askew_deg=3))
    assert following.per_metre is not None
    assert abs(following.per_metre[1]) == pytest.approx(math.sin(math.radians(3)), rel=0.15)
    findings = check_following("drive", following)
    assert len(findings) == 1
    assert "with every metre driven" in findings[0].words
