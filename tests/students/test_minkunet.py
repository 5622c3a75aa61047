"""Oracle: numbers of weights counted by hand from the published layout, and the sizes that its authors state."""

from __future__ import annotations

import pytest
import torch

from lima.sparse import SparseTensor
from lima.students.minkunet import BLOCKS, MinkUNet
from tests.sparse.voxel_sets import random_coordinates


def weights_by_hand(blocks: tuple[int, ...], planes: tuple[int, ...], stem: int, in_dim: int = 4) -> int:
    """Convolutions: offsets x in x out; batch norm: two per channel. REFERENCE: SPVNAS, SuperFlow."""

    def unit(offsets: int, before: int, after: int) -> int:
        return offsets * before * after + 2 * after

    def stage(before: int, after: int, count: int) -> int:
        shortcut = 0 if before == after else unit(1, before, after)
        return unit(27, before, after) + unit(27, after, after) + shortcut + (count - 1) * 2 * unit(27, after, after)

    total = unit(27, in_dim, stem) + unit(27, stem, stem)
    skips = [stem, *planes[:3]]
    before = stem
    for step in range(4):
        total += unit(8, before, before) + stage(before, planes[step], blocks[step])
        before = planes[step]
    for step in range(4, 8):
        total += unit(8, before, planes[step]) + stage(planes[step] + skips[7 - step], planes[step], blocks[step])
        before = planes[step]
    return total


PLANES = (32, 64, 128, 256, 256, 128, 96, 96)


@pytest.mark.parametrize(
    ("name", "blocks", "published_millions"),
    [
        ("minkunet14", (1,) * 8, None),
        ("minkunet18", (2,) * 8, 21.7),
        ("minkunet34", (2, 3, 4, 6, 2, 2, 2, 2), 37.9),
    ],
)
@pytest.mark.parametrize("width", [1.0, 0.5])
def test_number_of_weights(name: str, blocks: tuple[int, ...], published_millions: float | None, width: float) -> None:
    network = MinkUNet(BLOCKS[name], width)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert count == weights_by_hand(blocks, tuple(int(width * channels) for channels in PLANES), int(width * 32))
    assert network.dim == int(width * 96)
    if published_millions is not None and width == 1.0:
        assert count / 1e6 == pytest.approx(published_millions, abs=0.1)


def test_one_answer_per_voxel_and_a_gradient_for_every_weight() -> None:
    torch.manual_seed(0)
    network = MinkUNet(BLOCKS["minkunet14"], 0.25)
    cells = random_coordinates(500, 12)
    voxels = SparseTensor(torch.randn(len(cells), 4), cells)
    out = network(voxels)
    assert out.coordinates is cells
    assert out.stride == 1
    out.features.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


def test_features_reach_across_the_coarsest_cells() -> None:
    """A change of one voxel moves others farther away than any stack of 3³ kernels at the finest grid would reach."""
    torch.manual_seed(0)
    network = MinkUNet(BLOCKS["minkunet14"], 0.25).eval()
    cells = torch.cartesian_prod(torch.arange(1), torch.arange(64), torch.arange(2), torch.arange(2))
    features = torch.randn(len(cells), 4)
    changed = features.clone()
    changed[0] += 1
    with torch.no_grad():
        before, after = (network(SparseTensor(f, cells)).features for f in (features, changed))
    moved = (before - after).abs().amax(dim=1) > 0
    assert bool(moved[cells[:, 1] > 24].any())


@pytest.mark.parametrize(("blocks", "width"), [((1,) * 7, 1.0), ((1,) * 7 + (0,), 1.0), ((1,) * 8, 0.01)])
def test_impossible_layouts_are_refused(blocks: tuple[int, ...], width: float) -> None:
    with pytest.raises(ValueError, match="a MinkUNet has 8 steps"):
        MinkUNet(blocks, width)
