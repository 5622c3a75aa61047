"""Oracle: folders made by hand as the sets' own readmes lay them out, and their own label maps, typed again."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from lima.datasets import open_dataset
from lima.datasets.label_maps import label_map
from lima.datasets.scan_dataset import ScanDataset
from lima.datasets.semantic_kitti import SCRIBBLE_KITTI, SEMANTIC_KITTI
from lima.datasets.semantic_kitti_family import FAMILY
from tests.datasets import kitti_hand_made as made

# what each number of the sets' own configurations is called there, or None for what is ignored
POSS = {
    0: None, 4: "person", 5: "person", 6: "rider", 7: "car", 8: "trunk", 9: "plants", 10: "traffic_sign",
    11: "traffic_sign", 12: "traffic_sign", 13: "pole", 14: "trashcan", 15: "building", 16: "cone_stone", 17: "fence",
    21: "bike", 22: "ground",
}  # fmt: skip
SYNLIDAR = {
    1: "car", 2: "pick_up", 3: "truck", 4: "bus", 5: "bicycle", 6: "motorcycle", 7: "other_vehicle", 8: "road",
    9: "sidewalk", 10: "parking", 11: "other_ground", 12: "female", 13: "male", 14: "kid", 15: "crowd",
    16: "bicyclist", 17: "motorcyclist", 18: "building", 19: "other_structure", 20: "vegetation", 21: "trunk",
    22: "terrain", 23: "traffic_sign", 24: "pole", 25: "traffic_cone", 26: "fence", 27: "garbage_can",
    28: "electric_box", 29: "table", 30: "chair", 31: "bench", 32: "other_object",
}  # fmt: skip
RELLIS = {
    0: None, 1: "dirt", 3: "grass", 4: "tree", 5: "pole", 6: "water", 7: "sky", 8: "vehicle", 9: "object",
    10: "asphalt", 12: "building", 15: "log", 17: "person", 18: "fence", 19: "bush", 23: "concrete", 27: "barrier",
    31: "puddle", 33: "mud", 34: "rubble",
}  # fmt: skip
SYNTH4D = {
    1: "building", 2: "fence", 3: "other", 4: "pedestrian", 5: "pole", 6: "road_line", 7: "road", 8: "sidewalk",
    9: "vegetation", 10: "vehicle", 11: "wall", 12: "traffic_sign", 13: "sky", 14: "ground", 15: "bridge",
    16: "rail_track", 17: "guard_rail", 18: "traffic_light", 19: "static", 20: "dynamic", 21: "water", 22: "terrain",
}  # fmt: skip
STF = {**dict(enumerate(label_map("semantic_kitti").class_names[1:], start=1)), 0: None, 20: None}
DAPS = {
    0: None, 52: None, 99: None, 10: "vehicle", 11: "vehicle", 15: "vehicle", 252: "vehicle", 258: "vehicle",
    30: "human", 31: "human", 254: "human", 40: "surface", 48: "surface", 72: "surface", 60: "surface",
    50: "obstacle", 51: "obstacle", 70: "obstacle", 71: "obstacle", 80: "obstacle", 81: "obstacle",
}  # fmt: skip
MEANINGS = {
    "semantic_poss": (POSS, 13), "synlidar": (SYNLIDAR, 32), "rellis": (RELLIS, 19), "synth4d": (SYNTH4D, 22),
    "semantic_stf": (STF, 19), "daps_3d": (DAPS, 4),
}  # fmt: skip


@pytest.mark.parametrize("name", MEANINGS)
def test_label_maps_are_those_of_the_sets(name: str) -> None:
    meanings, classes = MEANINGS[name]
    ours = label_map(name)
    assert len(ours.class_names) == classes + 1
    assert set(meanings) <= set(ours.ids)
    for label, meaning in meanings.items():
        assert ours.class_names[ours.class_of_id[label]] == (meaning or "ignored")


def test_reduced_maps_agree_with_the_full_ones() -> None:
    """What a reduced map keeps it calls alike; what it merges is told here."""
    synlidar, reduced = label_map("synlidar"), label_map("synlidar_as_semantic_kitti")
    assert reduced.class_names == label_map("semantic_kitti").class_names
    merged = {"pick_up": "truck", "bus": "other_vehicle", "female": "person", "male": "person", "kid": "person"}
    merged |= {"crowd": "person"}
    for label in synlidar.ids:
        full = synlidar.class_names[synlidar.class_of_id[label]]
        wanted = merged.get(full, full if full in reduced.class_names else "ignored")
        assert reduced.class_names[reduced.class_of_id[label]] == wanted
    rellis, benchmark = label_map("rellis"), label_map("rellis_benchmark")
    assert set(rellis.class_names) - set(benchmark.class_names) == {"dirt", "sky", "object", "asphalt", "building"}
    for label in rellis.ids:
        full = rellis.class_names[rellis.class_of_id[label]]
        assert benchmark.class_names[benchmark.class_of_id[label]] == (
            full if full in benchmark.class_names else "ignored"
        )
    macro = label_map("synth4d_macro")
    assert macro.class_names == (
        "ignored", "vehicle", "pedestrian", "road", "sidewalk", "terrain", "manmade", "vegetation",
    )  # fmt: skip
    assert macro.ids == label_map("synth4d").ids


def test_no_id_has_two_classes_and_nobody_asks_for_a_map_that_is_not() -> None:
    for each in FAMILY:
        for name in each.label_maps:
            ours = label_map(name)
            assert len(set(ours.class_names)) == len(ours.class_names)
            assert ours.class_names[0] == "ignored"
            assert ours.class_of_id[0] == 0
            assert sorted(set(ours.class_of_id[ours.ids].tolist())) == list(range(len(ours.class_names)))
    with pytest.raises(ValueError, match="there is no label map 'semantic_waymo'"):
        label_map("semantic_waymo")


# --- folders as the readmes have them


def ids_of(name: str) -> tuple[int, ...]:
    return tuple(label_map(name).ids)


def write_scribble(root: Path) -> None:
    made.write_odometry(root, ("00", "08"))
    folder = root / "sequences" / "00" / "scribbles"
    folder.mkdir()
    for scan in range(made.SCANS):
        made.label_ids(9, scan, (0, 40, 70)).tofile(folder / f"{scan:06d}.label")


def write_poss(root: Path) -> None:
    for drive, name in enumerate(("00", "03")):
        sequence = made.write_scans(root / "sequences" / name, drive, ids_of("semantic_poss"), intensity=255.0)
        (sequence / "tag").mkdir()


def write_synlidar(root: Path) -> None:
    for drive, name in enumerate(("00", "01", "04")):
        made.write_scans(root / name, drive, ids_of("synlidar"))
    (root / "annotations.yaml").write_text("labels:\n")


def write_rellis(root: Path) -> None:
    labels = "os1_cloud_node_semantickitti_label_id"
    for drive, name in enumerate(("00000", "00001")):
        sequence = made.write_scans(root / name, drive, ids_of("rellis"), "os1_cloud_node_kitti_bin", labels)
        identity = "1 0 0 0 0 1 0 0 0 0 1 0"
        keys = ("P0", "P1", "P2", "P3", "Tr")
        (sequence / "calib.txt").write_text("".join(f"{key}: {identity}\n" for key in keys))
        poses = [made.row(made.world_from_lidar(scan)) for scan in range(made.SCANS + 2)]  # more lines than scans
        (sequence / "poses.txt").write_text("\n".join(poses))
    for split, frames in {"train": [(0, 0), (0, 1), (0, 3), (1, 2)], "val": [(0, 2)], "test": [(1, 0)]}.items():
        lines = [
            f"0000{drive}/os1_cloud_node_kitti_bin/{scan:06d}.bin 0000{drive}/{labels}/{scan:06d}.label"
            for drive, scan in frames
        ]
        (root / f"pt_{split}.lst").write_text("\n".join(lines) + "\n")


def write_stf(root: Path) -> None:
    for drive, split in enumerate(("train", "val", "test")):
        made.write_scans(root / split, drive, ids_of("semantic_stf"), columns=5, intensity=255.0)


def write_daps(root: Path) -> None:
    for drive, name in enumerate(("00", "08")):
        made.write_scans(root / "data" / name, drive, ids_of("daps_3d"), "clouds")
    (root / "params.yml").write_text("sensor:\n")


def write_synth4d(root: Path) -> None:
    for drive, town in enumerate(("Town03", "Town10HD")):
        for folder in ("velodyne", "labels", "calib"):
            (root / "kitti_synth" / town / folder).mkdir(parents=True)
        for scan in range(made.SCANS):
            np.save(root / "kitti_synth" / town / "velodyne" / f"{scan:06d}.npy", made.points(drive, scan))
            labels = made.label_ids(drive, scan, ids_of("synth4d"))[:, None]
            np.save(root / "kitti_synth" / town / "labels" / f"{scan:06d}.npy", labels.astype(np.int64))
    lists = root / "splits" / "kitti_synth"
    lists.mkdir(parents=True)
    (lists / "training_split.pkl").write_bytes(
        pickle.dumps({"Town03": np.array(["000000", "000002"]), "Town10HD": [1]})
    )
    (lists / "validation_split.pkl").write_bytes(pickle.dumps({"Town03": np.array([3])}))


@dataclass(frozen=True)
class Layout:
    """labels: the map that the labels are written in. drives: in the order of the numbers they were made of."""

    name: str
    write: Callable[[Path], None]
    labels: str
    drives: tuple[str, ...]
    splits: tuple[str, ...]
    full_scale: float = 1.0


LAYOUTS = (
    Layout("ScribbleKITTI", write_scribble, "semantic_kitti", ("00", "08"), ("train", "val", "all")),
    Layout("SemanticPOSS", write_poss, "semantic_poss", ("00", "03"), ("train", "val", "all"), 255.0),
    Layout("SynLiDAR", write_synlidar, "synlidar", ("00", "01", "04"), ("train", "val", "all")),
    Layout("RELLIS-3D", write_rellis, "rellis", ("00000", "00001"), ("train", "val", "test", "all")),
    Layout("SemanticSTF", write_stf, "semantic_stf", ("train", "val", "test"), ("train", "val", "test", "all"), 255.0),
    Layout("DAPS-3D", write_daps, "daps_3d", ("00", "08"), ("train", "val", "all")),
    Layout("Synth4D", write_synth4d, "synth4d", ("Town03", "Town10HD"), ("train", "val", "all")),
)


@pytest.fixture(params=LAYOUTS, ids=lambda layout: layout.name)
def layout(request: pytest.FixtureRequest) -> Layout:
    return request.param


@pytest.fixture
def root(layout: Layout, tmp_path: Path) -> Path:
    folder = tmp_path / "a set ü"
    folder.mkdir()
    layout.write(folder)
    return folder


def test_sets_are_told_from_their_folders(layout: Layout, root: Path) -> None:
    dataset = open_dataset(root)
    assert dataset.name == layout.name
    assert dataset.split_names == layout.splits
    assert dataset.class_names == label_map(layout.labels).class_names


def test_every_number_of_every_scan_arrives(layout: Layout, root: Path) -> None:
    ours = label_map(layout.labels)
    dataset = open_dataset(root)
    frames = {f.token: f for sequence in dataset.sequences() for f in map(sequence.frame, range(len(sequence)))}
    assert sorted(frames) == sorted(f"{drive}/{scan:06d}" for drive in layout.drives for scan in range(made.SCANS))
    for drive, name in enumerate(layout.drives):
        for scan in range(made.SCANS):
            frame = frames[f"{name}/{scan:06d}"]
            written = torch.from_numpy(made.points(drive, scan))
            assert torch.equal(frame.sweep.points_lidar, written[:, :3])
            assert torch.allclose(frame.sweep.intensity, written[:, 3], atol=1e-6)
            ids = made.SEMANTIC_KITTI_IDS if layout.name == "ScribbleKITTI" else ids_of(layout.labels)
            written_ids = made.label_ids(drive, scan, ids)
            if (layout.name, name) == ("ScribbleKITTI", "00"):
                written_ids = made.label_ids(9, scan, (0, 40, 70))  # scribbles where there are some, labels elsewhere
            assert frame.read_labels().tolist() == ours.class_of_id[written_ids].tolist()


def tokens(dataset: ScanDataset, split: str) -> list[str]:
    return [token for sequence in dataset.sequences(split) for token in sequence.tokens]


def test_splits_hold_the_frames_of_their_lists(layout: Layout, root: Path) -> None:
    dataset = open_dataset(root)
    all_of = {drive: [f"{drive}/{scan:06d}" for scan in range(made.SCANS)] for drive in layout.drives}
    wanted = {
        "ScribbleKITTI": {"train": all_of.get("00"), "val": all_of.get("08")},
        "SemanticPOSS": {"train": all_of.get("00"), "val": all_of.get("03")},
        "SynLiDAR": {"train": all_of.get("01"), "val": [*all_of.get("00", []), *all_of.get("04", [])]},
        "RELLIS-3D": {
            "train": ["00000/000000", "00000/000001", "00000/000003", "00001/000002"],
            "val": ["00000/000002"],
            "test": ["00001/000000"],
        },
        "SemanticSTF": {split: all_of.get(split) for split in ("train", "val", "test")},
        "DAPS-3D": {"train": all_of.get("00"), "val": all_of.get("08")},
        "Synth4D": {"train": ["Town03/000000", "Town03/000002", "Town10HD/000001"], "val": ["Town03/000003"]},
    }[layout.name]
    assert {split: tokens(dataset, split) for split in wanted} == wanted


def test_scans_without_poses_stand_alone(layout: Layout, root: Path) -> None:
    sequences = open_dataset(root).sequences()
    if layout.name in ("ScribbleKITTI", "RELLIS-3D"):
        assert [len(sequence) for sequence in sequences] == [made.SCANS, made.SCANS]
        return
    assert [len(sequence) for sequence in sequences] == [1] * made.SCANS * len(layout.drives)
    assert len({sequence.name for sequence in sequences}) == len(sequences)
    frame = sequences[2].frame(0)
    assert (frame.sequence, frame.token, frame.index) == (sequences[2].name, sequences[2].tokens[0], 0)
    assert frame.sweep.timestamp_ns == sequences[2].timestamps_ns[0] == 200_000_000
    with pytest.raises(IndexError, match="has frames 0 … 0, not"):
        sequences[2].frame(1)


def test_stretches_of_a_list_follow_each_other_in_the_world(tmp_path: Path) -> None:
    write_rellis(tmp_path)
    dataset = open_dataset(tmp_path)
    parts = dataset.sequences("train")
    assert [(part.name, len(part)) for part in parts] == [
        ("00000 part 1", 2), ("00000 part 2", 1), ("00001 part 1", 1),
    ]  # fmt: skip
    for part, scans in zip(parts, ((0, 1), (3,), (2,)), strict=True):
        for index, scan in enumerate(scans):
            pose = part.frame(index).sweep.world_from_lidar
            assert torch.allclose(pose.matrix(), torch.from_numpy(made.world_from_lidar(scan)), atol=1e-9)


def test_poses_beside_a_set_that_has_none_make_drives_of_it(tmp_path: Path) -> None:
    """Such as those that somebody computed by odometry, in KITTI's form, of the LiDAR itself."""
    write_synlidar(tmp_path)
    poses = "\n".join(made.row(made.world_from_lidar(scan)) for scan in range(made.SCANS))
    (tmp_path / "01" / "poses.txt").write_text(poses)
    (sequence,) = open_dataset(tmp_path).sequences("train")
    assert len(sequence) == made.SCANS
    pose = sequence.frame(2).sweep.world_from_lidar.matrix()
    assert torch.allclose(pose, torch.from_numpy(made.world_from_lidar(2)), atol=1e-9)


@pytest.mark.parametrize(("name", "write"), [("SemanticPOSS_dataset", write_poss), ("SynLiDAR", write_synlidar)])
def test_sets_without_their_mark_are_told_by_their_name(
    name: str, write: Callable[[Path], None], tmp_path: Path
) -> None:
    root = tmp_path / name / "dataset"
    write(root)
    for mark in (*root.rglob("tag"), *root.rglob("annotations.yaml")):
        mark.rmdir() if mark.is_dir() else mark.unlink()
    assert open_dataset(root).name.lower() in name.lower()


def test_without_mark_and_name_the_labels_give_it_away(tmp_path: Path) -> None:
    write_poss(tmp_path)
    for mark in tmp_path.rglob("tag"):
        mark.rmdir()
    for sequence in (tmp_path / "sequences").iterdir():
        (sequence / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n" * made.SCANS)
        made.write_calib(sequence / "calib.txt")
    dataset = open_dataset(tmp_path)
    assert dataset.name == "SemanticKITTI"
    with pytest.raises(ValueError, match=r"label ids \[3, 4, 5, .*which label map semantic_kitti does not have"):
        dataset.sequences("train")[0].frame(0).read_labels()


def test_other_label_maps_of_a_set(tmp_path: Path) -> None:
    write_rellis(tmp_path)
    rellis = next(each for each in FAMILY if each.name == "RELLIS-3D")
    dataset = ScanDataset(rellis, tmp_path, labels="rellis_benchmark")
    assert len(dataset.class_names) == 15
    labels = dataset.sequences()[0].frame(0).read_labels()
    wanted = label_map("rellis_benchmark").class_of_id[made.label_ids(0, 0, ids_of("rellis"))]
    assert labels.tolist() == wanted.tolist()


def test_rellis_without_its_lists_has_no_splits(tmp_path: Path) -> None:
    write_rellis(tmp_path / "Rellis-3D")
    assert open_dataset(tmp_path).split_names == ("train", "val", "test", "all")
    for split in ("train", "val", "test"):
        (tmp_path / "Rellis-3D" / f"pt_{split}.lst").unlink()
    assert open_dataset(tmp_path).split_names == ("all",)


def test_lists_that_name_what_is_not_there(tmp_path: Path) -> None:
    write_rellis(tmp_path)
    (tmp_path / "00000" / "os1_cloud_node_kitti_bin" / "000001.bin").unlink()
    dataset = open_dataset(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"00000 has no scan 000001, .*1 are missing"):
        dataset.sequences("train")
    assert len(dataset.sequences("val")) == 1
    (tmp_path / "pt_val.lst").write_text("000003.bin\n")
    with pytest.raises(ValueError, match=r"pt_val\.lst: line 1 must be like 00000/os1_cloud_node_kitti_bin"):
        open_dataset(tmp_path)


def test_sets_of_two_sensors_are_not_mixed(tmp_path: Path) -> None:
    write_synth4d(tmp_path)
    (tmp_path / "kitti_synth").rename(tmp_path / "nuscenes_synth")
    write_synth4d_again = tmp_path / "kitti_synth" / "Town03" / "velodyne"
    write_synth4d_again.mkdir(parents=True)
    with pytest.raises(ValueError, match=r"several sets, kitti_synth, nuscenes_synth: name the one you mean, like "):
        open_dataset(tmp_path)
    assert len(open_dataset(tmp_path / "nuscenes_synth").sequences()) == 2 * made.SCANS
    write_daps(tmp_path / "Dataset" / "daps-1")
    write_daps(tmp_path / "Dataset" / "daps-2")
    with pytest.raises(ValueError, match="several sets, daps-1, daps-2"):
        open_dataset(tmp_path / "Dataset")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("never",))


def test_a_pickle_is_read_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_synth4d(tmp_path)
    lists = tmp_path / "splits" / "kitti_synth" / "training_split.pkl"
    lists.write_bytes(pickle.dumps({"Town03": Harmful()}))
    with pytest.raises(ValueError, match=r"training_split\.pkl is no pickled lists of frames .*it asks for builtins"):
        open_dataset(tmp_path)
    assert "never" not in capsys.readouterr().out
    lists.write_bytes(b"")
    with pytest.raises(ValueError, match=r"training_split\.pkl is no pickled lists"):
        open_dataset(tmp_path)
    lists.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ValueError, match="holds list, lists of frames by town were expected"):
        open_dataset(tmp_path)
    (tmp_path / "splits.json").write_text('{"val": ["Town03"]}')  # one's own lists make the pickles needless
    assert open_dataset(tmp_path).split_names == ("val", "all")


def test_scribbles_without_scans_say_what_to_add(tmp_path: Path) -> None:
    folder = tmp_path / "sequences" / "00" / "scribbles"
    folder.mkdir(parents=True)
    made.label_ids(0, 0).tofile(folder / "000000.label")
    dataset = open_dataset(tmp_path)
    assert dataset.name == SCRIBBLE_KITTI.name
    (drive,) = dataset.drives()
    with pytest.raises(FileNotFoundError, match=r"00/velodyne is missing.*ScribbleKITTI.*into one folder"):
        len(drive)
    assert SEMANTIC_KITTI.has_cameras
