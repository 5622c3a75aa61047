"""The frame that a report shows, with everything its pictures are drawn from."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int64, UInt8
from torch import Tensor

from lima.config import MethodConfig
from lima.data.pairs import PointPixelPairs, pairs_from_frame
from lima.method.cross_view import PointFeatures, aggregate_views
from lima.method.memory import MemoryBank
from lima.scene import Frame, Sequence

FRAMES_LOOKED_AT = 24
IMAGE_MARGIN = 0.12
NEAREST_QUERY_M, FARTHEST_QUERY_M = 4.0, 20.0
QUERY_SURROUNDINGS = 0.03
QUERY_CANDIDATES = 400

# What a query may lie on, the most wanted first; of each group the first class that can be seen is taken.
QUERY_CLASSES = (
    ("car", "truck", "bus"),
    ("driveable_surface", "road"),
    ("pedestrian", "person"),
    ("vegetation",),
    ("manmade", "building"),
)
# Where queries lie when there are too few classes: one camera after another, fractions of the image.
PLACES = {"bottom": (0.5, 0.85), "left": (0.2, 0.5), "right": (0.8, 0.5), "middle": (0.5, 0.5)}
QUERIES_WANTED = 4


@dataclass(frozen=True, eq=False)
class Exhibit:
    """One frame and what the method makes of it.

    labels: 0 where ignored; None where the dataset has none. depth_m: along every camera's axis. unified: F_u, the
    teacher's features at the points that a camera sees now. in_memory: points whose place one of the remembered
    frames has seen.
    """

    frame: Frame
    class_names: tuple[str, ...]
    labels: Int64[Tensor, "points"] | None
    pixels: tuple[UInt8[Tensor, "3 _ _"], ...]
    pairs: PointPixelPairs
    depth_m: Float32[Tensor, "cams points"]
    image_features: Float[Tensor, "cams dim rows cols"]
    unified: PointFeatures
    in_memory: Bool[Tensor, "points"]

    @property
    def points_ego(self) -> Float32[Tensor, "points 3"]:
        """The sweep in the vehicle's frame: x ahead, y to the left."""
        return self.frame.sweep.ego_from_lidar.apply(self.frame.sweep.points_lidar)


@dataclass(frozen=True)
class Query:
    """A point whose likeness to everything else is drawn: its number, the camera that shows it, and what it is."""

    point: int
    cam: int
    name: str


def gather(
    frame: Frame,
    past: Iterable[Frame],
    class_names: tuple[str, ...],
    labels: Int64[Tensor, "points"] | None,
    features_of: Callable[[Frame], Float[Tensor, "cams dim rows cols"]],
    method: MethodConfig,
) -> Exhibit:
    """Everything about a frame. past: the frames before it, oldest first, as many as the memory holds."""
    pairs = pairs_from_frame(frame, method.occlusion_test)
    image_features = features_of(frame).float()
    return Exhibit(
        frame=frame,
        class_names=class_names,
        labels=labels,
        pixels=tuple(image.read_pixels() for image in frame.images),
        pairs=pairs,
        depth_m=depths_m(frame),
        image_features=image_features,
        unified=aggregate_views(image_features, pairs, method.aggregation),
        in_memory=_seen_before(frame, past, method),
    )


def depths_m(frame: Frame) -> Float32[Tensor, "cams points"]:
    """How far every point lies along every camera's axis."""
    sweep = frame.sweep
    transforms = [image.world_from_cam.inverse() @ sweep.world_from_lidar for image in frame.images]
    return torch.stack([cam_from_lidar.apply(sweep.points_lidar)[:, 2] for cam_from_lidar in transforms])


def _seen_before(frame: Frame, past: Iterable[Frame], method: MethodConfig) -> Bool[Tensor, "points"]:
    """Which points get something from the memory alone: the bank itself answers, asked with nothing known now."""
    bank = MemoryBank(method.frames, method.association, method.association_size_m)
    for past_frame in past:
        known = pairs_from_frame(past_frame, method.occlusion_test).visible.any(dim=0)
        bank.step(_points_world(past_frame), PointFeatures(torch.ones(len(known), 1), known))
    nothing = torch.zeros(len(frame.sweep.points_lidar), dtype=torch.bool)
    return bank.step(_points_world(frame), PointFeatures(torch.ones(len(nothing), 1), nothing)).known


def _points_world(frame: Frame) -> Tensor:
    return frame.sweep.world_from_lidar.apply(frame.sweep.points_lidar.double())


def choose_frame(
    sequences: Series[Sequence], read_labels: Callable[[Frame], Tensor | None], frames: int
) -> tuple[Sequence, int]:
    """The frame to show: with a full memory behind it, and the most classes; the first such one.

    At most `FRAMES_LOOKED_AT` frames, evenly spread, are read for it.
    """
    places = [
        (sequence, index) for sequence in sequences for index in range(min(frames, len(sequence)) - 1, len(sequence))
    ]
    if not places:
        raise ValueError("there is no frame to show: the split has no sequences, or only empty ones")
    step = max(1, -(-len(places) // FRAMES_LOOKED_AT))
    best, most = places[0], -1
    for sequence, index in places[step // 2 :: step] or places:
        labels = read_labels(sequence.frame(index))
        classes = 0 if labels is None else len(torch.unique(labels[labels > 0]))
        if classes > most:
            best, most = (sequence, index), classes
    return best


def choose_queries(exhibit: Exhibit) -> list[Query]:
    """Points on different classes, each amid its own in the image; then fixed places, where classes are too few."""
    queries = []
    for group in QUERY_CLASSES if exhibit.labels is not None else ():
        on_classes = (_query_on(exhibit, name) for name in group if name in exhibit.class_names)
        first = next((query for query in on_classes if query is not None), None)
        if first is not None:
            queries.append(first)
    return (queries + _queries_at_places(exhibit))[:QUERIES_WANTED]


def _clearly_visible(exhibit: Exhibit, cam: int) -> Bool[Tensor, "points"]:
    uv, depth_m = exhibit.pairs.uv[cam], exhibit.depth_m[cam]
    inside = ((uv > IMAGE_MARGIN) & (uv < 1 - IMAGE_MARGIN)).all(dim=1)
    return exhibit.pairs.visible[cam] & inside & (depth_m > NEAREST_QUERY_M) & (depth_m < FARTHEST_QUERY_M)


def _query_on(exhibit: Exhibit, name: str) -> Query | None:
    """The point with the most points of its class, less those of others, close by in the image; None if none."""
    assert exhibit.labels is not None
    label = exhibit.class_names.index(name)
    best, most = None, 0
    for cam in range(len(exhibit.pixels)):
        candidates = (_clearly_visible(exhibit, cam) & (exhibit.labels == label)).nonzero().flatten()
        candidates = candidates[:: max(1, len(candidates) // QUERY_CANDIDATES)]
        around = exhibit.pairs.visible[cam].nonzero().flatten()
        if len(candidates) == 0:
            continue
        distance = torch.cdist(exhibit.pairs.uv[cam, candidates], exhibit.pairs.uv[cam, around])
        votes = torch.where(exhibit.labels[around] == label, 1, -3)
        scores = ((distance < QUERY_SURROUNDINGS) * votes).sum(dim=1)
        if int(scores.max()) > most:
            most = int(scores.max())
            best = Query(int(candidates[scores.argmax()]), cam, name)
    return best


def _queries_at_places(exhibit: Exhibit) -> list[Query]:
    queries = []
    for number, (words, place) in enumerate(PLACES.items()):
        cam = number % len(exhibit.pixels)
        candidates = exhibit.pairs.visible[cam].nonzero().flatten()
        if len(candidates):
            distance = (exhibit.pairs.uv[cam, candidates] - torch.tensor(place)).norm(dim=1)
            name = f"{words} of {exhibit.frame.images[cam].name}"
            queries.append(Query(int(candidates[distance.argmin()]), cam, name))
    return queries
