"""Memory and propagation (section 4.2): what the last k frames knew about a place, kept in the world frame.

The paper moves the features of every past frame to the present at every step. Here a frame is placed in the world
once, when it enters: the bank keeps per voxel the sum over the frames that have it, a frame adds itself when it enters
and takes itself out when it leaves, and the cost of a step does not depend on how many frames are remembered.
"""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float32, Float64, Int64
from torch import Tensor

from lima.config import Association
from lima.geometry.voxels import keys_from_voxels, voxels_from_keys, voxels_from_points
from lima.method.cross_view import PointFeatures
from lima.method.voxel_sums import NOTHING, VoxelSums


@dataclass(frozen=True, eq=False)
class _Places:
    """The voxels that the points of one frame lie in.

    voxels, keys: without repetition, keys ascending. voxel_of_point: position in them. order: the points voxel by
    voxel. local_m: of every point, from the lower corner of its voxel.
    """

    voxels: Int64[Tensor, "voxels 3"]
    keys: Int64[Tensor, "voxels"]
    voxel_of_point: Int64[Tensor, "points"]
    order: Int64[Tensor, "points"]
    local_m: Float32[Tensor, "points 3"]


@dataclass(frozen=True, eq=False)
class _PastFrame:
    """What one frame added to the bank, to be taken out again when it leaves."""

    slots: Int64[Tensor, "voxels"]
    features: Float32[Tensor, "voxels dim"]
    positions_m: Float32[Tensor, "voxels 3"]


class MemoryBank:
    """First in, first out over the current frame and `frames` - 1 past ones of one sequence.

    The target of a point p of the current frame is the mean over the frames that know its place,

        target(p) = ([p known] f_p + Σ_s m_s(v)) / ([p known] + Σ_s 1),

    where f_p is its own current feature, s runs over the remembered frames with a known point in voxel v, and m_s(v) is
    the mean feature of the known points of frame s in v. Voxels are cubes with an edge of `size_m` in the world. v is

    - "voxel": the voxel that p lies in;
    - "nearest": of that voxel and its 26 neighbours the one whose centroid is nearest to p, at most `size_m` away. The
      centroid is the mean over the frames of the mean position of their known points in it.

    A point is known where at least one frame is: a point that no camera sees now has a target if one saw its place
    before. The paper says average pooling and leaves the association open: the two, and that a frame counts once
    however many of its points share a voxel, are our choice. Features of things that move stay where they were seen.

    Tensors live where the features that come in live; nothing here needs gradients. One bank follows one sequence:
    `reset` at its start.
    """

    def __init__(self, frames: int, association: Association = "voxel", size_m: float = 0.25) -> None:
        if frames < 1:
            raise ValueError(f"a memory holds at least the current frame, got frames = {frames}")
        if not size_m > 0:
            raise ValueError(f"the size of a voxel must be positive, got {size_m} m")
        self.frames = frames
        self.association = association
        self.size_m = size_m
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new sequence begins."""
        self._past: deque[_PastFrame] = deque()
        self._sums: VoxelSums | None = None
        self._origin: Int64[Tensor, "3"] | None = None

    @torch.no_grad()
    def step(self, points_world: Float64[Tensor, "points 3"], current: PointFeatures) -> PointFeatures:
        """The targets of the current frame; then it is remembered, and the oldest frame forgotten if there are k.

        points_world: metres, where the features of `current` belong.
        """
        if self.frames == 1:
            return current
        sums = self._sums_for(current)
        places = self._places(points_world.to(current.features.device))
        target = _fuse(current, sums, self._slots(places, sums))
        self._remember(places, current, sums)
        return target

    @torch.no_grad()
    def remember(self, points_world: Float64[Tensor, "points 3"], current: PointFeatures) -> None:
        """`step` for a frame whose targets nobody asks for: a sweep between two keyframes."""
        if self.frames > 1:
            places = self._places(points_world.to(current.features.device))
            self._remember(places, current, self._sums_for(current))

    def _sums_for(self, current: PointFeatures) -> VoxelSums:
        width = current.features.shape[1]
        if self._sums is None:
            self._sums = VoxelSums(width, current.features.device)
        if width != self._sums.features.shape[1]:
            raise ValueError(
                f"the memory holds features of width {self._sums.features.shape[1]}, got {width}: "
                "reset it when the teacher changes"
            )
        return self._sums

    def _remember(self, places: _Places, current: PointFeatures, sums: VoxelSums) -> None:
        if len(self._past) == self.frames - 1:
            leaving = self._past.popleft()
            sums.remove(leaving.slots, leaving.features, leaving.positions_m)
        self._past.append(_enter(places, current, sums))

    def _places(self, points_world: Float64[Tensor, "points 3"]) -> _Places:
        voxels = voxels_from_points(points_world, torch.full((3,), self.size_m, dtype=torch.float64))
        local_m = (points_world - voxels.double() * self.size_m).float()
        if self._origin is None:
            self._origin = voxels.amin(dim=0)  # voxels count from here, however far away the map's own origin is
        voxels = voxels - self._origin
        sorted_keys, order = torch.sort(keys_from_voxels(voxels), stable=True)
        keys, voxel_in_order = torch.unique_consecutive(sorted_keys, return_inverse=True)
        voxel_of_point = torch.empty_like(order)
        voxel_of_point[order] = voxel_in_order
        return _Places(voxels_from_keys(keys), keys, voxel_of_point, order, local_m)

    def _slots(self, places: _Places, sums: VoxelSums) -> Int64[Tensor, "points"]:
        """Where every point finds its past."""
        if self.association == "voxel":
            return sums.find(places.keys)[places.voxel_of_point]
        nearest = torch.full_like(places.voxel_of_point, NOTHING)
        nearest_m2 = torch.full_like(places.local_m[:, 0], torch.inf)
        for offset in itertools.product((-1, 0, 1), repeat=3):
            step = torch.tensor(offset, device=nearest.device)
            slots = sums.find(keys_from_voxels(places.voxels + step))
            centroids_m = sums.positions_m[slots] / sums.counts[slots, None] + step * self.size_m
            slots, centroids_m = slots[places.voxel_of_point], centroids_m[places.voxel_of_point]
            distance_m2 = (centroids_m - places.local_m).square().sum(dim=1)
            better = (slots != NOTHING) & (distance_m2 <= self.size_m**2) & (distance_m2 < nearest_m2)
            nearest = torch.where(better, slots, nearest)
            nearest_m2 = torch.where(better, distance_m2, nearest_m2)
        return nearest

    def state_dict(self) -> dict[str, Tensor]:
        """All that is remembered, as tensors: loaded into another bank, the same targets follow bit for bit."""
        if self._sums is None or self._origin is None:
            return {}
        row_of_slot = torch.zeros_like(self._sums.counts, dtype=torch.int64)
        row_of_slot[self._sums.slots] = torch.arange(len(self._sums.slots), device=row_of_slot.device)
        return {
            "origin": self._origin,
            "keys": self._sums.keys,
            "features": self._sums.features[self._sums.slots],
            "positions_m": self._sums.positions_m[self._sums.slots],
            "counts": self._sums.counts[self._sums.slots],
            "frame_voxels": torch.tensor([len(frame.slots) for frame in self._past]),
            "frame_rows": torch.cat([row_of_slot[frame.slots] for frame in self._past]),
            "frame_features": torch.cat([frame.features for frame in self._past]),
            "frame_positions_m": torch.cat([frame.positions_m for frame in self._past]),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Remember what `state` says, on the device where its tensors are, and nothing else."""
        self.reset()
        if not state:
            return
        self._origin = state["origin"].clone()
        self._sums, slots = VoxelSums.of(*(state[name] for name in ("keys", "features", "positions_m", "counts")))
        lengths = state["frame_voxels"].tolist()
        if len(lengths) >= self.frames:
            raise ValueError(f"a memory of {self.frames} frames cannot go on from one of {len(lengths) + 1}")
        self._past.extend(
            _PastFrame(slots[rows], features.clone(), positions_m.clone())
            for rows, features, positions_m in zip(
                *(state[name].split(lengths) for name in ("frame_rows", "frame_features", "frame_positions_m")),
                strict=True,
            )
        )

    @property
    def nbytes(self) -> int:
        """Memory of everything held."""
        past = sum(f.slots.nbytes + f.features.nbytes + f.positions_m.nbytes for f in self._past)
        return past + (self._sums.nbytes if self._sums is not None else 0)


def _fuse(current: PointFeatures, sums: VoxelSums, slots: Int64[Tensor, "points"]) -> PointFeatures:
    """The mean over the current frame, where it knows the point, and the frames in the point's slot."""
    known = current.known.to(current.features.dtype)
    frames = known + sums.counts[slots]
    # In place on one tensor: this is the part of a step that moves most memory.
    features = sums.features.index_select(0, slots)
    features.addcmul_(current.features, known[:, None])
    features.div_(frames.clamp(min=1)[:, None])
    return PointFeatures(features, frames > 0)


def _enter(places: _Places, current: PointFeatures, sums: VoxelSums) -> _PastFrame:
    """Add the mean feature and position of the known points of every voxel to the sums."""
    known_order = places.order[current.known[places.order]]
    voxels, points_of_voxel = torch.unique_consecutive(places.voxel_of_point[known_order], return_counts=True)
    starts = points_of_voxel.cumsum(dim=0) - points_of_voxel
    features = F.embedding_bag(known_order, current.features, starts, mode="mean")
    positions_m = F.embedding_bag(known_order, places.local_m, starts, mode="mean")
    slots = sums.add(places.keys[voxels], features, positions_m)
    return _PastFrame(slots, features, positions_m)
