"""Oracle: simulated drives of which nothing is wrong, and copies of them with files that were damaged by hand."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lima import cli
from lima.config import DoctorConfig
from lima.datasets import open_dataset
from lima.doctor import examination as examination_module
from lima.doctor.doctor import run_doctor
from lima.doctor.examination import Judge, examine
from lima.doctor.fits import Tolerance
from lima.doctor.looking import look, places
from lima.doctor.moves import camera_moves, rigid
from lima.doctor.selection import Chosen, choose
from lima.geometry.rigid import RigidTransform
from lima.scene import Frame
from lima.train.interruption import Interrupted
from tests.doctor.hand_made import MemoryDrive


@pytest.fixture(scope="module")
def answers(simulated_nuscenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes about good drives."""
    folder = tmp_path_factory.mktemp("doctor")
    config = DoctorConfig(drives=1, json=folder / "doctor.json", html=folder / "doctor.html")
    found = run_doctor(simulated_nuscenes, config)
    assert found.wrong == (), [finding.line for finding in found.wrong]
    return folder


@pytest.mark.slow
def test_nothing_is_wrong_with_simulated_drives(answers: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    told = json.loads((answers / "doctor.json").read_text(), parse_constant=refuse)
    assert told["wrong"] is False
    assert (told["drives_there"], len(told["drives"])) == (3, 1)
    drive = told["drives"][0]
    assert drive["frames_read"] == 4
    assert drive["sensors"][0]["sensor"] == "LiDAR"
    assert drive["sensors"][0]["rate_hz"] == pytest.approx(2.0)
    assert len(drive["sensors"]) == 7
    for frame in drive["sweeps"]:
        assert sum(frame["seen_by"]) == pytest.approx(1.0)
        assert frame["rings"] == 32
    assert drive["following"]["drifts"][0]["shift_m"] < 0.1, "the simulator's poses are exact"


@pytest.mark.slow
def test_the_page_needs_nothing_else(answers: Path) -> None:
    page = (answers / "doctor.html").read_text()
    addresses = re.findall(r'(?:src|href)="([^"]{1,40})', page)
    assert addresses
    assert all(address.startswith(("#", "data:image/jpeg")) for address in addresses), addresses
    assert "<script" not in page
    for words in ("nothing is wrong", "CAM_BACK_LEFT", "Points on images", "Sweeps against each other"):
        assert words in page


Damage = Callable[[Path], object]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def not_a_number(file: Path) -> None:
    values = np.fromfile(file, dtype=np.float32)
    values[10:13] = np.nan
    values.tofile(file)


def no_rotation(file: Path) -> None:
    rows = json.loads(file.read_text())
    rows[0]["rotation"] = [2.0, 0.0, 0.0, 0.0]
    file.write_text(json.dumps(rows))


TABLES = "v1.0-mini"


def all_files(root: Path) -> None:
    """Twelve sweeps and front images, four of each drive: a different one of them for every damage."""
    sweeps = sorted((root / "samples/LIDAR_TOP").iterdir())
    images = sorted((root / "samples/CAM_FRONT").iterdir())
    cut(sweeps[0])
    sweeps[1].unlink()
    not_a_number(sweeps[4])
    shutil.copy(sweeps[5], sweeps[6])
    images[8].write_bytes(images[8].read_bytes()[:100])
    images[9].unlink()
    shutil.copy(images[10], images[11])


FILE_WORDS = (
    r"LIDAR_TOP.*bytes",
    r"LIDAR_TOP.*is missing",
    r"1 of \d+ points are NaN or infinite",
    r"with the points of an earlier frame: copied twice",
    r"CAM_FRONT.*not a readable image",
    r"CAM_FRONT.*is missing",
    r"with the picture of an earlier frame: copied twice",
)
DAMAGES: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "files": (all_files, FILE_WORDS),
    "no rotation": (lambda root: no_rotation(root / TABLES / "calibrated_sensor.json"), ("norm 2",)),
    "table cut short": (lambda root: cut(root / TABLES / "sample.json"), (r"sample\.json",)),
    "table missing": (lambda root: (root / TABLES / "ego_pose.json").unlink(), (r"ego_pose\.json",)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found_and_the_rest_is_looked_at(
    name: str,
    simulated_nuscenes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = tmp_path / "drives with ünicode"
    shutil.copytree(simulated_nuscenes, root, ignore=shutil.ignore_patterns("exact", ".streetsim", ".lima*"))
    damage, all_words = DAMAGES[name]
    damage(root)
    monkeypatch.setattr(examination_module, "align", lambda *_: None)  # measured elsewhere, and slow
    monkeypatch.setattr(examination_module, "follow", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["lima", "doctor", str(root), "--drives", "0"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr().out.splitlines()
    assert ended.value.code == 1
    for words in all_words:
        assert [line for line in printed if line.startswith("wrong: ") and re.search(words, line)], (words, printed)
    assert "wrong (" in printed[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--split", "tomorrow"], "has no split 'tomorrow'"),
        (["--drives", "-1"], "must be 0 (all) or more"),
        (["--html", "/nowhere/page.html"], "there is no folder /nowhere"),
        (["--reference", __file__], "is not what lima doctor --json writes"),
    ],
)
def test_mistakes_of_the_user(
    arguments: list[str],
    words: str,
    simulated_nuscenes: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["lima", "doctor", str(simulated_nuscenes), *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_a_folder_of_something_else_is_no_damaged_dataset(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    with pytest.raises(FileNotFoundError, match="of no known format"):
        run_doctor(tmp_path, DoctorConfig())


def test_an_interrupt_keeps_what_is_done(simulated_nuscenes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = open_dataset(simulated_nuscenes).sequences()
    monkeypatch.setattr(examination_module, "align", lambda *_: None)
    monkeypatch.setattr(examination_module, "follow", lambda *_: None)
    read = []

    def progress() -> None:
        read.append(1)
        if len(read) == 6:
            raise KeyboardInterrupt

    found = examine("drives", sequences, choose(sequences, 0, 0), Judge(Tolerance(0.7, 0.05)), progress)
    assert found.stopped
    assert [drive.name for drive in found.drives] == [sequences[0].name]

    def stopped(*_: object) -> object:
        return replace(found, findings=())

    monkeypatch.setattr("lima.doctor.doctor.examine", stopped)
    with pytest.raises(Interrupted) as interruption:
        run_doctor(simulated_nuscenes, DoctorConfig())
    assert interruption.value.exit_code == 130


def test_outlines_move_as_the_mount_does(simulated_nuscenes: Path) -> None:
    """What is told to a drive by its calibration is what `camera_moves` does to the outlines of the right one."""
    sequence = open_dataset(simulated_nuscenes).sequences()[0]
    offset = torch.tensor([0.4, -0.3, 0.5, 0.05, 0.02, -0.04], dtype=torch.float64)
    move = rigid(offset[:3], offset[3:])

    def mounted_otherwise(frame: Frame) -> Frame:
        image = frame.images[0]
        ego_from_cam = image.ego_from_cam @ RigidTransform.from_matrix(move).inverse()
        return replace(frame, images=(replace(image, ego_from_cam=ego_from_cam),))

    frames = [sequence.frame(index) for index in range(2)]
    right = look(Chosen(MemoryDrive([replace(frame, images=frame.images[:1]) for frame in frames]), (0, 1)), _nothing)
    wrong = look(Chosen(MemoryDrive([mounted_otherwise(frame) for frame in frames]), (0, 1)), _nothing)
    expected = right.evidences[0].moved(camera_moves(right.evidences[0], offset)).stretches_cam.flatten(1)
    found = wrong.evidences[0].stretches_cam.flatten(1)
    assert len(found) > 20
    nearest = torch.cdist(found.double(), expected.double()).amin(dim=1)
    assert float((nearest < 1e-3).float().mean()) > 0.9, "but for those that come into view or go out of it"


def test_what_cannot_be_read_is_not_said_a_hundred_times(simulated_nuscenes: Path) -> None:
    class Lost(MemoryDrive):
        def frame(self, index: int) -> Frame:
            raise FileNotFoundError(f"sweep {index} is missing")

    frame = open_dataset(simulated_nuscenes).sequences()[0].frame(0)
    drive = Lost([frame] * 40)
    looked = look(Chosen(drive, tuple(range(40))), _nothing)
    assert looked.facts == ()
    assert [finding.words for finding in looked.findings] == [
        *(f"sweep {index} is missing" for index in range(5)),
        "35 more sweeps or images cannot be read",
    ]


def _nothing() -> None:
    pass


def test_a_place_lasts_as_long_as_the_vehicle_stays() -> None:
    positions = [torch.tensor([x, 0.0, 0.0], dtype=torch.float64) for x in (0.0, 0.3, 0.9, 1.1, 1.5, 2.2, 2.2)]
    assert places(positions).tolist() == [0, 0, 0, 1, 1, 2, 2]
