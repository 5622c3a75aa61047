"""Whether an export fits: every key of the library's network is filled, and the answer is the student's."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from lima.export.layers import SpconvLayers, StatedLayers
from lima.export.libraries import Export
from lima.sparse import SparseTensor
from lima.sparse.engines.spconv import spconv_on

TOLERANCE = 1e-5
"""largest difference relative to the largest answer: weights are single precision, sums are double"""
SAMPLE_VOXELS, SAMPLE_CELLS = 3000, (96, 96, 48)
"""cells: four halvings leave no rest, which spconv would cut off"""


@dataclass(frozen=True)
class KeyMatch:
    """missing: keys of the library's network that got nothing. unknown: keys that it lacks. misshapen: both shapes."""

    keys: int
    missing: tuple[str, ...]
    unknown: tuple[str, ...]
    misshapen: tuple[str, ...]

    @property
    def share(self) -> float:
        """Of the network's keys and of ours, those that found each other, from 0 to 1."""
        bad = len(self.missing) + len(self.unknown) + len(self.misshapen)
        return 1 - bad / max(self.keys + len(self.unknown), 1)


def match_keys(export: Export) -> KeyMatch:
    """The export's keys and shapes beside those of the library's network, rebuilt without the library."""
    wanted = {key: tuple(tensor.shape) for key, tensor in export.network(StatedLayers()).state_dict().items()}
    found = {key: tuple(tensor.shape) for key, tensor in export.weights.items()}
    return KeyMatch(
        keys=len(wanted),
        missing=tuple(sorted(wanted.keys() - found.keys())),
        unknown=tuple(sorted(found.keys() - wanted.keys())),
        misshapen=tuple(
            f"{key}: {found[key]} instead of {wanted[key]}"
            for key in sorted(wanted.keys() & found.keys())
            if wanted[key] != found[key]
        ),
    )


def sample_voxels(
    dims: int, cells: tuple[int, int, int]
) -> tuple[Float64[Tensor, "voxels dims"], Int64[Tensor, "voxels 4"]]:
    """Some thousand voxels of a ground and a wall in two sweeps, with inputs as a library would give them."""
    draw = torch.Generator().manual_seed(0)
    size = torch.tensor(cells)
    ground = (torch.rand(SAMPLE_VOXELS, 3, generator=draw) * size * torch.tensor([1, 1, 0.1])).long()
    wall = (torch.rand(SAMPLE_VOXELS, 3, generator=draw) * size * torch.tensor([0.1, 1, 1])).long()
    occupied = torch.cat([ground, wall])
    sweep = torch.randint(0, 2, (len(occupied), 1), generator=draw)
    indices = torch.unique(torch.cat([sweep, occupied], dim=1), dim=0)
    inputs = torch.rand(len(indices), dims, generator=draw, dtype=torch.float64)
    inputs[:, :3] = (indices[:, 1:] - size / 2).double()
    return inputs, indices


def largest_difference(export: Export, backbone: nn.Module, input_scale: Tensor) -> float:
    """Between the library's network with the exported weights, run by spconv, and ours, relative to the largest answer.

    In double precision on one thread of the CPU, where spconv works. Raises ImportError where it is not installed.
    """
    layers = SpconvLayers()
    box = export.box or SAMPLE_CELLS
    x, y, z = (min(cells) for cells in zip(box, SAMPLE_CELLS, strict=True))
    inputs, indices = sample_voxels(len(input_scale), (x, y, z))
    theirs = export.network(layers)
    theirs.load_state_dict(_without_biases(export.weights))
    theirs = theirs.double().eval()
    ours = copy.deepcopy(backbone).cpu().double().eval()
    columns = [0, 1, 2, 3] if export.axes == "xyz" else [0, 3, 2, 1]
    shape = list(box) if export.axes == "xyz" else list(box)[::-1]
    with torch.no_grad(), spconv_on(torch.device("cpu")):
        voxels = layers.voxels(inputs, indices[:, columns].int().contiguous(), shape, 2)
        their_answer = theirs(voxels)
        our_answer = _answer(ours(SparseTensor(inputs * input_scale.double(), indices)))
    return _difference(their_answer.indices[:, columns].long(), their_answer.features, our_answer)


def _without_biases(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same network for spconv on a CPU, which knows no biases: a bias before a batch norm moves its mean."""
    folded = {key: tensor for key, tensor in weights.items() if not _is_bias(key)}
    for key in filter(_is_bias, weights):
        block, number = key.removesuffix(".bias").rsplit("conv", 1)
        mean = f"{block}bn{number}.running_mean"
        folded[mean] = folded[mean] - weights[key]
    return folded


def _is_bias(key: str) -> bool:
    return re.search(r"conv\d\.bias$", key) is not None


def _answer(found: Any) -> SparseTensor:
    return found if isinstance(found, SparseTensor) else found.out


def _difference(their_indices: Tensor, theirs: Tensor, ours: SparseTensor) -> float:
    """Their voxels may stand in another order; where the sets differ the difference is infinite."""
    both = [torch.unique(indices, dim=0, return_inverse=True) for indices in (their_indices, ours.coordinates.long())]
    (cells, row_of_theirs), (our_cells, row_of_ours) = both
    if cells.shape != our_cells.shape or not torch.equal(cells, our_cells):
        return float("inf")
    their_rows, our_rows = torch.empty_like(theirs), torch.empty_like(ours.features)
    their_rows[row_of_theirs], our_rows[row_of_ours] = theirs, ours.features
    return float((their_rows - our_rows).abs().max() / our_rows.abs().max())
