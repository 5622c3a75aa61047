"""The published corrupted sets, as they lie on disk: nuScenes-C and SemanticKITTI-C of Robo3D.

    nuScenes-C/fog/light/samples/LIDAR_TOP/….pcd.bin, …/lidarseg/v1.0-trainval/…_lidarseg.bin
    SemanticKITTI-C/fog/light/velodyne/000000.bin, …/labels/000000.label     (sequence 08)

Names of files are those of the clean sets, whose tables, poses and splits are needed beside them. Points of fog, of
snow and of crosstalk have label numbers of their own, which are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int64
from torch import Tensor

from lima.datasets.label_maps import label_map
from lima.datasets.labels import NO_CLASS
from lima.datasets.nuscenes import LIDAR_CHANNEL, NuScenes
from lima.datasets.scan_dataset import ScanDataset
from lima.datasets.scan_files import reading
from lima.evaluate.corruptions.corrupted import IGNORED, Severity
from lima.scene import Dataset, Frame, Sweep

NUSCENES_UNREAL = (41, 42, 43)
"""label numbers of fog, snow and crosstalk"""
KITTI_UNREAL = (21, 22, 23)
KITTI_SEQUENCE = "08"
NUSCENES_FRAMES, KITTI_FRAMES = 6019, 4071


@dataclass(frozen=True, eq=False)
class PublishedSet:
    """A published set beside its clean one.

    frames: of the whole set, which is a validation split. columns: numbers per point. full_intensity: what means 1;
    intensities beyond it, which crosstalk makes, stay as they are. unreal_ids: label numbers of the points of fog, snow
    and crosstalk. files: of the points and of the labels of a frame, by its token, in the folder of a severity.
    """

    name: str
    frames: int
    root: Path
    columns: int
    full_intensity: float
    label_type: np.dtype
    class_of_id: Int64[np.ndarray, "ids"]
    unreal_ids: tuple[int, ...]
    files: Callable[[str], tuple[str, str]]

    def frame(self, clean: Frame, corruption: str, severity: Severity) -> Frame:
        """The clean frame with the points and labels of its corrupted one. Raises FileNotFoundError, ValueError."""
        points_file, labels_file = self._paths(clean, corruption, severity)
        what = f"the points of {corruption}, {severity}, of frame {clean.token}"
        with reading(points_file, what):
            numbers = np.fromfile(points_file, dtype="<f4")
        if len(numbers) == 0 or len(numbers) % self.columns:
            raise ValueError(
                f"{points_file} has {len(numbers)} numbers, a multiple of {self.columns} from {self.columns} on was "
                f"expected ({self.name}): truncated? Unpack it again"
            )
        points = torch.from_numpy(numbers.reshape(-1, self.columns))
        sweep = replace(
            clean.sweep,
            points_lidar=points[:, :3].contiguous(),
            intensity=points[:, 3] / self.full_intensity,
            ring=None,
        )
        return replace(clean, sweep=sweep, read_labels=partial(self._labels, labels_file, len(points)))

    def drawn(self, clean: Frame, corruption: str, severity: Severity) -> tuple[Sweep, Bool[Tensor, "points"]]:
        """The corrupted sweep, and which of its points are echoes of fog, of snow or of another sensor."""
        sweep = self.frame(clean, corruption, severity).sweep
        _, labels_file = self._paths(clean, corruption, severity)
        ids = _label_ids(labels_file, self.label_type, len(sweep.points_lidar))
        return sweep, torch.from_numpy(np.isin(ids, self.unreal_ids))

    def _paths(self, clean: Frame, corruption: str, severity: Severity) -> tuple[Path, Path]:
        points_file, labels_file = self.files(clean.token)
        folder = self.root / corruption / severity
        return folder / points_file, folder / labels_file

    def _labels(self, file: Path, points: int) -> Int64[Tensor, "points"]:
        ids = _label_ids(file, self.label_type, points)
        classes = self.class_of_id[ids]
        classes[np.isin(ids, self.unreal_ids)] = IGNORED
        if (classes == NO_CLASS).any():
            unknown = sorted(set(ids[classes == NO_CLASS].tolist()))
            raise ValueError(f"{file} has label numbers {unknown}, which {self.name} does not have")
        return torch.from_numpy(classes)


def published_set(root: Path, dataset: Dataset) -> PublishedSet:
    """The published set in a folder, for the clean set that it was made of.

    Raises ValueError where the clean set is not nuScenes with lidarseg or SemanticKITTI, FileNotFoundError where the
    folder does not hold the corruptions.
    """
    if not (root / "fog").is_dir():
        raise FileNotFoundError(
            f"{root} has no folder fog: the folder of a published set was expected, with fog/light/… up to "
            f"cross_sensor/heavy/… in it"
        )
    if isinstance(dataset, NuScenes) and dataset.class_of_label_id is not None:
        return _nuscenes_c(root, dataset, dataset.class_of_label_id)
    if isinstance(dataset, ScanDataset) and dataset.name == "SemanticKITTI":
        return _semantic_kitti_c(root, dataset)
    raise ValueError(
        f"published sets are of nuScenes with lidarseg and of SemanticKITTI; {dataset.name} is neither: leave "
        f"--published out, to have the corruptions computed"
    )


def _nuscenes_c(root: Path, dataset: NuScenes, class_of_label_id: Int64[np.ndarray, "256"]) -> PublishedSet:
    index = dataset.index
    rows = {token.decode(): row for row, token in enumerate(index.frame_tokens)}

    def files(token: str) -> tuple[str, str]:
        return index.data_files[rows[token], LIDAR_CHANNEL].decode(), index.label_files[rows[token]].decode()

    return PublishedSet(
        "nuScenes-C", NUSCENES_FRAMES, root, 5, 255.0, np.dtype(np.uint8), class_of_label_id, NUSCENES_UNREAL, files
    )


def _semantic_kitti_c(root: Path, dataset: ScanDataset) -> PublishedSet:
    def files(token: str) -> tuple[str, str]:
        sequence, stem = token.split("/")
        if sequence != KITTI_SEQUENCE:
            raise ValueError(
                f"SemanticKITTI-C is made of sequence {KITTI_SEQUENCE}, not of {sequence}: score split val"
            )
        return f"velodyne/{stem}.bin", f"labels/{stem}.label"

    classes = label_map("semantic_kitti").class_of_id
    return PublishedSet("SemanticKITTI-C", KITTI_FRAMES, root, 4, 1.0, np.dtype("<u4"), classes, KITTI_UNREAL, files)


def _label_ids(file: Path, label_type: np.dtype, points: int) -> Int64[np.ndarray, "points"]:
    """The label numbers in a file. Raises FileNotFoundError, ValueError."""
    with reading(file, "the labels"):
        ids = np.fromfile(file, dtype=label_type).astype(np.int64) & 0xFFFF
    if len(ids) != points:
        raise ValueError(f"{file} has labels for {len(ids)} points, its sweep has {points}: unpack both again")
    return ids
