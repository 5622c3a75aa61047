"""Sets of voxels for hypothesis."""

from __future__ import annotations

import torch
from hypothesis import strategies as st
from torch import Tensor


@st.composite
def coordinates(draw: st.DrawFn, max_voxels: int = 40, batches: int = 3, reach: int = 5) -> Tensor:
    """(batch, x, y, z), every cell once, in any order, on both sides of the origin, at least one."""
    cell = st.tuples(
        st.integers(0, batches - 1), *[st.integers(-reach, reach) for _ in range(3)]
    )  # fmt: skip
    cells = draw(st.lists(cell, unique=True, min_size=1, max_size=max_voxels))
    return torch.tensor(cells)


def random_coordinates(voxels: int, reach: int, batches: int = 2, seed: int = 0) -> Tensor:
    """About as many cells as asked for, shuffled."""
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randint(-reach, reach, (voxels, 3), generator=generator)
    batch = torch.randint(0, batches, (voxels, 1), generator=generator)
    unique = torch.unique(torch.cat([batch, cells], dim=1), dim=0)
    return unique[torch.randperm(len(unique), generator=generator)]
