"""The map of nuScenes: a picture from above, white where one may drive or walk."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from streetsim.mesh import Mesh
from streetsim.semantics import Semantic

RESOLUTION_M = 0.1
EXTENT_M = 500.0
_WHITE = (Semantic.ROAD, Semantic.PARKING, Semantic.SIDEWALK, Semantic.OTHER_FLAT)
_BLACK = (Semantic.TERRAIN, Semantic.BUILDING)


def map_mask(ground: Mesh, origin_m: tuple[float, float]) -> Image.Image:
    """The mask of a square of 500 m with its lower left corner at -origin_m in the world, the lowest ground first."""
    corners = ground.vertices_m[ground.triangles].astype(np.float64)
    horizontal = np.isin(ground.semantic, [*_WHITE, *_BLACK])
    order = np.flatnonzero(horizontal)
    order = order[np.argsort(corners[order, :, 2].mean(axis=1), kind="stable")]
    white = np.isin(ground.semantic, _WHITE)
    side_px = round(EXTENT_M / RESOLUTION_M)
    columns = (corners[..., 0] + origin_m[0]) / RESOLUTION_M
    rows = side_px - (corners[..., 1] + origin_m[1]) / RESOLUTION_M
    places = np.stack([columns, rows], axis=-1).reshape(-1, 6)
    mask = Image.new("L", (side_px, side_px), 0)
    draw = ImageDraw.Draw(mask)
    for triangle in order:
        draw.polygon(places[triangle].tolist(), fill=255 if white[triangle] else 0)
    return mask
