"""Boxes in pictures: on the cameras, and from above beside the annotated ones."""

from __future__ import annotations

from collections.abc import Sequence as Series
from dataclasses import dataclass

import torch
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from lima.evaluate.colouring import NUSCENES_RGB
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.pictures import NIGHT, SUPERSAMPLING, Colour, birds_eye, panel_position, photograph
from lima.evaluate.plates import camera_order
from lima.geometry.boxes import Boxes
from lima.scene import CameraImage, Frame

SHOWN_SCORE = 0.3
NEAR_M = 0.3  # edges are cut off there, in front of the lens
TRUE_RGB = (245, 245, 245)
POINT_RGB = (104, 116, 130)
CAMERA_WIDTH_PX, ABOVE_PX, LINE_PX = 480, 720, 26
RANGE_M = 45.0
EDGES = tuple((a, (a + 1) % 4) for a in range(4)) + tuple((a + 4, (a + 1) % 4 + 4) for a in range(4))
FRONT_TO_BACK = tuple((a, a + 4) for a in range(4))
"""corners 0 … 3 are the front, 4 … 7 the back in the same order (`Boxes.corners_m`)"""


def class_colour(name: str) -> Colour:
    """nuScenes's colour of a class, lightened so that it shows on a dark ground."""
    red, green, blue = (round(0.62 * part + 0.38 * 255) for part in NUSCENES_RGB[name])
    return red, green, blue


def detection_picture(frame: Frame, found: LidarBoxes) -> Image.Image:
    """The cameras with the boxes that were found in their classes' colours; below, from above, the annotated boxes on
    the left and on the right both. Annotated boxes are white, found ones need a score of 0.3, a stroke says the front.

    Raises ValueError for a frame without boxes.
    """
    if frame.read_boxes is None:
        raise ValueError(f"frame {frame.token} ({frame.sequence}) has no boxes to draw")
    true, _ = LidarBoxes.of(frame.read_boxes(), frame.sweep.world_from_lidar)
    shown = found.to("cpu")[found.scores.cpu() >= SHOWN_SCORE]
    cameras = [_camera_picture(frame, frame.images[cam], shown) for cam in camera_order(frame.images)]
    rows = [cameras[start : start + 3] for start in range(0, len(cameras), 3)]
    from_above = [_above(frame, [(true, True)]), _above(frame, [(true, False), (shown, True)])]
    height = sum(max(picture.height for picture in row) for row in rows) + ABOVE_PX + LINE_PX
    canvas = Image.new("RGB", (2 * ABOVE_PX, height), NIGHT.plain)
    top = 0
    for row in rows:
        for place, picture in enumerate(row):
            canvas.paste(picture, (place * CAMERA_WIDTH_PX, top))
        top += max(picture.height for picture in row)
    for place, picture in enumerate(from_above):
        canvas.paste(picture, (place * ABOVE_PX, top))
    _key(canvas, top + ABOVE_PX, sorted({*true.classes.tolist(), *shown.classes.tolist()}))
    return canvas


@dataclass(frozen=True)
class PictureParts:
    """The pieces of a picture: the cameras, and from above the annotated boxes, and the found ones over them."""

    cameras: Image.Image | None
    annotated: Image.Image
    found: Image.Image


def split_picture(picture: Image.Image) -> PictureParts:
    """What `detection_picture` put together, taken apart. Raises ValueError for another picture."""
    top = picture.height - ABOVE_PX - LINE_PX
    if picture.width != 2 * ABOVE_PX or top < 0:
        raise ValueError(f"a picture of {picture.width} x {picture.height} px is none of detections: draw it again")
    annotated, found = (picture.crop((left, top, left + ABOVE_PX, top + ABOVE_PX)) for left in (0, ABOVE_PX))
    return PictureParts(picture.crop((0, 0, picture.width, top)) if top else None, annotated, found)


def _camera_picture(frame: Frame, image: CameraImage, found: LidarBoxes) -> Image.Image:
    picture = photograph(image.read_pixels(), CAMERA_WIDTH_PX)
    cam_from_lidar = image.world_from_cam.inverse() @ frame.sweep.world_from_lidar
    corners = cam_from_lidar.apply(as_boxes(found).corners_m())
    draw = ImageDraw.Draw(picture)
    scale = picture.width / image.camera.width_px
    for box in torch.argsort(corners[:, :, 2].mean(dim=1), descending=True).tolist():
        colour = class_colour(DETECTION_CLASSES[int(found.classes[box])])
        for a, b in (*EDGES, *FRONT_TO_BACK):
            ends = in_front(corners[box, a], corners[box, b])
            if ends is None:
                continue
            uv, _ = image.camera.project(ends)
            if bool((uv.abs() < 4 * image.camera.width_px).all()):  # far beyond the picture numbers lose their sense
                line = ((uv + 0.5) * scale).flatten().tolist()
                draw.line(line, fill=colour, width=2)
    return picture


def in_front(a: Float[Tensor, "3"], b: Float[Tensor, "3"]) -> Float[Tensor, "2 3"] | None:
    """What of an edge lies at least `NEAR_M` in front of the camera; None where nothing does."""
    ends, depths = torch.stack([a, b]), torch.stack([a[2], b[2]])
    if bool((depths < NEAR_M).all()):
        return None
    if bool((depths >= NEAR_M).all()):
        return ends
    behind = int(depths.argmin())
    share = (NEAR_M - depths[behind]) / (depths[1 - behind] - depths[behind])
    ends[behind] = ends[behind] + share * (ends[1 - behind] - ends[behind])
    return ends


def as_boxes(boxes: LidarBoxes) -> Boxes:
    """As `Boxes`, in the LiDAR's frame."""
    velocities = torch.cat([boxes.values[:, 7:], torch.zeros(len(boxes), 1)], dim=1)
    return Boxes(
        centres_m=boxes.values[:, :3].double(),
        sizes_m=boxes.values[:, 3:6].double(),
        rotations=boxes.rotations().double(),
        velocities_mps=velocities.double(),
        categories=tuple(DETECTION_CLASSES[cls] for cls in boxes.classes.tolist()),
        instances=("",) * len(boxes),
    )


def _above(frame: Frame, layers: Series[tuple[LidarBoxes, bool]]) -> Image.Image:
    """The sweep and layers of boxes; in the colours of their classes, or white."""
    sweep = frame.sweep
    points = sweep.ego_from_lidar.apply(sweep.points_lidar)
    colours = torch.tensor(POINT_RGB, dtype=torch.uint8).expand(len(points), 3)
    picture = birds_eye(points, colours, RANGE_M, ABOVE_PX, radius_px=0.7)
    canvas = picture.resize((SUPERSAMPLING * ABOVE_PX,) * 2)
    draw = ImageDraw.Draw(canvas)
    for boxes, coloured in layers:
        corners = sweep.ego_from_lidar.apply(_with_front(boxes)).float()
        at = panel_position(corners.reshape(-1, 3), RANGE_M).view(-1, 6, 2) * canvas.width
        for box in range(len(boxes)):
            colour = class_colour(DETECTION_CLASSES[int(boxes.classes[box])]) if coloured else TRUE_RGB
            outline = [tuple(corner) for corner in at[box, :4].tolist()]
            draw.line([*outline, outline[0]], fill=colour, width=4 if coloured else 2)
            draw.line([tuple(end) for end in at[box, 4:].tolist()], fill=colour, width=4 if coloured else 2)
    return canvas.resize((ABOVE_PX, ABOVE_PX), Image.Resampling.BOX)


def _with_front(boxes: LidarBoxes) -> Float[Tensor, "boxes 6 3"]:
    """Corners seen from above, the middle, and the middle of the front, at the height of the middle."""
    outline = boxes.corners_bev()
    front = (outline[:, :1] + outline[:, 3:]) / 2
    plane = torch.cat([outline, boxes.values[:, None, :2], front], dim=1)
    return torch.cat([plane, boxes.values[:, None, 2:3].expand(-1, 6, 1)], dim=2)


def _key(canvas: Image.Image, top: int, classes: Series[int]) -> None:
    draw, font, left = ImageDraw.Draw(canvas), ImageFont.load_default(size=14), 10
    words = [("left: annotated   right: found, annotated in white", TRUE_RGB)]
    words += [(DETECTION_CLASSES[cls].replace("_", " "), class_colour(DETECTION_CLASSES[cls])) for cls in classes]
    for text, colour in words:
        draw.text((left, top + 4), text, colour, font)
        left += int(draw.textlength(text, font)) + 18
