"""Predicted classes of points in the files that a dataset's own evaluation reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from torch import Tensor

from lima.datasets.labels import CLASS_NAMES
from lima.datasets.nuscenes import LIDAR_CHANNEL, NuScenes
from lima.datasets.scan_dataset import ScanDataset
from lima.scene import Dataset, Frame

Write = Callable[[Frame, Int64[Tensor, "points"]], Path]
"""writes the classes of a frame's points, positions in the dataset's class names, and says where"""

NUSCENES_META = {"use_camera": False, "use_lidar": True, "use_radar": False, "use_map": False, "use_external": False}
"""what the network reads when it predicts: sweeps alone"""


def submission_writer(dataset: Dataset, class_names: tuple[str, ...], split: str, out: Path) -> Write:
    """How predictions of `class_names` go to the folder `out`.

    nuScenes-lidarseg: lidarseg/SET/TOKEN_lidarseg.bin, a byte from 1 to 16 per point, TOKEN that of the LiDAR's
    sample_data, and SET/submission.json; SET is the split, or mini_SPLIT in the folder v1.0-mini. SemanticKITTI and its
    relatives: sequences/NN/predictions/NNNNNN.label, 32 bits per point with the id that the set itself would write.

    Raises ValueError for other classes than the format has, and for datasets without a format of their own.
    """
    if isinstance(dataset, NuScenes):
        if class_names != CLASS_NAMES:
            raise ValueError(
                f"nuScenes-lidarseg has the classes {', '.join(CLASS_NAMES[1:])}; these are "
                f"{', '.join(class_names[1:])}"
            )
        return _nuscenes_writer(dataset, f"mini_{split}" if dataset.folder.name == "v1.0-mini" else split, out)
    if isinstance(dataset, ScanDataset):
        if class_names != dataset.class_names:
            raise ValueError(
                f"{dataset.name} has the classes {', '.join(dataset.class_names[1:])}; these are "
                f"{', '.join(class_names[1:])}"
            )
        return _scan_writer(dataset, out)
    raise ValueError(
        f"{dataset.name} has no files for predictions that are known here; nuScenes and the relatives of SemanticKITTI "
        f"do"
    )


def _nuscenes_writer(dataset: NuScenes, eval_set: str, out: Path) -> Write:
    index = dataset.index
    token_of_frame = {
        frame.decode(): row[LIDAR_CHANNEL].decode()
        for frame, row in zip(index.frame_tokens, index.data_tokens, strict=True)
    }
    folder = out / "lidarseg" / eval_set
    folder.mkdir(parents=True, exist_ok=True)
    (out / eval_set).mkdir(exist_ok=True)
    (out / eval_set / "submission.json").write_text(json.dumps({"meta": NUSCENES_META}, indent=1) + "\n")

    def write(frame: Frame, classes: Int64[Tensor, "points"]) -> Path:
        file = folder / f"{token_of_frame[frame.token]}_lidarseg.bin"
        classes.numpy().astype(np.uint8).tofile(file)
        return file

    return write


def _scan_writer(dataset: ScanDataset, out: Path) -> Write:
    ids = dataset.label_map.id_of_class.astype(np.uint32)

    def write(frame: Frame, classes: Int64[Tensor, "points"]) -> Path:
        sequence, _, stem = frame.token.partition("/")
        folder = out / "sequences" / sequence / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"{stem}.label"
        ids[classes.numpy()].tofile(file)
        return file

    return write
