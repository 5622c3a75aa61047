"""Oracle: the definition in loops (oracles/cross_view.py) and feature maps whose values are known by hand."""

import pytest
import torch

from lima.config import Aggregation
from lima.data.pairs import PointPixelPairs
from lima.method.cross_view import aggregate_views
from tests.oracles.cross_view import slow_aggregate_views

HOWS: tuple[Aggregation, ...] = ("mean", "max", "attention")


def random_pairs(cams: int, points: int, share: float, seed: int = 0) -> PointPixelPairs:
    generator = torch.Generator().manual_seed(seed)
    return PointPixelPairs(
        torch.rand(cams, points, 2, generator=generator), torch.rand(cams, points, generator=generator) < share
    )


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize(("rows", "cols"), [(5, 9), (1, 1), (16, 2)])
def test_equals_the_definition_in_loops(how: Aggregation, rows: int, cols: int) -> None:
    features = torch.randn(4, 6, rows, cols, generator=torch.Generator().manual_seed(1))
    pairs = random_pairs(4, 200, 0.4)
    result = aggregate_views(features, pairs, how)
    slow, slow_known = slow_aggregate_views(features, pairs.uv, pairs.visible, how)
    assert result.known.equal(slow_known)
    assert 0 < int(result.known.sum()) < 200
    torch.testing.assert_close(result.features.double(), slow, rtol=0, atol=5e-6)


def test_cell_centres_are_half_a_cell_from_the_border() -> None:
    # A map that holds u * 100 at its cell centres: exact between the centres, constant outside them.
    cols = 8
    centres = (torch.arange(cols) + 0.5) / cols
    features = (centres * 100).expand(1, 1, 4, cols).contiguous()
    u = torch.tensor([0.0, 0.5 / cols, 0.3, 0.5, 1 - 0.5 / cols, 1.0])
    pairs = PointPixelPairs(torch.stack([u, torch.full_like(u, 0.4)], dim=1)[None], torch.ones(1, 6, dtype=torch.bool))
    values = aggregate_views(features, pairs).features[:, 0]
    assert values.tolist() == pytest.approx([6.25, 6.25, 30, 50, 93.75, 93.75], abs=1e-4)


def test_agrees_with_grid_sample() -> None:
    features = torch.randn(1, 5, 7, 11, generator=torch.Generator().manual_seed(1))
    pairs = random_pairs(1, 500, 1.1)
    official = torch.nn.functional.grid_sample(
        features, pairs.uv[:, None] * 2 - 1, mode="bilinear", padding_mode="border", align_corners=False
    )
    torch.testing.assert_close(aggregate_views(features, pairs).features, official[0, :, 0].T, rtol=0, atol=1e-5)


@pytest.mark.parametrize("how", HOWS)
def test_views_that_agree_give_their_common_feature(how: Aggregation) -> None:
    # Every camera's map is constant and the same, so every view of every point is that constant.
    constant = torch.tensor([1.0, -2.0, 0.5])
    pairs = random_pairs(5, 100, 0.5)
    result = aggregate_views(constant[None, :, None, None].expand(5, 3, 4, 4), pairs, how)
    torch.testing.assert_close(result.features[result.known], constant.expand(int(result.known.sum()), 3))


@pytest.mark.parametrize("how", HOWS)
def test_the_order_of_cameras_and_of_points_is_irrelevant(how: Aggregation) -> None:
    features = torch.randn(4, 6, 3, 5, generator=torch.Generator().manual_seed(1))
    pairs = random_pairs(4, 100, 0.5)
    cams, points = torch.randperm(4), torch.randperm(100)
    shuffled = PointPixelPairs(pairs.uv[cams][:, points], pairs.visible[cams][:, points])
    straight, other = aggregate_views(features, pairs, how), aggregate_views(features[cams], shuffled, how)
    assert other.known.equal(straight.known[points])
    torch.testing.assert_close(other.features, straight.features[points])


def test_cameras_that_do_not_see_a_point_have_no_say() -> None:
    features = torch.randn(3, 6, 3, 5, generator=torch.Generator().manual_seed(1))
    pairs = random_pairs(3, 100, 0.5)
    features[1] = torch.nan
    unseen = PointPixelPairs(pairs.uv, pairs.visible & torch.tensor([True, False, True])[:, None])
    assert bool(torch.isfinite(aggregate_views(features, unseen).features).all())


def test_attention_prefers_the_majority_and_then_the_middle_of_the_image() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
    maps = torch.stack([a, b, b])[:, :, None, None]
    middle, border = [0.5, 0.5], [0.02, 0.5]

    def weight_of_a(places: list[list[float]]) -> float:
        cams = len(places)
        pairs = PointPixelPairs(torch.tensor(places)[:, None], torch.ones(cams, 1, dtype=torch.bool))
        return float(aggregate_views(maps[:cams], pairs, "attention").features[0, 0])

    assert weight_of_a([middle, middle]) == pytest.approx(0.5)
    assert weight_of_a([middle, border]) > 0.99
    assert weight_of_a([middle, middle, middle]) < 0.05


def test_points_without_cameras_are_unknown() -> None:
    result = aggregate_views(torch.ones(2, 3, 4, 4), random_pairs(2, 10, -1.0))
    assert not result.known.any()
    result = aggregate_views(torch.ones(0, 3, 4, 4), random_pairs(0, 10, 0.5))
    assert not result.known.any()
    assert result.features.shape == (10, 3)


def test_half_precision_features_are_interpolated_in_single_precision() -> None:
    features = torch.randn(2, 6, 3, 5, generator=torch.Generator().manual_seed(1)).half()
    pairs = random_pairs(2, 100, 0.6)
    assert aggregate_views(features, pairs).features.equal(aggregate_views(features.float(), pairs).features)


def test_another_number_of_cameras_is_refused() -> None:
    with pytest.raises(ValueError, match="features of 3 cameras do not go with pairs of 2"):
        aggregate_views(torch.ones(3, 3, 4, 4), random_pairs(2, 10, 0.5))
