"""All twenty-four corruptions of one sweep on one picture, from above."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lima.config import AtGap
from lima.datasets import open_dataset
from lima.evaluate.colouring import scale_colours
from lima.evaluate.corruptions.corrupted import SEVERITIES, KnownClasses, Severity, generator_for
from lima.evaluate.corruptions.every import CORRUPTIONS, corrupt
from lima.evaluate.pictures import PAPER, VEHICLE_M, Colour, panel_position
from lima.evaluate.probe_features import labels_of
from lima.scene import Frame, Sweep

UNREAL: Colour = (222, 45, 38)
PANEL_PX = 360
RANGE_M = 32.0
MARGIN_PX, HEAD_PX = 4, 22
BRIGHT = 0.35
"""intensity of the brightest colour; the colours follow its root, because most echoes are faint"""


Drawn = Callable[[str, Severity], tuple[Sweep, Bool[Tensor, "points"]]]
"""by corruption and severity: the corrupted sweep, and which of its points are unreal"""


def contact_sheet(clean: Sweep, corrupted: Drawn) -> Image.Image:
    """A row per corruption: the clean sweep, then light, moderate and heavy. The way ahead (the vehicle's x) is up.

    Colours are intensities, dark to bright; unreal points (fog, snow, crosstalk) are red.
    """
    columns, cell = 1 + len(SEVERITIES), PANEL_PX + MARGIN_PX
    sheet = Image.new("RGB", (columns * cell, len(CORRUPTIONS) * (cell + HEAD_PX)), (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    points = len(clean.points_lidar)
    clean_panel = _panel(clean, torch.zeros(points, dtype=torch.bool))
    for row, name in enumerate(CORRUPTIONS):
        top = row * (cell + HEAD_PX)
        panels = [("clean", clean_panel)]
        for severity in SEVERITIES:
            sweep, unreal = corrupted(name, severity)
            left, unreal_share = 100 * len(unreal) / points, 100 * float(unreal.float().mean())
            words = f"{name.replace('_', ' ')}, {severity}: {left:.0f} % left"
            panels.append((words + (f", {unreal_share:.1f} % unreal" if unreal_share else ""), _panel(sweep, unreal)))
        for column, (words, panel) in enumerate(panels):
            draw.text((column * cell + 2, top + 3), words, (30, 34, 40), font)
            sheet.paste(panel, (column * cell, top + HEAD_PX))
    return sheet


def computed(frame: Frame, class_names: tuple[str, ...], seed: int = 0) -> Drawn:
    """The frame as the corruptions leave it that are scored with this seed."""
    known = KnownClasses(labels_of(frame), class_names)

    def drawn(name: str, severity: Severity) -> tuple[Sweep, Bool[Tensor, "points"]]:
        found = corrupt(name, frame.sweep, known, severity, generator_for(seed, name, severity, frame.token))
        return found.sweep, found.unreal

    return drawn


def _panel(sweep: Sweep, unreal: Tensor) -> Image.Image:
    """A sweep from above, high points over low ones and unreal ones over all."""
    points = sweep.ego_from_lidar.apply(sweep.points_lidar.double()).float()
    colours = scale_colours(sweep.intensity.clamp(min=0).sqrt(), 0.0, BRIGHT**0.5)
    colours[unreal] = torch.tensor(UNREAL, dtype=torch.uint8)
    order = torch.argsort(points[:, 2] + 1000 * unreal, stable=True)
    pixels = torch.tensor(PAPER.plain, dtype=torch.uint8).repeat(PANEL_PX, PANEL_PX, 1)
    at = (panel_position(points[order], RANGE_M) * PANEL_PX).floor().long()
    for right in (0, 1):
        _dot(pixels, at + torch.tensor([right, 0]), colours[order])
    _dot(pixels, at + torch.tensor([0, 1]), colours[order])
    panel = Image.fromarray(pixels.numpy())
    outline = panel_position(VEHICLE_M, RANGE_M) * PANEL_PX
    ImageDraw.Draw(panel).polygon([(float(x), float(y)) for x, y in outline], fill=PAPER.words)
    return panel


def _dot(pixels: UInt8[Tensor, "size size 3"], at: Tensor, colours: UInt8[Tensor, "points 3"]) -> None:
    """Paint points in order; the last one on a pixel stays."""
    inside = ((at >= 0) & (at < PANEL_PX)).all(dim=1)
    place = at[inside, 1] * PANEL_PX + at[inside, 0]
    last = torch.full((PANEL_PX * PANEL_PX,), -1).scatter_reduce(0, place, torch.arange(len(place)), "amax")
    painted = last >= 0
    pixels.view(-1, 3)[painted] = colours[inside][last[painted]]


def draw_corruptions(
    data: Path,
    out: Path,
    split: str | None = None,
    drive: int = 0,
    keyframe: int | None = None,
    seed: int = 0,
    at_gap: AtGap = "raise",
) -> None:
    """`lima corruptions DATA --out sheet.png`. keyframe: the middle one of the drive when left out.

    Raises ValueError for a drive or keyframe that is not there, or a picture that cannot be written.
    """
    dataset = open_dataset(data, at_gap)
    sequences = dataset.sequences(split)
    if not 0 <= drive < len(sequences):
        raise ValueError(f"there are drives 0 … {len(sequences) - 1}, not {drive} ({data})")
    sequence = sequences[drive]
    chosen = len(sequence) // 2 if keyframe is None else keyframe
    if not 0 <= chosen < len(sequence):
        raise ValueError(f"{sequence.name} has keyframes 0 … {len(sequence) - 1}, not {chosen}")
    frame = sequence.frame(chosen)
    sheet = contact_sheet(frame.sweep, computed(frame, dataset.class_names, seed))
    out.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(out)
    print(f"{out}: keyframe {chosen} of {sequence.name} ({dataset.name})")
