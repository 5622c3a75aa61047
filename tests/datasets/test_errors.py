"""Oracle: data damaged in one place each; errors have to name the file, the token, what was expected, the remedy."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lima.datasets import open_dataset
from lima.datasets.nuscenes import NuScenes
from tests.datasets import hand_made
from tests.datasets.contents import Contents, read_everything
from tests.datasets.damage import Change, content, cut_short, missing
from tests.datasets.hand_made import Tables, data_token, sample_token, token

LIDAR = data_token(0, 1, "LIDAR_TOP")
POINTS = hand_made.data_file(0, 1, "LIDAR_TOP")
IMAGE = hand_made.data_file(0, 1, "CAM_FRONT")
LABELS = hand_made.label_file(0, 1)
TABLES = hand_made.VERSION


@dataclass(frozen=True)
class Damage:
    """One thing broken, and what the error says. words: all of them have to be in it."""

    name: str
    error: type[Exception]
    words: tuple[str, ...]
    tables: Callable[[Tables], None] | None = None
    files: Change | None = None


def row(table: str, name: str, /, **values: object) -> Callable[[Tables], None]:
    """Overwrite fields of one row."""

    def change(tables: Tables) -> None:
        (found,) = (row for row in tables[table] if row["token"] == name)
        found.update(values)

    return change


def without_row(table: str, name: str) -> Callable[[Tables], None]:
    def change(tables: Tables) -> None:
        tables[table] = [row for row in tables[table] if row["token"] != name]

    return change


def without_field(table: str, field: str) -> Callable[[Tables], None]:
    return lambda tables: tables[table][1].pop(field)


def with_nan(root: Path) -> None:
    points = hand_made.points(0, 1)
    points[[3, 5], 2] = np.nan
    points.tofile(root / POINTS)


def of_other_size(root: Path) -> None:
    Image.new("RGB", (32, 24)).save(root / IMAGE)


def shifted_scene(tables: Tables) -> None:
    """All that happens from the third keyframe of the first scene on happens a second later."""
    for table in ("sample", "sample_data"):
        for entry in tables[table]:
            if 2 * hand_made.STEP_US <= entry["timestamp"] - hand_made.FIRST_US < 10 * hand_made.STEP_US:
                entry["timestamp"] += 1_000_000


def a_second_keyframe(tables: Tables) -> None:
    (found,) = (entry for entry in tables["sample_data"] if entry["token"] == LIDAR)
    tables["sample_data"].append({**found, "token": token("second")})


def row_twice(tables: Tables) -> None:
    tables["sample"].append(tables["sample"][0])


ORDER = ("in order of time",)
DAMAGES = (
    Damage("missing table", FileNotFoundError, (f"{TABLES}/sample_data.json is missing", "unpacked completely"),
           files=missing(f"{TABLES}/sample_data.json")),
    Damage("missing box table", FileNotFoundError, (f"{TABLES}/sample_annotation.json is missing",),
           files=missing(f"{TABLES}/sample_annotation.json")),
    Damage("table cut short", ValueError, (f"{TABLES}/ego_pose.json", "must be a JSON array", "truncated download?"),
           files=cut_short(f"{TABLES}/ego_pose.json", 1000)),
    Damage("table of something else", ValueError, (f"{TABLES}/sensor.json", "must be a JSON array", "truncated"),
           files=content(f"{TABLES}/sensor.json", b'{"message": "404"}')),
    Damage("field missing", ValueError, (f"{TABLES}/sample.json", "no field 'timestamp'", sample_token(0, 2)),
           tables=without_field("sample", "timestamp")),
    Damage("row twice", ValueError, (f"{TABLES}/sample.json", sample_token(0, 3), "more than one row"),
           tables=row_twice),
    Damage("pose missing", ValueError,
           (f"{TABLES}/sample_data.json", LIDAR, token("pose", LIDAR), f"not in {{root}}/{TABLES}/ego_pose.json"),
           tables=without_row("ego_pose", token("pose", LIDAR))),
    Damage("calibration missing", ValueError,
           (f"{TABLES}/sample_data.json", token("calibration", 0, "LIDAR_TOP"), "calibrated_sensor.json"),
           tables=without_row("calibrated_sensor", token("calibration", 0, "LIDAR_TOP"))),
    Damage("instance missing", ValueError,
           (f"{TABLES}/sample_annotation.json", token("instance", 0, 0), "instance.json", "same version"),
           tables=without_row("instance", token("instance", 0, 0))),
    Damage("annotation missing", ValueError,
           (f"{TABLES}/sample_annotation.json", token("annotation", 0, 0, 3), "cut short"),
           tables=without_row("sample_annotation", token("annotation", 0, 0, 2))),
    Damage("sweep not in the tables", ValueError,
           (f"{TABLES}/sample_data.json", "no keyframe of LIDAR_TOP", sample_token(0, 1)),
           tables=without_row("sample_data", LIDAR)),
    Damage("two keyframes", ValueError, (f"{TABLES}/sample_data.json", token("second"), sample_token(0, 1)),
           tables=a_second_keyframe),
    Damage("no LiDAR", ValueError, (f"{TABLES}/sensor.json", "no sensor LIDAR_TOP"),
           tables=row("sensor", token("sensor", "LIDAR_TOP"), channel="LIDAR_SIDE")),
    Damage("keyframe missing", ValueError, ("scene.json promises 5 keyframes of scene-0061, sample.json has 4",),
           tables=row("scene", token("scene", 0), nbr_samples=5)),
    Damage("same time twice", ValueError,
           ("scene-0061", sample_token(0, 0), sample_token(0, 1), f"timestamp {hand_made.FIRST_US} us"),
           tables=row("sample_data", LIDAR, timestamp=hand_made.FIRST_US)),
    Damage("time runs backward", ValueError,
           ("scene-0061", sample_token(0, 0), sample_token(0, 1), "+1.00 s", *ORDER),
           tables=row("sample_data", LIDAR, timestamp=hand_made.FIRST_US - 1_000_000)),
    Damage("chain broken", ValueError, ("scene-0061", sample_token(0, 1), "next none", sample_token(0, 2), *ORDER),
           tables=row("sample", sample_token(0, 1), next="")),
    Damage("chain leads elsewhere", ValueError,
           ("scene-0061", sample_token(0, 1), sample_token(1, 0), "+59.50 s", *ORDER),
           tables=row("sample", sample_token(0, 1), prev=sample_token(1, 0))),
    Damage("gap in time", ValueError,
           ("scene-0061 has 1.50 s between keyframes", sample_token(0, 1), sample_token(0, 2), "keyframes are missing",
            'at_gap="split"', "splits.json"), tables=shifted_scene),
    Damage("missing points", FileNotFoundError, (POINTS, "is missing", LIDAR, "archives unpacked"),
           files=missing(POINTS)),
    Damage("truncated points", ValueError, (POINTS, LIDAR, "7990 bytes", "not a multiple of 20", "truncated"),
           files=cut_short(POINTS, 7990)),
    Damage("empty sweep", ValueError, (POINTS, LIDAR, "empty sweep"), files=content(POINTS, b"")),
    Damage("NaN points", ValueError, (POINTS, LIDAR, "2 of 400 points are NaN", "point 3"), files=with_nan),
    Damage("missing image", FileNotFoundError, (IMAGE, "is missing", data_token(0, 1, "CAM_FRONT")),
           files=missing(IMAGE)),
    Damage("truncated image", ValueError, (IMAGE, data_token(0, 1, "CAM_FRONT"), "not a readable image", "again"),
           files=cut_short(IMAGE, 400)),
    Damage("image of another size", ValueError,
           (IMAGE, data_token(0, 1, "CAM_FRONT"), "32 x 24 px", "64 x 48", "resized tables"), files=of_other_size),
    Damage("missing labels", FileNotFoundError, (LABELS, "is missing", LIDAR), files=missing(LABELS)),
    Damage("too few labels", ValueError, (LABELS, LIDAR, "399 points", "has 400"), files=cut_short(LABELS, 399)),
    Damage("unknown label", ValueError, (LABELS, LIDAR, "label ids [30, 99]", "category.json"),
           files=content(LABELS, bytes([99, 30] + [17] * 398))),
    Damage("category without index", ValueError, (f"{TABLES}/category.json", "'animal'", "no index", "lidarseg"),
           tables=without_field("category", "index")),
    Damage("category of nobody", ValueError, ("'vehicle.boat'", "none of nuScenes's 32", "vehicle.bus.bendy"),
           tables=row("category", token("category", "vehicle.car"), name="vehicle.boat")),
    Damage("quaternion of zero", ValueError, (f"{TABLES}/ego_pose.json", token("pose", LIDAR), "norm 1", "[0.0, 0.0"),
           tables=row("ego_pose", token("pose", LIDAR), rotation=[0, 0, 0, 0])),
    Damage("quaternion too long", ValueError,
           (f"{TABLES}/calibrated_sensor.json", token("calibration", 0, "CAM_BACK"), "norm 1", "norm 1.414"),
           tables=row("calibrated_sensor", token("calibration", 0, "CAM_BACK"), rotation=[1.0, 0, 0, 1.0])),
    Damage("box without direction", ValueError,
           (f"{TABLES}/sample_annotation.json", token("annotation", 0, 0, 1), "norm 1"),
           tables=row("sample_annotation", token("annotation", 0, 0, 1), rotation=[0, 0, 0, 0])),
    Damage("pose that is NaN", ValueError,
           (f"{TABLES}/ego_pose.json", token("pose", LIDAR), "(3,) finite numbers as translation"),
           tables=row("ego_pose", token("pose", LIDAR), translation=[1, 2, float("nan")])),
    Damage("pose without height", ValueError,
           (f"{TABLES}/ego_pose.json", token("pose", LIDAR), "(3,) finite numbers as translation, got [1, 2]"),
           tables=row("ego_pose", token("pose", LIDAR), translation=[1, 2])),
    Damage("camera without intrinsics", ValueError,
           (f"{TABLES}/calibrated_sensor.json", token("calibration", 0, "CAM_BACK"), "calibration matrix"),
           tables=row("calibrated_sensor", token("calibration", 0, "CAM_BACK"), camera_intrinsic=[])),
    Damage("camera that looks backward", ValueError,
           (f"{TABLES}/sample_data.json", data_token(0, 0, "CAM_BACK"), "focal lengths", "-40"),
           tables=row("calibrated_sensor", token("calibration", 0, "CAM_BACK"),
                      camera_intrinsic=[[-40, 0, 32], [0, 40, 24], [0, 0, 1]])),
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_errors_name_what_is_wrong(damage: Damage, tmp_path: Path) -> None:
    root = hand_made.write_dataset(tmp_path, damage.tables)
    if damage.files is not None:
        damage.files(root)
    with pytest.raises(damage.error) as caught:
        read_everything(root)
    for word in damage.words:
        assert word.format(root=root) in str(caught.value)


def test_undamaged_data_is_read(tmp_path: Path) -> None:
    """Two scenes of four keyframes of 400 points and two images; a car in each, a pedestrian in the first of each."""
    assert read_everything(hand_made.write_dataset(tmp_path)) == Contents(8, 3200, 16, labels=3200, boxes=10)


def test_a_scene_can_be_split_at_a_gap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = NuScenes(hand_made.write_dataset(tmp_path, shifted_scene), at_gap="split")
    with caplog.at_level(logging.WARNING):
        sequences = dataset.sequences()
    assert [sequence.name for sequence in sequences] == ["scene-0061 part 1", "scene-0061 part 2", "scene-0103"]
    tokens = [token for sequence in sequences[:2] for token in sequence.tokens]
    assert tokens == [sample_token(0, keyframe) for keyframe in range(4)]
    (record,) = caplog.records
    assert re.search(r"scene-0061 has 1\.50 s between keyframes \w+ and \w+: split there", record.getMessage())
    frame = sequences[1].frame(0)
    assert (frame.token, frame.index, frame.sequence) == (sample_token(0, 2), 0, "scene-0061 part 2")


@pytest.mark.parametrize("at_gap", ["raise", "split"])
def test_keyframes_a_little_late_are_no_gap(at_gap: str, tmp_path: Path) -> None:
    def late(tables: Tables) -> None:
        row("sample_data", data_token(0, 2, "LIDAR_TOP"), timestamp=hand_made.FIRST_US + 1_200_000)(tables)

    dataset = NuScenes(hand_made.write_dataset(tmp_path, late), at_gap=at_gap)  # 0.5, 0.7, 0.3 s
    assert [sequence.name for sequence in dataset.sequences()] == ["scene-0061", "scene-0103"]


def test_an_unknown_split_says_which_there_are(tmp_path: Path) -> None:
    dataset = open_dataset(hand_made.write_dataset(tmp_path))
    with pytest.raises(ValueError, match=r"no scenes in split 'test'; splits with scenes: train \(1\), val \(1\), all"):
        dataset.sequences("test")


def test_no_dataset_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is of no known format"):
        open_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere is not a folder"):
        open_dataset(tmp_path / "nowhere")


def test_a_frame_beyond_the_end(tmp_path: Path) -> None:
    sequence = open_dataset(hand_made.write_dataset(tmp_path)).sequences()[0]
    with pytest.raises(IndexError, match=r"scene-0061 has frames 0 … 3, not 4"):
        sequence.frame(4)


def test_split_lists_name_scenes_that_exist(tmp_path: Path) -> None:
    root = hand_made.write_dataset(tmp_path)
    own = root / TABLES / "splits.json"
    own.write_text(json.dumps({"train": ["scene-9999"]}))
    with pytest.raises(ValueError, match=r"splits\.json lists 'scene-9999' in 'train', but scene\.json has no"):
        open_dataset(root)
    own.write_text("train: scene-0061")
    with pytest.raises(ValueError, match=r"splits\.json is not JSON"):
        open_dataset(root)
    own.write_text('["scene-0061"]')
    with pytest.raises(ValueError, match=r"splits\.json must map names of splits"):
        open_dataset(root)
