"""Oracle: an HTML parser that follows every tag and address, and a street whose classes, views and memory are known."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from PIL import Image

from lima.config import MethodConfig, PretrainConfig, StudentConfig
from lima.data.pairs import pairs_from_frame
from lima.evaluate.colouring import PrincipalColours
from lima.evaluate.exhibit import Exhibit, choose_frame, choose_queries, depths_m, gather
from lima.evaluate.page import Picture, Section, gallery, page, paragraph, table, tabs
from lima.evaluate.plates import (
    Student,
    camera_order,
    class_plate,
    component_plate,
    coverage_plate,
    likeness_plate,
)
from lima.evaluate.report import write_report
from lima.evaluate.runs import random_student
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep
from lima.train.run_folder import open_run_folder

CLASSES = ("ignored", "car", "driveable_surface", "manmade")
CAMERA = PinholeCamera(fx_px=48.0, fy_px=48.0, cx_px=47.5, cy_px=23.5, width_px=96, height_px=48)
VOID = {"meta", "img", "input", "br", "hr", "link"}


class Reader(HTMLParser):
    """Follows the tags of a page; complains where one is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    reader.close()
    assert reader.open == []
    return reader


def check_stands_alone(html: str) -> Reader:
    """Nothing on the page comes from elsewhere, and every picture can be opened."""
    reader = read(html)
    for tag, attributes in reader.tags:
        assert tag not in ("script", "link", "iframe", "object"), tag
        for name in ("src", "href", "srcset", "data", "poster"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:image/", "#")), address
        if tag == "img":
            header, _, body = (attributes["src"] or "").partition(",")
            assert header == "data:image/jpeg;base64"
            image = Image.open(io.BytesIO(base64.b64decode(body)))
            assert (str(image.width), str(image.height)) == (attributes["width"], attributes["height"])
            assert attributes["alt"]
    assert "http:" not in html
    assert "https:" not in html
    assert "@import" not in html
    assert "url(" not in html
    return reader


def camera_towards(angle_deg: float) -> RigidTransform:
    """ego_from_cam of a camera that looks that many degrees to the left of ahead."""
    angle = torch.deg2rad(torch.tensor(angle_deg, dtype=torch.float64))
    ahead, left = torch.tensor([angle.cos(), angle.sin(), 0]), torch.tensor([-angle.sin(), angle.cos(), 0])
    return RigidTransform(
        torch.stack([-left, torch.tensor([0.0, 0, -1]).double(), ahead], dim=1), torch.zeros(3).double()
    )


def street(index: int = 0, angles_deg: tuple[float, ...] = (0.0, 180.0), labelled: bool = True) -> Frame:
    """Ground 1.5 m below the sensor, a wall to the left and a car ahead; the vehicle drives 1 m per frame."""
    generator = torch.Generator().manual_seed(5)

    def uniform(count: int, *ranges: tuple[float, float]) -> torch.Tensor:
        columns = [low + (high - low) * torch.rand(count, generator=generator) for low, high in ranges]
        return torch.stack(columns, dim=1)

    car = uniform(150, (8.0, 10.0), (-1.5, 1.5), (-1.4, 0.0))
    ground = uniform(400, (-20.0, 20.0), (-6.0, 6.0), (-1.51, -1.49))
    wall = uniform(250, (-20.0, 20.0), (7.9, 8.0), (-1.0, 3.0))
    points = torch.cat([car, ground, wall])
    labels = torch.cat([torch.full((150,), 1), torch.full((400,), 2), torch.full((250,), 3)])
    here = RigidTransform.identity()
    pose = RigidTransform(torch.eye(3).double(), torch.tensor([float(index), 0, 0]).double())
    images = tuple(
        CameraImage(
            f"CAM_{angle:g}", CAMERA, 0, camera_towards(angle), pose, lambda: torch.full((3, 48, 96), 90).byte()
        )
        for angle in angles_deg
    )
    sweep = Sweep(points, torch.full((len(points),), 0.5), index, here, pose)
    return Frame(f"token-{index}", "street", index, sweep, images, (lambda: labels) if labelled else None)


def features_of(frame: Frame) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(len(frame.images), 6, 4, 8, generator=generator)


def exhibit_of(frames: int = 3, labelled: bool = True) -> Exhibit:
    past = [street(index, labelled=labelled) for index in range(frames - 1)]
    frame = street(frames - 1, labelled=labelled)
    labels = None if frame.read_labels is None else frame.read_labels()
    return gather(frame, past, CLASSES, labels, features_of, MethodConfig(frames=frames))


def students_of(exhibit: Exhibit, probed: bool = True) -> list[Student]:
    count = len(exhibit.frame.sweep.points_lidar)
    known = exhibit.frame.sweep.points_lidar[:, :2].norm(dim=1) < 15
    students = []
    for seed, name in enumerate(("LiMA", "random initialisation")):
        features = torch.randn(count, 5, generator=torch.Generator().manual_seed(seed))
        predicted = exhibit.labels.clone() if probed and exhibit.labels is not None else None
        students.append(
            Student(name, features, known, predicted, torch.cat([features, features[:, :1]], dim=1).double())
        )
    return students


def colours_of(exhibit: Exhibit) -> PrincipalColours:
    return PrincipalColours.fit(exhibit.image_features.permute(0, 2, 3, 1).flatten(0, 2))


def test_all_plates_stand_on_a_page_of_their_own() -> None:
    exhibit = exhibit_of()
    students = students_of(exhibit)
    queries = choose_queries(exhibit)
    html = page("A title", paragraph("lead"), [
        Section("classes", "Classes", class_plate(exhibit, students)),
        Section("components", "Components", component_plate(exhibit, colours_of(exhibit), students, "2 keyframes")),
        Section("likeness", "Likeness", likeness_plate(exhibit, students, queries)),
        Section("coverage", "Coverage", coverage_plate(exhibit, frames=3)),
    ])  # fmt: skip
    reader = check_stands_alone(html)
    assert len(html) < 6e6
    cameras = len(exhibit.frame.images)
    images = sum(tag == "img" for tag, _ in reader.tags)
    panels_of_cameras = 1 + 2 * 2 + 1 + 2  # truth; predicted and errors of each; teacher and each student
    from_above = (1 + 2) + 2 + 2  # components in the teacher's colours, own components, coverage
    assert images == panels_of_cameras * cameras + from_above + len(queries) * 2 * 3
    ids = [attributes["id"] for _, attributes in reader.tags if attributes.get("id")]
    assert len(ids) == len(set(ids))
    links = {(attributes.get("href") or "")[1:] for tag, attributes in reader.tags if tag == "a"}
    assert links == {"classes", "components", "likeness", "coverage"}
    assert "100.0 % of the points of this frame are right" in reader.words


def test_every_tab_shows_its_own_panel() -> None:
    style = page("t", "", [])
    html = tabs("name", [(f"panel {number}", paragraph("x")) for number in range(8)])
    inputs = [attributes for tag, attributes in read(html).tags if tag == "input"]
    assert [("checked" in attributes) for attributes in inputs] == [True] + [False] * 7
    for number in range(1, 9):
        assert f"input:nth-of-type({number}):checked ~ .panels > .panel:nth-child({number})" in style


def test_without_labels_the_page_says_so_and_queries_have_fixed_places() -> None:
    exhibit = exhibit_of(labelled=False)
    assert "neither point labels nor boxes" in class_plate(exhibit, students_of(exhibit))
    queries = choose_queries(exhibit)
    assert len(queries) == 4
    assert all(bool(exhibit.pairs.visible[query.cam, query.point]) for query in queries)


def test_without_probes_predictions_are_missing_in_words() -> None:
    exhibit = exhibit_of()
    html = class_plate(exhibit, students_of(exhibit, probed=False))
    assert "has not been probed" in html
    assert "errors" not in [attributes.get("value") for _, attributes in read(html).tags]


def test_a_query_lies_on_its_class_in_sight_and_amid_it() -> None:
    exhibit = exhibit_of()
    assert exhibit.labels is not None
    named = {query.name: query for query in choose_queries(exhibit)}
    assert {"car", "driveable_surface", "manmade"} <= set(named)
    for name in ("car", "driveable_surface", "manmade"):
        query = named[name]
        assert CLASSES[int(exhibit.labels[query.point])] == name
        assert bool(exhibit.pairs.visible[query.cam, query.point])
        assert 4 < float(exhibit.depth_m[query.cam, query.point]) < 20
    assert choose_queries(exhibit) == choose_queries(exhibit_of())


def test_depths_are_along_the_axes_of_the_cameras() -> None:
    frame = street()
    depth_m = depths_m(frame)
    torch.testing.assert_close(depth_m[0], frame.sweep.points_lidar[:, 0])
    torch.testing.assert_close(depth_m[1], -frame.sweep.points_lidar[:, 0])


def test_coverage_counts_what_was_seen_before() -> None:
    """One camera looks ahead, and the vehicle drives on: what lies beside it now was ahead of it before."""
    frames = [street(index, angles_deg=(0.0,)) for index in range(4)]
    exhibit = gather(frames[3], frames[:3], CLASSES, None, features_of, MethodConfig(frames=4, association_size_m=1.0))
    now = pairs_from_frame(frames[3]).visible.any(dim=0)
    assert torch.equal(exhibit.unified.known, now)
    # By definition: the cubes of 1 m in the world that hold a point which the camera saw in a past frame.
    seen = set()
    for frame in frames[:3]:
        visible = pairs_from_frame(frame).visible.any(dim=0)
        cells = (frame.sweep.points_lidar[visible].double() + torch.tensor([float(frame.index), 0, 0])).floor()
        seen |= {tuple(cell) for cell in cells.long().tolist()}
    cells = (frames[3].sweep.points_lidar.double() + torch.tensor([3.0, 0, 0])).floor().long().tolist()
    expected = torch.tensor([tuple(cell) in seen for cell in cells])
    assert torch.equal(exhibit.in_memory, expected)
    assert 0 < int((expected & ~now).sum()) < len(expected)
    share = round(100 * float((expected & ~now).float().mean()))
    assert f"{share} % have one from the memory alone" in coverage_plate(exhibit, frames=4)


def test_with_one_frame_there_is_no_memory() -> None:
    exhibit = exhibit_of(frames=1)
    assert not bool(exhibit.in_memory.any())
    assert "there is no memory" in coverage_plate(exhibit, frames=1)


def test_cameras_are_laid_out_as_seen_from_the_seat() -> None:
    """nuScenes' order in: front, front right, back right, back, back left, front left."""
    angles = (0.0, -55.0, -110.0, 180.0, 110.0, 55.0)
    frame = street(angles_deg=angles)
    assert [angles[cam] for cam in camera_order(frame.images)] == [55.0, 0.0, -55.0, 110.0, 180.0, -110.0]


class Streets:
    name = "streets"

    def __init__(self, frames: list[Frame]) -> None:
        self.frames = frames
        self.tokens = [frame.token for frame in frames]
        self.timestamps_ns = list(range(len(frames)))

    def __len__(self) -> int:
        return len(self.frames)

    def frame(self, index: int) -> Frame:
        return self.frames[index]


def test_the_frame_with_a_full_memory_and_the_most_classes_is_shown() -> None:
    classes = [3, 1, 2, 3, 3, 1]
    frames = [street(index) for index in range(len(classes))]
    labels = {frame.token: torch.arange(count + 1) for frame, count in zip(frames, classes, strict=True)}
    _, index = choose_frame([Streets(frames)], lambda frame: labels[frame.token], frames=3)
    assert index == 3  # the first of the threes with two frames before it


def test_words_are_escaped_and_the_best_is_bold() -> None:
    html = table(["<b>", "x"], [["<i>", "1"], ["k", "2"]], best={1: 1})
    assert "<b>" not in html
    assert "<td class=best>2</td>" in html
    assert "&lt;script&gt;" in paragraph("<script>")
    assert "&lt;i&gt;" in gallery([Picture("<i>", Image.new("RGB", (4, 4)))], 2)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = PretrainConfig(student=StudentConfig(backbone="minkunet14", width=0.125))
    folder = tmp_path / "lima"
    open_run_folder(folder, tmp_path / "gone", config, ["a", "b"], resume=False)
    return folder


def test_a_column_of_sentences_wraps_and_one_of_figures_does_not() -> None:
    sentence = "1.2 ± 0.1 cm left, 0.42 ± 0.03 degrees up, 0.15 ± 0.01 degrees clockwise"
    made = table(("camera", "shift", "what"), [("front", "0.4", sentence), ("back", "0.5", "none")])
    assert made.count("<td class=words>") == 2
    assert "<th class=words>what</th>" in made
    assert "<td>0.4</td>" in made
    assert "<td>0.5</td>" in made


def test_a_run_without_anything_still_has_a_page_that_says_what_is_missing(run: Path) -> None:
    reader = check_stands_alone(write_report(run).read_text())
    for words in ("there are no scores", "There are no curves", "student.safetensors is missing", "minkunet14"):
        assert words in reader.words


def test_a_page_has_the_scores_and_curves_of_all_runs(run: Path) -> None:
    other = run.parent / "one_frame"
    config = PretrainConfig(student=StudentConfig(backbone="minkunet14", width=0.125))
    config = replace(config, method=replace(config.method, frames=1, mixing="none"))
    open_run_folder(other, run.parent / "gone", config, ["a", "b"], resume=False)
    for folder, miou in ((run, 31.0), (other, 29.0)):
        records = [{"step": step, "loss": {"distillation": 1 / step}, "learning_rate": 0.1} for step in range(1, 30)]
        (folder / "log.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
        entry = {"miou": miou, "miou_std": 0.25, "per_class": {"car": miou, "bus": None}, "seeds": [miou - 0.25, miou]}
        random = {**entry, "miou": 11.0, "per_class": {"car": 12.0, "bus": None}}
        probed = {"results": {"linear_probe": {"random": random, folder.name: entry}}}
        (folder / "metrics.json").write_text(json.dumps(probed))
    reader = check_stands_alone(write_report(run, compare=[other]).read_text())
    assert "31.0 ± 0.2 % mIoU; 20.0 points above random initialisation; 2.0 points above one frame" in reader.words
    classes = [attributes.get("class") or "" for _, attributes in reader.tags]
    # Each student keeps its colour through the page: random 1, the run beside it 2, the run itself 3.
    assert [name for name in classes if name.startswith("card ")] == ["card s1", "card s2", "card s3"]
    assert [name for name in classes if re.fullmatch(r"line s\d", name)] == ["line s2", "line s3"] * 2
    assert "Mixing shows the student" in reader.words


def probed_run(folder: Path, split: str = "learned on 2 drives", scored: str = "v") -> Path:
    """A run that was probed, with the words of its split and the keyframe that it was scored on."""
    config = PretrainConfig(student=StudentConfig(backbone="minkunet14", width=0.125))
    open_run_folder(folder, folder.parent / "gone", config, ["a", "b"], resume=False)
    entry = {"miou": 1.0, "miou_std": 0.1, "per_class": {"car": 1.0}, "seeds": [1.0], "split": split}
    splits = {"train": {"one": ["t"]}, "val": {"two": [scored]}}
    metrics = {"results": {"linear_probe": {"random": entry, folder.name: entry}}, "splits": splits}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_runs_of_one_name_are_not_compared(tmp_path: Path) -> None:
    first, second = (probed_run(tmp_path / seed / "lima") for seed in ("s0", "s1"))
    with pytest.raises(ValueError, match=r"s0/lima and .*s1/lima are both called lima: rename .*lima probe"):
        write_report(second, compare=[first])
    with pytest.raises(ValueError, match=r"a run cannot be called random"):
        write_report(second, compare=[probed_run(tmp_path / "random")])
    assert not (second / "report.html").exists()


@pytest.mark.parametrize("other", [{"split": "learned on 1 drive"}, {"scored": "w"}])
def test_scores_on_other_frames_are_not_compared(tmp_path: Path, other: dict[str, str]) -> None:
    run, same = probed_run(tmp_path / "lima"), probed_run(tmp_path / "one_frame")
    assert write_report(run, compare=[same]).exists()
    with pytest.raises(ValueError, match=r"other learned .*, .*lima learned on 2 drives: .*lima probe"):
        write_report(run, compare=[same, probed_run(tmp_path / "other", **other)])


def test_the_untrained_student_is_the_one_that_pretraining_started_from(run: Path) -> None:
    config = PretrainConfig(student=StudentConfig(backbone="minkunet14", width=0.125), seed=7)
    before = torch.random.get_rng_state()
    one, other = random_student(config), random_student(config)
    assert torch.equal(before, torch.random.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    reseeded = random_student(replace(config, seed=8))
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), reseeded.parameters(), strict=True))
