"""Pictures of points: painted on the camera's image, and seen from above. Drawn with discs, larger and smoothed down.

Positions are fractions of the picture, (0, 0) its outer corner and (1, 1) the opposite one, as in `PointPixelPairs`.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Colour = tuple[int, int, int]

SUPERSAMPLING = 2
QUERY_RED = (255, 32, 32)


@dataclass(frozen=True)
class Ground:
    """What a picture from above is drawn on, the colour of its rings and of its words."""

    plain: Colour
    rings: Colour
    words: Colour


NIGHT = Ground((20, 24, 29), (58, 66, 76), (235, 238, 240))
PAPER = Ground((243, 244, 242), (205, 209, 212), (60, 66, 72))  # some of nuScenes' class colours are very dark
VEHICLE_M = torch.tensor([[2.2, 0.0, 0.0], [-1.6, 1.1, 0.0], [-0.9, 0.0, 0.0], [-1.6, -1.1, 0.0]])  # an arrow


def photograph(pixels: UInt8[Tensor, "3 height width"], width_px: int) -> Image.Image:
    """The camera's image at the width of a picture."""
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    return picture.resize((width_px, round(width_px * picture.height / picture.width)), Image.Resampling.LANCZOS)


def faded(picture: Image.Image, strength: float = 0.55, colour: float = 0.25) -> Image.Image:
    """The same picture darker and greyer: a ground on which coloured points stand out."""
    grey = picture.convert("L").convert("RGB")
    dark = Image.new("RGB", picture.size)
    return Image.blend(dark, Image.blend(grey, picture, colour), strength)


def paint_points(
    ground: Image.Image,
    uv: Float[Tensor, "points 2"],
    depth_m: Float[Tensor, "points"],
    colours: UInt8[Tensor, "points 3"],
    radius_at_10_m_px: float = 2.6,
) -> Image.Image:
    """Discs on a picture, far ones first and smaller, as nearer things hide farther ones."""
    canvas = ground.resize((ground.width * SUPERSAMPLING, ground.height * SUPERSAMPLING), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(canvas)
    order = torch.argsort(depth_m, descending=True, stable=True)
    radius = (radius_at_10_m_px * 10 / depth_m).clamp(0.4 * radius_at_10_m_px, 1.2 * radius_at_10_m_px) * SUPERSAMPLING
    at = uv[order] * torch.tensor([canvas.width, canvas.height])
    _draw_discs(draw, at, radius[order], colours[order])
    return canvas.resize(ground.size, Image.Resampling.BOX)


def mark_query(picture: Image.Image, uv: Float[Tensor, "2"]) -> Image.Image:
    """A red disc with a white rim at a position given as a fraction of the picture."""
    canvas = picture.resize((picture.width * SUPERSAMPLING, picture.height * SUPERSAMPLING), Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(canvas)
    x, y = float(uv[0]) * canvas.width, float(uv[1]) * canvas.height
    rim = max(picture.width / 75, 6) * SUPERSAMPLING
    for radius, colour in ((rim, (255, 255, 255)), (0.72 * rim, QUERY_RED)):
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=colour)
    return canvas.resize(picture.size, Image.Resampling.BOX)


def blend_map(ground: Image.Image, colours: UInt8[Tensor, "rows cols 3"], strength: float) -> Image.Image:
    """A coarse map of colours laid over the whole picture, smoothly enlarged."""
    coarse = Image.fromarray(colours.contiguous().numpy())
    return Image.blend(ground, coarse.resize(ground.size, Image.Resampling.BICUBIC), strength)


def birds_eye(
    points_ego: Float[Tensor, "points 3"],
    colours: UInt8[Tensor, "points 3"],
    range_m: float = 45.0,
    size_px: int = 720,
    radius_px: float = 1.6,
    query: int | None = None,
    ground: Ground = NIGHT,
) -> Image.Image:
    """The sweep from above, low points first, the way ahead (the vehicle's x axis) up, with a ring every 10 m.

    query: the point to mark in red.
    """
    canvas = Image.new("RGB", (size_px * SUPERSAMPLING, size_px * SUPERSAMPLING), ground.plain)
    draw = ImageDraw.Draw(canvas)
    middle = canvas.width / 2
    for ring_m in range(10, int(range_m) + 1, 10):
        ring = ring_m / range_m * middle
        draw.ellipse([middle - ring, middle - ring, middle + ring, middle + ring], outline=ground.rings, width=2)
    order = torch.argsort(points_ego[:, 2], stable=True)
    at = panel_position(points_ego[order], range_m) * canvas.width
    inside = ((at >= 0) & (at < canvas.width)).all(dim=1)
    radius = torch.full((int(inside.sum()),), radius_px * SUPERSAMPLING)
    _draw_discs(draw, at[inside], radius, colours[order][inside])
    font = ImageFont.load_default(size=13 * SUPERSAMPLING)
    for ring_m in range(20, int(range_m) + 1, 20):
        above = middle - ring_m / range_m * middle
        words = f"{ring_m} m"
        draw.text((middle, above), words, ground.words, font, "mm", stroke_width=4, stroke_fill=ground.plain)
    draw.polygon(
        [(float(x), float(y)) for x, y in panel_position(VEHICLE_M, range_m) * canvas.width], fill=ground.words
    )
    picture = canvas.resize((size_px, size_px), Image.Resampling.BOX)
    return picture if query is None else mark_query(picture, panel_position(points_ego[query][None], range_m)[0])


def panel_position(points_ego: Float[Tensor, "points 3"], range_m: float) -> Float[Tensor, "points 2"]:
    """Fractions of the picture from above: (0.5, 0.5) is the vehicle, ahead is up and its left is left."""
    return torch.stack([0.5 - points_ego[:, 1] / (2 * range_m), 0.5 - points_ego[:, 0] / (2 * range_m)], dim=1)


def data_uri(picture: Image.Image, quality: int = 80) -> str:
    """The picture as a JPEG inside a data: address, so that a page needs no other file."""
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _draw_discs(
    draw: ImageDraw.ImageDraw,
    at: Float[Tensor, "points 2"],
    radius: Float[Tensor, "points"],
    colours: UInt8[Tensor, "points 3"],
) -> None:
    for (x, y), r, colour in zip(at.tolist(), radius.tolist(), colours.tolist(), strict=True):
        draw.ellipse([x - r, y - r, x + r, y + r], fill=tuple(colour))
