"""Oracle: folders of every format, damaged in one place each; what is said names file, found, expected and remedy."""

from __future__ import annotations

import os
import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lima import cli
from lima.config import OptimiserConfig, PretrainConfig, StudentConfig, TeacherConfig
from lima.datasets import open_dataset
from lima.scene import Frame
from lima.train.pretrain import pretrain
from tests.datasets.bad_input import FORMATS, NUSCENES, ONE_OF_EVERY_READER
from tests.datasets.bad_input.cases import MANY, ROWS, BadFormat, CannotBe, Refused, Works
from tests.datasets.bad_input.kitti import NO_IMAGES
from tests.datasets.contents import Contents, read_everything
from tests.datasets.damage import somebody_else, without_rights

DAMAGES = 8
CELLS = [
    pytest.param(each, row, id=f"{each.name}: {row}")
    for each in FORMATS
    for row in ROWS
    if not isinstance(each.cases[row], CannotBe)
]
CONTENTS = {  # as the writers of the formats say
    "nuScenes": Contents(frames=8, points=3200, images=16, labels=3200, boxes=10),
    "KITTI odometry, SemanticKITTI": Contents(frames=4, points=200, images=8, labels=200),
    "KITTI raw": Contents(frames=4, points=200, images=8),
    "ScribbleKITTI": Contents(frames=8, points=400, images=16, labels=400),
    "SemanticPOSS": Contents(frames=8, points=400, labels=400),
    "SynLiDAR": Contents(frames=12, points=600, labels=600),
    "RELLIS-3D": Contents(frames=8, points=400, labels=400),
    "SemanticSTF": Contents(frames=12, points=600, labels=600),
    "DAPS-3D": Contents(frames=8, points=400, labels=400),
    "Synth4D": Contents(frames=8, points=400, labels=400),
    "Waymo Open v2": Contents(frames=3, points=180, images=6, labels=60, boxes=6),  # labels of one frame
    "Argoverse 2": Contents(frames=3, points=180, images=6, labels=180, boxes=6),
    "PandaSet": Contents(frames=3, points=180, images=6, labels=180, boxes=3),  # one of two is the other LiDAR's
    "plain folder": Contents(frames=3, points=180, images=6, labels=180),
    "bags": Contents(frames=3, points=180, images=6),
}
every_format = pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every format, undamaged, written when it is first asked for."""
    return {"": tmp_path_factory.mktemp("undamaged")}


@pytest.fixture(scope="module")
def a_run(written: dict[str, Path]) -> Path:
    """The shortest one, for whoever wants to probe it."""
    config = PretrainConfig(
        teacher=TeacherConfig(name="tiny", image_height_px=32, image_width_px=48),
        student=StudentConfig(backbone="minkunet14", width=0.125, voxel_size_m=1.0),
        optimiser=OptimiserConfig(epochs=1, lanes=2),
        split="all",
    )
    run = written[""] / "run"
    pretrain(undamaged(NUSCENES, written), run, config, written[""] / "cache")
    return run


def undamaged(each: BadFormat, written: dict[str, Path]) -> Path:
    if each.name not in written:
        root = written[""] / each.name / "Fahrten über Land"
        root.mkdir(parents=True)
        each.write(root)
        written[each.name] = root
    return written[each.name]


def copy_of(each: BadFormat, written: dict[str, Path], folder: Path) -> Path:
    return Path(shutil.copytree(undamaged(each, written), folder / "Fahrten über Land"))


def frames(root: Path) -> Iterator[Frame]:
    for sequence in open_dataset(root).sequences():
        yield from (sequence.frame(index) for index in range(len(sequence)))


@every_format
def test_every_kind_of_damage_is_thought_of(each: BadFormat) -> None:
    assert set(each.cases) == set(ROWS)


@pytest.mark.parametrize(("each", "row"), CELLS)
def test_it_is_refused_in_one_line_or_read(each: BadFormat, row: str, written: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(each, written, tmp_path)
    case = each.cases[row]
    assert not isinstance(case, CannotBe)
    case.change(root)
    if isinstance(case, Works):
        assert read_everything(each.prepare(root)).images == CONTENTS[each.name].images - case.fewer_images
        return
    with pytest.raises(case.error) as caught:
        read_everything(each.prepare(root))
    message = str(caught.value)
    assert "\n" not in message
    assert "Fahrten über Land" in message, message
    for word in case.words:
        assert word in message, message


@every_format
def test_what_is_not_damaged_is_read(each: BadFormat, written: dict[str, Path], tmp_path: Path) -> None:
    """All of it, from a path with spaces and umlauts."""
    assert read_everything(each.prepare(copy_of(each, written, tmp_path))) == CONTENTS[each.name]


@every_format
def test_frames_that_are_not_there(each: BadFormat, written: dict[str, Path], tmp_path: Path) -> None:
    for sequence in open_dataset(each.prepare(copy_of(each, written, tmp_path))).sequences():
        for index in (-1, len(sequence)):
            with pytest.raises(IndexError, match=f"has frames 0 … {len(sequence) - 1}, not {index}"):
                sequence.frame(index)


@every_format
def test_the_command_line_says_it_in_one_line(
    each: BadFormat, written: dict[str, Path], a_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    root = copy_of(each, written, tmp_path)
    case = each.cases["truncated file"]
    assert isinstance(case, Refused)
    case.change(root)
    command = ["features", str(root), "--cache", str(tmp_path / "cache")]
    if each.cases["image of another size"] == NO_IMAGES:
        command = ["probe", str(a_run), str(root), "--train-split", "all", "--val-split", "all"]
    elif each.name == "bags":
        command = ["import", str(root / each.sweep), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["lima", *command])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    assert exit_.value.code == cli.USER_MISTAKE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lima: ")
    for word in case.words:
        assert word in line


@every_format
def test_files_that_may_not_be_read(each: BadFormat, written: dict[str, Path]) -> None:
    """No permission stops root: a test that root runs goes on as a user without rights."""
    source = undamaged(each, written)
    with somebody_else() as folder:
        for name in ("readable", "unreadable"):
            root = Path(shutil.copytree(source, folder / name))
            for path in (root, *root.rglob("*")):
                path.chmod(0o777)
        # reading imports what is imported when it is needed, before there are no rights to
        assert read_everything(each.prepare(folder / "readable")) == CONTENTS[each.name]
        root = folder / "unreadable"
        (root / each.sweep).chmod(0)
        with without_rights(), pytest.raises(PermissionError) as caught:
            read_everything(each.prepare(root))
        if os.geteuid() != 0:
            (root / each.sweep).chmod(0o777)
    message = str(caught.value)
    assert str(root / each.sweep) in message
    assert "may not be read: give yourself the right to" in message
    assert "\n" not in message


@pytest.mark.slow
@every_format
def test_however_a_file_is_damaged_it_is_said_in_one_line(
    each: BadFormat, written: dict[str, Path], tmp_path: Path
) -> None:
    """Files cut off anywhere and with other bytes anywhere, of every kind in turn: they are read, or named."""
    rng = random.Random(each.name)
    source = undamaged(each, written)
    kinds: dict[tuple[str, str], list[Path]] = {}
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.stat().st_size:
            kinds.setdefault((path.suffix, path.parent.name), []).append(path.relative_to(source))
    for number in range(DAMAGES):
        root = copy_of(each, written, tmp_path / str(number))
        path = root / rng.choice(rng.choice(list(kinds.values())))
        data = bytearray(path.read_bytes())
        if number % 2:
            del data[rng.randrange(len(data)) :]
        for _ in range(min(3, len(data))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        told = "Fahrten über Land"
        try:
            read_everything(each.prepare(root))
        except (ValueError, OSError) as problem:
            told = str(problem)
        assert "Fahrten über Land" in told, (path, told)
        assert "\n" not in told, (path, told)
        shutil.rmtree(root)


@pytest.mark.slow
@pytest.mark.parametrize("each", ONE_OF_EVERY_READER, ids=lambda each: each.name)
def test_ten_million_points_are_read(each: BadFormat, written: dict[str, Path], tmp_path: Path) -> None:
    root = copy_of(each, written, tmp_path)
    each.many(root)
    largest = max(frames(each.prepare(root)), key=lambda frame: len(frame.sweep.points_lidar))
    assert len(largest.sweep.points_lidar) == MANY
    if largest.read_labels is not None:
        assert len(largest.read_labels()) == MANY


def test_the_page_shows_the_same_table() -> None:
    """docs/formats.md: a row for every damage, a column for every format, the family in one."""
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    section = page.split("\n## Bad input\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    header, _, *body = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    columns = {name: [each for each in FORMATS if each.name == name] for name in header[1:] if name != "family"}
    columns["family"] = [each for each in FORMATS if not any(each in known for known in columns.values())]
    assert all(columns.values())
    table = {cells[0]: dict(zip(header[1:], cells[1:], strict=True)) for cells in body}
    assert set(table) == {*ROWS, "ten million points", "a file without permission", "spaces and umlauts in paths"}
    words = {Refused: "error", Works: "works", CannotBe: "–"}
    for row in ROWS:
        for name, formats in columns.items():
            found = {words[type(each.cases[row])] for each in formats}
            shown = re.sub(r" \(.*", "", table[row][name])
            assert shown == found.pop() if len(found) == 1 else {shown, "–"} == found, (row, name)
