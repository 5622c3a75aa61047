"""Oracle: a dataset made by hand, the official nuscenes-devkit, and the simulator's time of every point."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lima.data.between import RecordedBetween, interleaved, with_between
from lima.datasets import index_file, open_dataset
from lima.datasets.index_file import SWEEPS_FILE_NAME, load_index, load_sweeps
from lima.datasets.nuscenes_sweeps import evenly_chosen
from lima.datasets.parts import SequencePart
from lima.evaluate.detection.sweeps import SweepHistory
from lima.scene import Sequence
from tests.conftest import SIMULATED, shared_between_workers
from tests.datasets import hand_made
from tests.shared import shared_folder

SWEEP_US = (50_000, 100_000, 200_000, 300_000, 430_000)
"""of the LiDAR, after every keyframe; the cameras' are 20 ms later, but for CAM_BACK, which has none at 200 ms"""
CAMERAS = ("CAM_FRONT", "CAM_BACK")


def add_sweeps(tables: hand_made.Tables) -> None:
    """Sweeps between keyframes instead of the one after each that the hand-made dataset has."""
    tables["sample_data"] = [row for row in tables["sample_data"] if row["is_key_frame"]]
    template = {row["calibrated_sensor_token"]: row for row in tables["sample_data"]}
    for scene, keyframe in itertools.product(range(2), range(hand_made.KEYFRAMES)):
        for number, channel in itertools.product(range(len(SWEEP_US)), ("LIDAR_TOP", *CAMERAS)):
            if channel == "CAM_BACK" and number == 2:
                continue
            time_us = sweep_us(scene, keyframe, number) + (20_000 if channel != "LIDAR_TOP" else 0)
            own = sweep_token(scene, keyframe, number, channel)
            tables["sample_data"].append(
                {
                    **template[hand_made.token("calibration", scene, channel)],
                    "token": own,
                    "sample_token": hand_made.sample_token(scene, keyframe),
                    "ego_pose_token": hand_made.token("pose", own),
                    "timestamp": time_us,
                    "is_key_frame": False,
                    "filename": sweep_file(scene, keyframe, number, channel),
                }
            )
            seconds = (time_us - hand_made.FIRST_US) * 1e-6
            tables["ego_pose"].append(
                {
                    "token": hand_made.token("pose", own),
                    "timestamp": time_us,
                    "rotation": hand_made.quaternion(0.3 + 0.1 * seconds, 0.01),
                    "translation": [1000.0 + 5.0 * seconds, 2000.0 - 1.0 * seconds, 0.5],
                }
            )


def sweep_us(scene: int, keyframe: int, number: int) -> int:
    return hand_made.FIRST_US + scene * 60_000_000 + keyframe * hand_made.STEP_US + SWEEP_US[number]


def sweep_token(scene: int, keyframe: int, number: int, channel: str) -> str:
    return hand_made.token("between", scene, keyframe, number, channel)


def sweep_file(scene: int, keyframe: int, number: int, channel: str) -> str:
    ending = "pcd.bin" if channel == "LIDAR_TOP" else "jpg"
    return f"sweeps/{channel}/{scene}-{keyframe}-{number}.{ending}"


def points(scene: int, keyframe: int, number: int) -> np.ndarray:
    return hand_made.points(10 + scene, 10 * keyframe + number)


def grey(scene: int, keyframe: int, number: int, channel: str) -> int:
    return 10 + 40 * keyframe + 5 * number + 100 * scene + 3 * (channel == "CAM_BACK")


def write_dataset(root: Path, change=None) -> Path:
    def both(tables: hand_made.Tables) -> None:
        add_sweeps(tables)
        if change is not None:
            change(tables)

    hand_made.write_dataset(root, both)
    for channel in ("LIDAR_TOP", *CAMERAS):
        (root / "sweeps" / channel).mkdir(parents=True)
    for place in itertools.product(range(2), range(hand_made.KEYFRAMES), range(len(SWEEP_US))):
        points(*place).tofile(root / sweep_file(*place, "LIDAR_TOP"))
        for channel in CAMERAS:
            pixels = np.full((hand_made.HEIGHT_PX, hand_made.WIDTH_PX, 3), grey(*place, channel), np.uint8)
            Image.fromarray(pixels).save(root / sweep_file(*place, channel), quality=95)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("sweeps"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keyframes and the three sweeps between them, with pictures."""
    from streetsim.simulate import simulate

    folder, lock = shared_between_workers(tmp_path_factory, "simulated_sweeps")
    with lock:
        simulate(
            folder,
            replace(
                SIMULATED,
                scenes=1,
                keyframes=2,
                sweeps=3,
                sweep_images=True,
                image_width_px=112,
                image_height_px=63,
                samples_per_pixel=0,
                exact=False,
            ),
        )
    return folder


def between(sequence: Sequence, most: int, needs_images: bool = True) -> Sequence:
    assert isinstance(sequence, RecordedBetween)
    return sequence.between(most, needs_images)


def test_sweeps_follow_in_time_with_what_their_files_hold(root: Path) -> None:
    for scene, sequence in enumerate(open_dataset(root).sequences()):
        sweeps = between(sequence, 9)
        assert isinstance(sweeps, Sequence)
        places = list(itertools.product(range(hand_made.KEYFRAMES - 1), range(len(SWEEP_US))))
        assert len(sweeps) == len(places)  # nothing after the last keyframe: no keyframe would learn from it
        assert list(sweeps.tokens) == [sweep_token(scene, *place, "LIDAR_TOP") for place in places]
        assert list(sweeps.timestamps_ns) == [sweep_us(scene, *place) * 1000 for place in places]
        for index, place in enumerate(places):
            frame = sweeps.frame(index)
            written = torch.from_numpy(points(scene, *place))
            assert (frame.token, frame.index) == (sweeps.tokens[index], index)
            assert frame.sweep.timestamp_ns == sweeps.timestamps_ns[index]
            assert torch.equal(frame.sweep.points_lidar, written[:, :3])
            assert frame.read_labels is None
            assert frame.read_boxes is None


def test_every_sweep_has_the_nearest_image_of_every_camera(root: Path) -> None:
    """By hand. Images come 20 ms after sweeps and the front's keyframe image is 30 ms late: the sweep at 50 ms has its
    own at 70 ms and the keyframe's at 30 ms (CAM_FRONT is the fourth channel), both 20 ms away: the earlier is taken.
    CAM_BACK has none at 220 ms: at 200 ms the nearest, at 120 ms, is too far away."""
    sweeps = between(open_dataset(root).sequences()[0], 9)
    seen = [{image.name: image for image in sweeps.frame(index).images} for index in range(5)]
    assert [sorted(images) for images in seen] == [sorted(CAMERAS)] * 2 + [["CAM_FRONT"]] + [sorted(CAMERAS)] * 2
    front_us = [(image["CAM_FRONT"].timestamp_ns // 1000 - hand_made.FIRST_US) for image in seen]
    assert front_us == [30_000, 120_000, 220_000, 320_000, 450_000]
    assert [int(image["CAM_FRONT"].read_pixels()[0, 0, 0]) for image in seen[1:]] == pytest.approx(
        [grey(0, 0, number, "CAM_FRONT") for number in range(1, 5)], abs=3
    )


def test_sweeps_and_images_have_their_own_poses_between_those_of_the_keyframes(root: Path) -> None:
    for each in interleaved(open_dataset(root).sequences(), 9):
        sequence = each.sequence
        for index in range(1, len(sequence)):
            first, last = (sequence.frame(place).sweep for place in (index - 1, index))
            for frame in each.before(index):
                for time_ns, pose in [
                    (frame.sweep.timestamp_ns, frame.sweep.world_from_ego),
                    *((image.timestamp_ns, image.world_from_ego) for image in frame.images),
                ]:
                    share = (time_ns - first.timestamp_ns) / (last.timestamp_ns - first.timestamp_ns)
                    ends = first.world_from_ego.translation_m, last.world_from_ego.translation_m
                    assert torch.allclose(pose.translation_m, ends[0] + share * (ends[1] - ends[0]), atol=1e-6)
                    turned = pose.rotation.T @ first.world_from_ego.rotation
                    yaw = float(torch.atan2(turned[0, 1], turned[0, 0]))
                    assert yaw == pytest.approx(0.1 * (time_ns - first.timestamp_ns) * 1e-9, abs=1e-4)


@pytest.mark.parametrize(
    ("most", "chosen"), [(1, [2]), (2, [1, 3]), (3, [1, 2, 3]), (4, [0, 1, 3, 4]), (5, [0, 1, 2, 3, 4])]
)
def test_fewer_sweeps_are_evenly_chosen(root: Path, most: int, chosen: list[int]) -> None:
    sweeps = between(open_dataset(root).sequences()[0], most)
    wanted = [sweep_token(0, k, n, "LIDAR_TOP") for k in range(3) for n in chosen]
    assert list(sweeps.tokens) == wanted


def test_nuscenes_nine_sweeps_become_ten_hertz() -> None:
    """Nine sweeps at 20 Hz: four of them, every second one, are 10 Hz together with the keyframes."""
    assert evenly_chosen(np.repeat([1, 2], 9), 4).tolist() == [1, 3, 5, 7, 10, 12, 14, 16]
    assert evenly_chosen(np.repeat([1, 2], 9), 9).tolist() == list(range(18))
    assert evenly_chosen(np.array([1, 1, 2, 3, 3, 3]), 1).tolist() == [1, 2, 4]
    assert evenly_chosen(np.zeros(0, dtype=np.int64), 3).tolist() == []


def test_parts_of_sequences_have_the_sweeps_between_their_own_frames(root: Path) -> None:
    sequence = open_dataset(root).sequences()[0]
    (part,) = interleaved([SequencePart(sequence, 1, 3, "part")], 9)
    assert [frame.token for frame in part.before(0)] == []
    assert [frame.token for frame in part.before(1)] == [sweep_token(0, 1, n, "LIDAR_TOP") for n in range(5)]
    (whole,) = interleaved([sequence], 0)
    assert list(whole.before(1)) == []


def test_the_teacher_looks_at_keyframes_and_sweeps(root: Path) -> None:
    sequences = open_dataset(root).sequences()
    tokens = [token for sequence in with_between(sequences, 2) for token in sequence.tokens]
    assert len(tokens) == len(set(tokens)) == 2 * (4 + 3 * 2)
    assert with_between(sequences, 0) == sequences


def without_images(*numbers: int):
    """The same dataset without the images taken with these sweeps."""
    lost = {
        sweep_token(scene, keyframe, number, channel)
        for scene, keyframe, number, channel in itertools.product(
            range(2), range(hand_made.KEYFRAMES), numbers, CAMERAS
        )
    }

    def lose(tables: hand_made.Tables) -> None:
        tables["sample_data"] = [row for row in tables["sample_data"] if row["token"] not in lost]

    return lose


def test_sweeps_without_images_are_read_for_their_points_and_never_shown_to_a_teacher(tmp_path: Path) -> None:
    """By hand: without the images at 120 and 220 ms, the sweep at 100 ms has those at 70 ms near, and that at 200 ms
    none within 75 ms. With one of the four others the second is chosen; of all five it would be that at 200 ms."""
    sequences = open_dataset(write_dataset(tmp_path, without_images(1, 2))).sequences()

    def tokens(*numbers: int) -> list[str]:
        return [sweep_token(0, k, n, "LIDAR_TOP") for k in range(hand_made.KEYFRAMES - 1) for n in numbers]

    everything = between(sequences[0], 9, needs_images=False)
    assert list(everything.tokens) == tokens(0, 1, 2, 3, 4)
    assert list(between(sequences[0], 1, needs_images=False).tokens) == tokens(2)
    assert list(between(sequences[0], 9).tokens) == tokens(0, 1, 3, 4)
    assert list(between(sequences[0], 1).tokens) == tokens(1)
    assert everything.frame(2).images == ()
    assert torch.equal(everything.frame(2).sweep.points_lidar, torch.from_numpy(points(0, 0, 2)[:, :3]))
    for sequence in with_between(sequences, 9):
        assert all(sequence.frame(index).images for index in range(len(sequence)))
    ages = torch.unique(SweepHistory(sequences[0], 10, 0.55).read(1)[1][:, 4])
    assert torch.allclose(ages, torch.tensor([0.0, 0.07, 0.2, 0.3, 0.4, 0.45, 0.5]))


def test_a_memory_of_sweeps_without_images_is_refused(tmp_path: Path) -> None:
    """Those at 50, 100 and 430 ms would have a keyframe's image near."""

    def lose(tables: hand_made.Tables) -> None:
        without_images(*range(len(SWEEP_US)))(tables)
        near = [
            sweep_token(scene, keyframe, number, "LIDAR_TOP")
            for scene, keyframe, number in itertools.product(range(2), range(hand_made.KEYFRAMES), (0, 1, 4))
        ]
        tables["sample_data"] = [row for row in tables["sample_data"] if row["token"] not in near]

    sequence = open_dataset(write_dataset(tmp_path, lose)).sequences()[0]
    words = "scene-0061 has no LiDAR sweeps with images .*: those there are have no image near"
    with pytest.raises(ValueError, match=words):
        interleaved([sequence], 4)
    assert not SweepHistory(sequence, 10, 0.55).from_keyframes


def test_sweeps_can_be_sent_to_other_processes(root: Path) -> None:
    sweeps = pickle.loads(pickle.dumps(between(open_dataset(root).sequences()[1], 2)))
    assert pickle.loads(pickle.dumps(sweeps.frame(1))).images[0].read_pixels().shape == (3, 48, 64)


def test_the_index_of_sweeps_is_kept_in_a_file(root: Path, tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "kept") / hand_made.VERSION
    index = load_index(folder)
    first = load_sweeps(folder, index, smallest_bytes=0)
    assert (folder / SWEEPS_FILE_NAME).is_file()
    (folder / "ego_pose.json").rename(folder / "gone.json")
    with pytest.raises(FileNotFoundError, match=r"ego_pose\.json"):
        load_sweeps(folder, index, smallest_bytes=0)
    (folder / "gone.json").rename(folder / "ego_pose.json")
    second = load_sweeps(folder, index, smallest_bytes=0)
    for name in first.__dataclass_fields__:
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


def test_an_index_of_sweeps_that_was_made_when_those_without_images_were_dropped_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_dataset(tmp_path) / hand_made.VERSION
    index = load_index(folder)
    monkeypatch.setitem(index_file.FORMATS, SWEEPS_FILE_NAME, 2)  # what such files were written with
    whole = load_sweeps(folder, index, smallest_bytes=0)
    with monkeypatch.context() as patch:
        patch.setattr(index_file, "build_sweep_index", lambda *_: None)
        assert load_sweeps(folder, index, smallest_bytes=0) is not None
    monkeypatch.undo()
    asked = []
    monkeypatch.setattr(index_file, "build_sweep_index", lambda *_: asked.append(1) or whole)
    load_sweeps(folder, index, smallest_bytes=0)
    assert asked == [1]


def test_points_of_sweeps_are_where_the_devkit_moves_them(simulated: Path) -> None:
    """`from_file_multisweep` moves the sweeps before a keyframe to the keyframe; so do our poses, through the world."""
    official = devkit(simulated)
    from nuscenes.utils.data_classes import LidarPointCloud

    sequence = open_dataset(simulated).sequences()[0]
    sample = official.get("sample", sequence.tokens[1])
    wanted, lags_s = LidarPointCloud.from_file_multisweep(
        official, sample, "LIDAR_TOP", "LIDAR_TOP", nsweeps=4, min_distance=0
    )
    (each,) = interleaved([sequence], 3)
    keyframe = sequence.frame(1).sweep
    moved, lags = [], []
    for frame in [sequence.frame(1), *reversed(list(each.before(1)))]:
        now_from_then = keyframe.world_from_lidar.inverse() @ frame.sweep.world_from_lidar
        moved.append(now_from_then.apply(frame.sweep.points_lidar.double()))
        lags += [(keyframe.timestamp_ns - frame.sweep.timestamp_ns) * 1e-9] * len(moved[-1])
    assert torch.allclose(torch.cat(moved), torch.from_numpy(wanted.points[:3].T).double(), atol=1e-3)
    assert np.allclose(lags, lags_s[0], atol=1e-6)


def devkit(root: Path):
    nuscenes = pytest.importorskip("nuscenes.nuscenes", reason="the official nuscenes-devkit is not installed")
    return nuscenes.NuScenes(version="v1.0-mini", dataroot=str(root), verbose=False)


def test_the_simulated_sweeps_have_six_images_each_at_their_own_time(simulated: Path) -> None:
    official = devkit(simulated)
    sweeps = between(open_dataset(simulated).sequences()[0], 9)
    assert len(sweeps) == 3
    for index in range(3):
        frame = sweeps.frame(index)
        assert len(frame.images) == 6
        for image in frame.images:
            apart_ns = abs(image.timestamp_ns - frame.sweep.timestamp_ns)
            records = [row for row in official.sample_data if row["channel"] == image.name]
            nearest = min(records, key=lambda row: abs(row["timestamp"] * 1000 - frame.sweep.timestamp_ns))
            assert nearest["timestamp"] * 1000 == image.timestamp_ns
            assert apart_ns < 75_000_000


def test_sweeps_are_compensated_to_their_own_time() -> None:
    """The simulator knows when and where each point was met: a sweep's own pose puts all of them back there.

    With the pose of the moment at which a point was fired, what a sweep without compensation would need, points would
    be off by what the vehicle drives in half a turn.
    """
    from streetsim.recording import Recording
    from streetsim.rigs import nuscenes_rig

    rig = nuscenes_rig()
    recording = Recording(rig, "downtown", "clear", 5, keyframes=3, sweeps=1, samples_per_pixel=0)
    ego_from_lidar = rig.lidar.ego_from_lidar()
    ((time_s, scan),) = recording.between(2)
    ego_pose = recording.scenario.ego_pose
    here = (
        scan.points_lidar @ (ego_pose(time_s) @ ego_from_lidar)[:3, :3].T + (ego_pose(time_s) @ ego_from_lidar)[:3, 3]
    )
    off_m = np.linalg.norm(here - scan.surface_m, axis=1)
    assert np.median(off_m) < 0.05  # the noise of the range
    early = scan.time_s < -0.04
    fired = ego_pose(time_s - 0.045) @ ego_from_lidar
    there = scan.points_lidar[early] @ fired[:3, :3].T + fired[:3, 3]
    driven_m = np.linalg.norm((ego_pose(time_s) @ ego_from_lidar)[:3, 3] - fired[:3, 3])
    assert driven_m > 0.1
    assert np.median(np.linalg.norm(there - scan.surface_m[early], axis=1)) > 0.8 * driven_m


def test_a_dataset_without_sweeps_says_so(tmp_path: Path) -> None:
    def lose_sweeps(tables: hand_made.Tables) -> None:
        tables["sample_data"] = [row for row in tables["sample_data"] if row["is_key_frame"]]

    sequence = open_dataset(hand_made.write_dataset(tmp_path, lose_sweeps)).sequences()[0]
    words = r"scene-0061 has no LiDAR sweeps with images between its keyframes\. .* leave out --sweeps"
    with pytest.raises(ValueError, match=words):
        interleaved([sequence], 4)
    assert SweepHistory(sequence, 10, 0.55).from_keyframes


def test_the_recorded_drive_has_no_sweeps_and_says_so() -> None:
    sequences = open_dataset(shared_folder("data/nuscenes-scene-0523")).sequences()
    with pytest.raises(ValueError, match="has no LiDAR sweeps"):
        interleaved(sequences, 4)


def test_formats_whose_every_sweep_is_a_frame_say_so() -> None:
    from tests.train.drives import Drive

    with pytest.raises(ValueError, match="every sweep of other formats is a frame already"):
        interleaved([Drive("a", 3)], 4)
    with pytest.raises(ValueError, match="there cannot be -1 sweeps"):
        interleaved([Drive("a", 3)], -1)


def test_two_sweeps_at_one_time_are_refused(tmp_path: Path) -> None:
    def copy_one(tables: hand_made.Tables) -> None:
        for row in tables["sample_data"]:
            if row["token"] == sweep_token(0, 1, 2, "LIDAR_TOP"):
                row["timestamp"] -= 100_000

    sequence = open_dataset(write_dataset(tmp_path, copy_one)).sequences()[0]
    with pytest.raises(ValueError, match="every sweep needs its own"):
        between(sequence, 9)


def test_a_sweep_without_its_pose_is_named(tmp_path: Path) -> None:
    lost = hand_made.token("pose", sweep_token(0, 1, 2, "CAM_FRONT"))

    def lose_pose(tables: hand_made.Tables) -> None:
        tables["ego_pose"] = [row for row in tables["ego_pose"] if row["token"] != lost]

    sequence = open_dataset(write_dataset(tmp_path, lose_pose)).sequences()[0]
    with pytest.raises(ValueError, match=f"sample_data.json: row .* has ego_pose_token '{lost}'"):
        between(sequence, 9)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    root = write_dataset(tmp_path)
    (root / sweep_file(0, 0, 1, "LIDAR_TOP")).unlink()
    with pytest.raises(FileNotFoundError, match=r"0-0-1\.pcd\.bin is missing"):
        between(open_dataset(root).sequences()[0], 9).frame(1)
