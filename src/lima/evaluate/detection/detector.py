"""The detector: a VoxelNet, the network on its map from above, and a head; saved in a folder and loaded from it."""

from __future__ import annotations

import json
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lima.config import DetectorConfig, StudentConfig
from lima.encoder import load_encoder, save_student
from lima.evaluate.detection.anchor_head import AnchorHead
from lima.evaluate.detection.bev import BevBackbone
from lima.evaluate.detection.bev_map import STRIDE, BevMap
from lima.evaluate.detection.center_head import SHARED_DIM, CenterHead
from lima.evaluate.detection.lidar_boxes import LENGTH, WIDTH, YAW, LidarBoxes, X, Y
from lima.evaluate.detection.nms import rotated_nms
from lima.scene import Batch
from lima.students.student import VOXELNET, Student, VoxelNetStudent
from lima.train.processes import ALONE, Processes
from lima.train.run_folder import write_atomically

MAX_BOXES = 500  # of a frame, by the rules of `detection_cvpr_2019`
HEAD_FILE = "detector.safetensors"
DESCRIPTION_FILE = "detector.json"


class Detector(nn.Module):
    """Points with times to boxes. student: whose backbone is used; its own features per point are not."""

    def __init__(self, student: VoxelNetStudent, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.student = student
        backbone = student.backbone
        cols, rows, _ = backbone.bev_cells
        grid, up = student.voxeliser, config.head_upsampling
        self.bev = BevBackbone(backbone.bev_dim, config.bev_width, config.bev_layers, up)
        cell_m = (grid.size_m[0] * STRIDE / up, grid.size_m[1] * STRIDE / up)
        bev_map = BevMap((grid.low_m[0], grid.low_m[1]), cell_m, rows * up, cols * up)
        self.head = _head(self.bev.dim, bev_map, config)

    def forward(self, batch: Batch, seconds_before: Float[Tensor, "points"]) -> Any:
        """What the head says about the sweeps of the batch."""
        found = self.student.backbone(self.student.voxels(batch, seconds_before))
        return self.head(self.bev(self.student.backbone.bev(found.out, batch.sweeps)))

    def loss(
        self,
        batch: Batch,
        seconds_before: Float[Tensor, "points"],
        boxes: Series[LidarBoxes],
        processes: Processes = ALONE,
    ) -> dict[str, Float[Tensor, ""]]:
        """The parts of the loss, to be added up; of several processes, this one's share."""
        return self.head.loss(self(batch, seconds_before), boxes, processes)

    @torch.no_grad()
    def detect(self, batch: Batch, seconds_before: Float[Tensor, "points"]) -> list[LidarBoxes]:
        """The boxes in every sweep, the best first; at most 500."""
        found = self.head.candidates(self(batch, seconds_before), self.config.min_score)
        return [self._suppressed(boxes) for boxes in found]

    def _suppressed(self, boxes: LidarBoxes) -> LidarBoxes:
        """Class by class the boxes that no better one overlaps."""
        parts = []
        for cls in torch.unique(boxes.classes):
            of_class = boxes[boxes.classes == cls]
            rectangles = of_class.values[:, [X, Y, LENGTH, WIDTH, YAW]]
            parts.append(of_class[rotated_nms(rectangles, of_class.scores, self.config.nms_iou)])
        kept = LidarBoxes.concatenate(parts) if parts else boxes
        return kept[torch.argsort(kept.scores, descending=True, stable=True)[:MAX_BOXES]]


def _head(in_dim: int, bev_map: BevMap, config: DetectorConfig) -> CenterHead | AnchorHead:
    """The head that the settings name."""
    weight = {} if config.box_weight is None else {"box_weight": config.box_weight}
    if config.head == "second":
        return AnchorHead(in_dim, bev_map, **weight)
    channels = SHARED_DIM if config.head_channels is None else config.head_channels
    return CenterHead(in_dim, bev_map, channels, **weight)


def student_for_detection(student: Student) -> VoxelNetStudent:
    """The student, if it is one that a detector can be built on. Raises ValueError otherwise."""
    if not isinstance(student, VoxelNetStudent):
        raise ValueError(
            f"detection needs a run of the student {VOXELNET}, this one's is a {type(student.backbone).__name__}: "
            f"lima pretrain DATA --student {VOXELNET} --out RUN"
        )
    return student


def save_detector(folder: Path, detector: Detector, student: StudentConfig) -> None:
    """Writes the student as `load_encoder` reads it, the rest's weights beside it, and `detector.json`."""
    save_student(folder, detector.student, student)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in detector.state_dict().items()
        if not name.startswith("student.")
    }
    save_file(weights, folder / (HEAD_FILE + ".part"))
    (folder / (HEAD_FILE + ".part")).replace(folder / HEAD_FILE)
    write_atomically(folder / DESCRIPTION_FILE, json.dumps({"detector": asdict(detector.config)}, indent=1) + "\n")


def load_detector(folder: Path) -> Detector:
    """The detector that `save_detector` wrote, in evaluation mode. Raises FileNotFoundError where a file is missing."""
    for name in (DESCRIPTION_FILE, HEAD_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: lima detect RUN DATA --out DIR leaves it in DIR")
    config = DetectorConfig(**json.loads((folder / DESCRIPTION_FILE).read_text())["detector"])
    detector = Detector(student_for_detection(load_encoder(folder).student), config)
    weights = load_file(folder / HEAD_FILE)
    missing, unexpected = detector.load_state_dict(weights, strict=False)
    lost = [name for name in missing if not name.startswith("student.")]
    if lost or unexpected:
        raise ValueError(f"{folder / HEAD_FILE} does not fit {DESCRIPTION_FILE}: {[*lost, *unexpected][:8]}")
    return detector.eval()
