"""nuScenes v1.0 and whatever is written in its format: scenes as sequences, keyframes as frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence as Series
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from lima.config import AtGap
from lima.datasets import labels, sensor_files
from lima.datasets.continuity import check_order, describe_gap, gaps
from lima.datasets.index import NuScenesIndex
from lima.datasets.index_file import load_index, load_sweeps, load_track
from lima.datasets.nuscenes_records import RecordReader, camera_channels, lidar_channels, record_of_keyframe
from lima.datasets.nuscenes_sweeps import SweepsBetween
from lima.datasets.parts import SequencePart
from lima.datasets.splits import ALL, splits_of
from lima.datasets.sweep_index import SweepIndex
from lima.datasets.tables import hex_token
from lima.datasets.trajectory import Trajectory
from lima.geometry.boxes import Boxes
from lima.scene import Frame, Sequence, Sweep, check_index

LabelSource = Literal["lidarseg", "boxes", "none"]
LIDAR_CHANNEL = 0  # cameras follow

logger = logging.getLogger(__name__)


class NuScenes:
    """An opened nuScenes folder.

    root: the folder with samples/ and one or more version folders such as v1.0-mini; or a version folder itself,
    which chooses among several (otherwise the one named v1.0-trainval or alike is taken). at_gap: what `sequences`
    does with a scene in which keyframes are missing (more than 0.75 s, see `continuity.gaps`): "raise", or "split"
    it there into sequences named "scene-0001 part 1" and so on, with a warning in the log.

    label_source: where the classes of points come from. Without the lidarseg table, points in boxes get the classes
    of things and all others are "background" (`class_names` tells). Raises FileNotFoundError, ValueError.
    """

    def __init__(self, root: Path, at_gap: AtGap = "raise") -> None:
        self.folder = version_folder(Path(root))
        self.root = self.folder.parent
        self.at_gap = at_gap
        self.index = load_index(self.folder)
        self._splits = splits_of(self.folder, [name.decode() for name in self.index.scene_names])
        self.class_of_label_id: Int64[np.ndarray, "256"] | None = None
        if bool(self.index.has_labels):
            self.class_of_label_id = self._class_of_label_id()

    @property
    def name(self) -> str:
        return f"{'TruckScenes' if len(lidar_channels(self.index)) > 1 else 'nuScenes'} {self.folder.name}"

    def read_track(self) -> Trajectory:
        """Where the vehicle was at every time: what TruckScenes's points need."""
        return self._track

    @cached_property
    def _track(self) -> Trajectory:
        track = load_track(self.folder)
        return Trajectory(self.folder / "ego_pose.json", track.times_us * 1000, track.poses[:, :4], track.poses[:, 4:])

    @cached_property
    def sweeps(self) -> SweepIndex:
        """What was recorded between the keyframes, read when it is first asked for."""
        return load_sweeps(self.folder, self.index)

    @property
    def label_source(self) -> LabelSource:
        if self.class_of_label_id is not None:
            return "lidarseg"
        return "boxes" if len(self.index.box_tokens) else "none"

    @property
    def class_names(self) -> tuple[str, ...]:
        return labels.BOX_CLASS_NAMES if self.label_source == "boxes" else labels.CLASS_NAMES

    @property
    def split_names(self) -> tuple[str, ...]:
        return tuple(self._splits)

    def sequences(self, split: str | None = None) -> list[Sequence]:
        """The scenes of a split in the order of the scene table; None or "all" for every scene.

        Raises ValueError for a split that has no scenes here, for keyframes that are not linked in order of time,
        and for gaps in time unless they are to be split at.
        """
        split = ALL if split is None else split
        if split not in self._splits:
            known = ", ".join(f"{name} ({len(scenes)})" for name, scenes in self._splits.items())
            raise ValueError(
                f"{self.folder} has no scenes in split {split!r}; splits with scenes: {known}. Lists of your own go "
                f'into {self.folder / "splits.json"}: {{"train": ["scene-0001", …], "val": […]}}'
            )
        members = set(self._splits[split])
        scenes = [scene for scene, name in enumerate(self.index.scene_names) if name.decode() in members]
        for scene in scenes:
            check_order(self.index, scene, self.folder)
        with_gaps = [describe_gap(self.index, scene, frame) for scene in scenes for frame in gaps(self.index, scene)]
        if with_gaps and self.at_gap == "raise":
            raise ValueError(
                f"{'; '.join(with_gaps[:5])}{' …' * (len(with_gaps) > 5)} ({len(with_gaps)} gaps in {self.folder}): "
                f'keyframes are missing. Open the dataset with at_gap="split" (--at-gap split) to make a sequence of '
                f"each side, or list other scenes in {self.folder / 'splits.json'}"
            )
        for gap in with_gaps:
            logger.warning("%s: split there into two sequences", gap)
        return [part for scene in scenes for part in self._parts(scene)]

    def _parts(self, scene: int) -> list[Sequence]:
        whole = NuScenesScene(self, scene)
        borders = [0, *gaps(self.index, scene), len(whole)]
        if len(borders) == 2:
            return [whole]
        return [
            SequencePart(whole, start, stop, f"{whole.name} part {number}")
            for number, (start, stop) in enumerate(pairwise(borders), start=1)
        ]

    def _class_of_label_id(self) -> Int64[np.ndarray, "256"]:
        ids = self.index.category_label_ids
        if (ids < 0).any():
            name = self.index.category_names[int(np.argmin(ids))].decode()
            raise ValueError(
                f"{self.folder / 'category.json'} gives {name!r} no index, though there is a lidarseg.json: unpack "
                f"the lidarseg archive's own category.json over it"
            )
        return labels.class_of_label_id([name.decode() for name in self.index.category_names], ids.tolist())


class NuScenesScene:
    """One scene as a sequence of its keyframes."""

    def __init__(self, dataset: NuScenes, scene: int) -> None:
        self._dataset = dataset
        self._index: NuScenesIndex = dataset.index
        self._reader = RecordReader(dataset.root, dataset.folder, dataset.index, dataset.read_track)
        self._scene = scene
        self._start = int(self._index.first_frame[scene])
        self._stop = int(self._index.first_frame[scene + 1])
        self.name = self._index.scene_names[scene].decode()

    @property
    def tokens(self) -> Series[str]:
        return [token.decode() for token in self._index.frame_tokens[self._start : self._stop]]

    @property
    def timestamps_ns(self) -> Series[int]:
        return (self._index.frame_times_us[self._start : self._stop] * 1000).tolist()

    def __len__(self) -> int:
        return self._stop - self._start

    def frame(self, index: int) -> Frame:
        """The keyframe at that position; its points are read now, images, labels and boxes when they are asked for."""
        check_index(self, index)
        row = self._start + index
        lidars, cameras = (
            [record for channel in channels if (record := record_of_keyframe(self._index, row, channel))]
            for channels in (lidar_channels(self._index), camera_channels(self._index))
        )
        sweep = self._reader.sweep(lidars)
        source = self._dataset.label_source
        has_file = bool(self._index.label_files[row])
        read_labels = None
        if source == "lidarseg" and has_file:
            read_labels = partial(self._labels, row, len(sweep.points_lidar))
        elif source == "boxes":
            read_labels = partial(self._labels_from_boxes, row, sweep)
        return Frame(
            token=self._index.frame_tokens[row].decode(),
            sequence=self.name,
            index=index,
            sweep=sweep,
            images=tuple(self._reader.image(record) for record in cameras),
            read_labels=read_labels,
            read_boxes=partial(self._boxes, row) if len(self._index.box_tokens) else None,
        )

    def between(self, most: int, needs_images: bool) -> Sequence:
        """The sweeps between its keyframes as a sequence of their own: at most so many between two, evenly chosen.

        needs_images: of those alone that have an image. Reads a further table of the dataset's the first time.
        """
        dataset = self._dataset
        return SweepsBetween(dataset.sweeps, self._reader, self._index, self.name, self._scene, most, needs_images)

    def _labels(self, row: int, points: int) -> Int64[Tensor, "points"]:
        path = self._dataset.root / self._index.label_files[row].decode()
        table = self._dataset.class_of_label_id
        assert table is not None, "labels are read from files only where there is a table of their ids"
        token = self._index.data_tokens[row, LIDAR_CHANNEL].decode()
        return sensor_files.read_labels(path, token, points, table)

    def _labels_from_boxes(self, row: int, sweep: Sweep) -> Int64[Tensor, "points"]:
        points_world = sweep.world_from_lidar.apply(sweep.points_lidar.double())
        return labels.labels_from_boxes(points_world, self._boxes(row))

    def _boxes(self, row: int) -> Boxes:
        index = self._index
        boxes = slice(int(index.first_box[row]), int(index.first_box[row + 1]))
        poses = index.box_poses[boxes]
        rotations = [
            self._reader.transform(pose, "sample_annotation", hex_token(token)).rotation
            for pose, token in zip(poses, index.box_tokens[boxes], strict=True)
        ]
        return Boxes(
            centres_m=torch.from_numpy(poses[:, 4:].copy()),
            sizes_m=torch.from_numpy(index.box_sizes_m[boxes].copy()),
            rotations=torch.stack(rotations) if rotations else torch.zeros(0, 3, 3, dtype=torch.float64),
            velocities_mps=torch.from_numpy(index.box_velocities_mps[boxes].copy()),
            categories=tuple(index.category_names[c].decode() for c in index.box_categories[boxes]),
            instances=tuple(hex_token(index.instance_tokens[i]) for i in index.box_instances[boxes]),
            points=torch.from_numpy(index.box_points[boxes].copy()) if bool((index.box_points >= 0).all()) else None,
            attributes=tuple(index.attribute_names[a].decode() if a >= 0 else "" for a in index.box_attributes[boxes]),
        )


def is_version_folder(folder: Path) -> bool:
    """Whether the folder looks like one of nuScenes's folders of tables, even if a table is missing."""
    return folder.is_dir() and any((folder / f"{table}.json").is_file() for table in ("scene", "sample", "sample_data"))


def recognises(root: Path) -> bool:
    """Whether there are tables in it, or in a folder in it."""
    return is_version_folder(root) or any(is_version_folder(folder) for folder in root.iterdir())


def version_folder(root: Path) -> Path:
    """The folder with the tables. Raises FileNotFoundError for none, ValueError where several are no less likely."""
    if is_version_folder(root):
        return root
    versions = sorted(folder for folder in root.iterdir() if is_version_folder(folder)) if root.is_dir() else []
    if not versions:
        raise FileNotFoundError(
            f"{root} is no nuScenes folder: a folder such as {root / 'v1.0-trainval'} with scene.json, sample.json "
            f"and other tables was expected"
        )
    full = [folder for folder in versions if folder.name.endswith("-trainval")]
    if len(versions) > 1 and len(full) != 1:
        raise ValueError(
            f"{root} holds several versions, {', '.join(folder.name for folder in versions)}: name the one you mean, "
            f"like {versions[0]}"
        )
    return (full or versions)[0]
