"""Oracle: hand-made drives damaged in known frames; what is left is told by hand, and a run on it is a run on a dataset
that never had those frames."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lima import cli
from lima.config import MethodConfig, OptimiserConfig, PretrainConfig, StudentConfig, TeacherConfig
from lima.data.between import interleaved, with_between
from lima.datasets import open_dataset
from lima.datasets.parts import temporal_halves
from lima.datasets.readable import READERS, ReadableDataset, opened
from lima.train.pretrain import pretrain
from lima.train.processes import Processes, start_processes
from tests.datasets import hand_made, kitti_hand_made
from tests.datasets import test_nuscenes_sweeps as nuscenes_sweeps
from tests.datasets.hand_made import Tables, data_token, sample_token
from tests.train.free_port import free_port

POINTS = hand_made.data_file(0, 1, "LIDAR_TOP")
IMAGE = hand_made.data_file(1, 2, "CAM_BACK")
LABELS = hand_made.label_file(0, 3)
BAD = {sample_token(0, 1): POINTS, sample_token(0, 3): LABELS, sample_token(1, 2): IMAGE}
CONFIG = PretrainConfig(
    teacher=TeacherConfig(name="tiny", image_height_px=32, image_width_px=48),
    student=StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=1.0, max_range_m=30.0),
    method=MethodConfig(frames=3, association_size_m=1.0),
    optimiser=OptimiserConfig(epochs=2, learning_rate=0.01, lanes=2),
    split="all",
    log_every_steps=1,
    skip_bad=True,
)


def damaged(root: Path) -> Path:
    """Eight frames in two scenes; one has bad points, one bad labels, one a bad image."""
    root = hand_made.write_dataset(root)
    (root / POINTS).write_bytes((root / POINTS).read_bytes()[:50])
    (root / LABELS).unlink()
    (root / IMAGE).write_bytes(b"no image")
    return root


def tokens_of(dataset: object, split: str | None = None) -> list[str]:
    assert isinstance(dataset, ReadableDataset)
    return [token for sequence in dataset.sequences(split) for token in sequence.tokens]


def good_tokens() -> list[str]:
    every = [sample_token(scene, keyframe) for scene in range(2) for keyframe in range(hand_made.KEYFRAMES)]
    return [token for token in every if token not in BAD]


def test_what_cannot_be_read_is_left_out_and_the_rest_stays_as_it_was(tmp_path: Path) -> None:
    dataset = open_dataset(damaged(tmp_path))
    readable = ReadableDataset(dataset)
    assert tokens_of(readable) == good_tokens()
    assert list(readable.left_out) == list(BAD)
    for token, file in BAD.items():
        assert file in readable.left_out[token]
        assert "\n" not in readable.left_out[token]
    assert (readable.name, readable.class_names) == (dataset.name, dataset.class_names)
    assert readable.split_names == dataset.split_names
    for sequence, whole in zip(readable.sequences(), dataset.sequences(), strict=True):
        assert sequence.name == whole.name
        times_ns = [time for token, time in zip(whole.tokens, whole.timestamps_ns, strict=True) if token not in BAD]
        assert list(sequence.timestamps_ns) == times_ns
        for index, token in enumerate(sequence.tokens):
            frame, same = sequence.frame(index), whole.frame(list(whole.tokens).index(token))
            assert (frame.token, frame.index, frame.sequence) == (token, index, whole.name)
            assert torch.equal(frame.sweep.points_lidar, same.sweep.points_lidar)
        with pytest.raises(IndexError, match=f"has frames 0 … {len(sequence) - 1}, not {len(sequence)}"):
            sequence.frame(len(sequence))


def test_every_split_is_checked_once_and_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readable = ReadableDataset(open_dataset(damaged(tmp_path)))
    assert tokens_of(readable, "train") == good_tokens()[:2]
    assert len(readable.left_out) == 2
    assert readable.lines()[0] == "2 of 4 frames cannot be read and are left out (--skip-bad):"
    tokens_of(readable)
    assert len(readable.lines()) == 4
    assert "3 of 8" in readable.lines()[0]
    monkeypatch.setattr("lima.datasets.readable._problem", None)  # nothing is read again
    tokens_of(readable)


def test_a_drive_without_a_readable_frame_is_left_out_and_a_dataset_without_one_is_refused(tmp_path: Path) -> None:
    root = hand_made.write_dataset(tmp_path)
    for keyframe in range(hand_made.KEYFRAMES):
        (root / hand_made.data_file(0, keyframe, "LIDAR_TOP")).write_bytes(b"")
    readable = ReadableDataset(open_dataset(root))
    assert [sequence.name for sequence in readable.sequences()] == [hand_made.SCENES[1]]
    with pytest.raises(ValueError, match=r"none of 4 frames can be read; the first, \w+: .*0-0\.pcd\.bin.* empty"):
        ReadableDataset(open_dataset(root)).sequences("train")


def test_what_is_wrong_with_a_whole_drive_still_stops(tmp_path: Path) -> None:
    def same_time(tables: Tables) -> None:
        (row,) = (row for row in tables["sample_data"] if row["token"] == data_token(0, 1, "LIDAR_TOP"))
        row["timestamp"] = hand_made.FIRST_US

    readable = ReadableDataset(open_dataset(hand_made.write_dataset(tmp_path, same_time)))
    with pytest.raises(ValueError, match="was one of them copied"):
        readable.sequences()


def test_they_are_listed_however_the_work_ends(tmp_path: Path) -> None:
    root, said = damaged(tmp_path), list[str]()
    with opened(root, "raise", skip_bad=True, say=said.append) as dataset:
        tokens_of(dataset)
        assert said == []
    assert said[0] == "3 of 8 frames cannot be read and are left out (--skip-bad):"
    assert [line.split(":")[0].strip() for line in said[1:]] == list(BAD)
    said.clear()
    with pytest.raises(KeyError), opened(root, "raise", skip_bad=True, say=said.append) as dataset:  # noqa: PT012
        tokens_of(dataset)
        raise KeyError
    assert len(said) == 4
    with opened(root, "raise", skip_bad=False) as dataset:
        assert not isinstance(dataset, ReadableDataset)


def test_sweeps_between_keyframes_are_left_out_of_the_memory_alone(tmp_path: Path) -> None:
    root = nuscenes_sweeps.write_dataset(tmp_path)
    bad_sweep = nuscenes_sweeps.sweep_file(0, 0, 1, "LIDAR_TOP")
    (root / bad_sweep).write_bytes(b"short")
    (root / POINTS).write_bytes(b"short")
    dataset = open_dataset(root)
    readable = ReadableDataset(dataset)
    own, between, *_ = with_between(readable.sequences(), most=5)
    whole, all_between, *_ = with_between(dataset.sequences(), most=5)
    assert list(own.tokens) == [token for token in whole.tokens if token != sample_token(0, 1)]
    gone = nuscenes_sweeps.sweep_token(0, 0, 1, "LIDAR_TOP")
    assert list(between.tokens) == [token for token in all_between.tokens if token != gone]
    assert set(readable.left_out) == {sample_token(0, 1), gone}
    before = [frame.token for frame in interleaved(readable.sequences(), 5)[0].before(1)]
    assert before == list(between.tokens)[:9]  # from the first keyframe to the third
    halves = temporal_halves(readable.sequences()[0], 0)
    assert gone not in with_between(halves, 5)[1].tokens


def test_all_readers_are_used_and_order_is_kept(tmp_path: Path) -> None:
    """More frames than readers, every second one bad: the list is in the order of time."""
    root = kitti_hand_made.write_odometry(tmp_path, tuple(f"{number:02d}" for number in range(2 * READERS)))
    for number in range(2 * READERS):
        for scan in range(0, kitti_hand_made.SCANS, 2):
            np.zeros(3, np.float32).tofile(root / f"sequences/{number:02d}/velodyne/{scan:06d}.bin")
    readable = ReadableDataset(open_dataset(root, "split"))
    found = [list(sequence.tokens) for sequence in readable.sequences()]
    assert found == [[f"{number:02d}/000001", f"{number:02d}/000003"] for number in range(2 * READERS)]
    assert list(readable.left_out) == [
        f"{number:02d}/{scan:06d}" for number in range(2 * READERS) for scan in range(0, kitti_hand_made.SCANS, 2)
    ]


def test_a_damaged_first_image_costs_its_own_frame_alone(tmp_path: Path) -> None:
    """KITTI's calibration says no sizes: the first image that can be opened tells its camera's."""
    root = kitti_hand_made.write_odometry(tmp_path, ("00",))
    (root / "sequences/00/image_2/000000.png").write_bytes(b"no image")
    readable = ReadableDataset(open_dataset(root))
    assert tokens_of(readable) == ["00/000001", "00/000002", "00/000003"]
    assert "image_2/000000.png is not a readable image" in readable.left_out["00/000000"]


@pytest.mark.parametrize("skip", [False, True])
def test_the_command_line_lists_them_at_the_end(
    skip: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = damaged(tmp_path / "damaged")
    small = ["--image-height-px", "32", "--image-width-px", "48"]
    command = ["lima", "features", str(root), "--cache", str(tmp_path / "cache"), *small, *["--skip-bad"] * skip]
    monkeypatch.setattr(sys, "argv", command)
    if skip:
        cli.main()
    else:
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        assert exit_.value.code == cli.USER_MISTAKE
    told = capsys.readouterr().err.splitlines()
    if not skip:
        (line,) = told
        assert line.startswith(f"lima: {root}")
        return
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == len(good_tokens())
    assert told[-4] == "3 of 8 frames cannot be read and are left out (--skip-bad):"
    assert [line.split(":")[0].strip() for line in told[-3:]] == list(BAD)


# --- runs


def without_the_bad(root: Path) -> Path:
    """The same drives from somebody who never recorded the bad frames; in time a second lies between some."""

    def change(tables: Tables) -> None:
        gone = set(BAD)
        for table, key in (("sample", "token"), ("sample_data", "sample_token"), ("sample_annotation", "sample_token")):
            tables[table] = [row for row in tables[table] if row[key] not in gone]
        for table in ("sample", "sample_annotation"):
            chains = {row["token"]: row for row in tables[table]}
            for row in tables[table]:
                row["prev"] = row["prev"] if row["prev"] in chains else ""
                row["next"] = row["next"] if row["next"] in chains else ""
        for scene in range(2):
            kept = [token for token in (sample_token(scene, k) for k in range(4)) if token not in gone]
            rows = {row["token"]: row for row in tables["sample"]}
            for place, token in enumerate(kept):
                rows[token]["prev"] = kept[place - 1] if place else ""
                rows[token]["next"] = kept[place + 1] if place + 1 < len(kept) else ""
            (described,) = (row for row in tables["scene"] if row["first_sample_token"] == sample_token(scene, 0))
            described.update(nbr_samples=len(kept), last_sample_token=kept[-1])
        tables["instance"], tables["sample_annotation"] = [], []

    return hand_made.write_dataset(root, change)


def weights(run: Path) -> bytes:
    return (run / "student.safetensors").read_bytes()


def test_a_run_is_that_on_drives_which_never_had_those_frames(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights bit for bit: the memory takes a missing frame as absent. And stopped in between, and resumed."""
    monkeypatch.setattr("lima.datasets.continuity.MAX_GAP_S", 5.0)
    root = damaged(tmp_path / "damaged")
    with pytest.raises(ValueError, match=r"0-1\.pcd\.bin"):
        pretrain(root, tmp_path / "stops", PretrainConfig(**{**vars(CONFIG), "skip_bad": False}), tmp_path / "cache")
    pretrain(root, tmp_path / "run", CONFIG, tmp_path / "cache")
    assert "3 of 8 frames cannot be read and are left out (--skip-bad):" in capsys.readouterr().err
    assert json.loads((tmp_path / "run" / "config.json").read_text())["keyframes"] == good_tokens()
    pretrain(without_the_bad(tmp_path / "clean"), tmp_path / "same", CONFIG, tmp_path / "other cache")
    assert weights(tmp_path / "run") == weights(tmp_path / "same")

    first = PretrainConfig(**{**vars(CONFIG), "checkpoint_every_steps": 2})
    monkeypatch.setattr("lima.train.pretrain.save_student", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pretrain(root, tmp_path / "resumed", first, tmp_path / "cache")
    monkeypatch.undo()
    monkeypatch.setattr("lima.datasets.continuity.MAX_GAP_S", 5.0)
    last, *_ = sorted((tmp_path / "resumed" / "checkpoints").iterdir(), reverse=True)
    for file in sorted(last.rglob("*"), reverse=True):
        file.unlink()
    last.rmdir()
    pretrain(root, tmp_path / "resumed", first, tmp_path / "cache", resume=True)
    assert weights(tmp_path / "resumed") == weights(tmp_path / "run")


def test_a_run_is_not_resumed_on_other_frames(tmp_path: Path) -> None:
    root = damaged(tmp_path / "damaged")
    pretrain(root, tmp_path / "run", CONFIG, tmp_path / "cache")
    shutil.rmtree(root)
    hand_made.write_dataset(root)  # repaired
    with pytest.raises(ValueError, match=r"5 keyframes of .*, now other ones of"):
        pretrain(root, tmp_path / "run", CONFIG, tmp_path / "cache", resume=True)


def in_rank(rank: int, port: int, root: Path, folder: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    with start_processes("cpu") as processes:
        check_share(processes, root, folder)


def check_share(processes: Processes, root: Path, folder: Path) -> None:
    said: list[str] = []
    with opened(root, "raise", skip_bad=True, sharing=processes, say=said.append) as dataset:
        tokens = tokens_of(dataset)
    (folder / f"{processes.rank}.json").write_text(json.dumps([tokens, said]))


def test_two_processes_share_the_reading_and_agree(tmp_path: Path) -> None:
    root = damaged(tmp_path / "damaged")
    torch.multiprocessing.spawn(in_rank, (free_port(), root, tmp_path), nprocs=2)
    answers = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert [tokens for tokens, _ in answers] == [good_tokens()] * 2
    first, second = (said for _, said in answers)
    assert second == []
    assert [line.split(":")[0].strip() for line in first[1:]] == list(BAD)
    assert all(file in line for file, line in zip(BAD.values(), first[1:], strict=True))
