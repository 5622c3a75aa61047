"""Oracles: a box stands where its post is drawn; edges cut off at the lens by arithmetic."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import ImageChops

from lima.datasets import open_dataset
from lima.evaluate.detection.classes import DETECTION_CLASSES
from lima.evaluate.detection.lidar_boxes import LidarBoxes
from lima.evaluate.detection.pictures import (
    ABOVE_PX,
    CAMERA_WIDTH_PX,
    EDGES,
    FRONT_TO_BACK,
    RANGE_M,
    as_boxes,
    class_colour,
    detection_picture,
    in_front,
)
from lima.evaluate.pictures import panel_position
from tests.evaluate.detection.lidar_boxes import spread_boxes


def test_edges_are_the_twelve_sides_of_a_box() -> None:
    """Along every edge two of the three coordinates stay."""
    box = spread_boxes()[torch.tensor([0])]
    box.values[0] = torch.tensor([0.0, 0, 0, 4, 2, 1, 0, 0, 0])
    corners = as_boxes(box).corners_m()[0]
    pairs = {frozenset(edge) for edge in (*EDGES, *FRONT_TO_BACK)}
    assert len(pairs) == 12
    for a, b in (*EDGES, *FRONT_TO_BACK):
        assert int((corners[a] != corners[b]).sum()) == 1


def test_an_edge_through_the_lens_is_cut_there() -> None:
    behind, ahead = torch.tensor([0.0, 0.0, -0.7]), torch.tensor([2.0, 4.0, 1.3])
    found = in_front(behind, ahead)
    assert found is not None
    assert torch.allclose(found, torch.tensor([[1.0, 2.0, 0.3], [2.0, 4.0, 1.3]]))
    assert torch.equal(in_front(ahead, ahead + 1), torch.stack([ahead, ahead + 1]))  # type: ignore[arg-type]
    assert in_front(behind, behind) is None
    assert behind[2] == torch.tensor(-0.7)


def test_a_found_box_is_drawn_in_its_colour_where_it_is(simulated_nuscenes: Path) -> None:
    frame = open_dataset(simulated_nuscenes).sequences("val")[0].frame(2)
    ego = torch.tensor([[12.0, -6.0, 0.8]])
    centre = frame.sweep.ego_from_lidar.inverse().apply(ego)[0]
    box = torch.tensor([[*centre.tolist(), 6.0, 3.0, 2.0, 0.4, 0.0, 0.0]])
    bus = DETECTION_CLASSES.index("bus")
    found = LidarBoxes(box, torch.tensor([bus]), torch.tensor([0.9]))
    bare, drawn = detection_picture(frame, LidarBoxes.none()), detection_picture(frame, found)
    assert drawn.size == bare.size
    assert drawn.width == 2 * ABOVE_PX == 3 * CAMERA_WIDTH_PX
    top = 2 * round(CAMERA_WIDTH_PX * 126 / 224)
    left = drawn.crop((0, top, ABOVE_PX, top + ABOVE_PX))
    assert ImageChops.difference(left, bare.crop((0, top, ABOVE_PX, top + ABOVE_PX))).getbbox() is None
    right = ImageChops.difference(drawn, bare).crop((ABOVE_PX, top, 2 * ABOVE_PX, top + ABOVE_PX))
    x0, y0, x1, y1 = right.getbbox()
    middle = panel_position(ego, RANGE_M)[0] * ABOVE_PX
    assert abs((x0 + x1) / 2 - float(middle[0])) < 3
    assert abs((y0 + y1) / 2 - float(middle[1])) < 3
    assert class_colour("bus") in {colour for _, colour in drawn.getcolors(1 << 24)}
    cameras = ImageChops.difference(drawn, bare).crop((0, 0, drawn.width, top))
    assert cameras.getbbox() is not None  # some camera sees a bus ahead to the right
    weak = LidarBoxes(box, found.classes, torch.tensor([0.2]))
    assert ImageChops.difference(detection_picture(frame, weak), bare).getbbox() is None
