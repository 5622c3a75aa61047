"""Oracle: confusion matrices counted point by point, runs that were interrupted, and sets that do not go together."""

from __future__ import annotations

import json
from collections.abc import Sequence as Series
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from lima.config import PretrainConfig, StudentConfig
from lima.datasets import open_dataset
from lima.encoder import save_student
from lima.evaluate.corruptions.contact_sheet import HEAD_PX, MARGIN_PX, PANEL_PX, draw_corruptions
from lima.evaluate.corruptions.corrupted import SEVERITIES
from lima.evaluate.corruptions.every import CORRUPTIONS
from lima.evaluate.corruptions.robo3d import mean_corruption_error, mean_resilience_rate, named_baseline
from lima.evaluate.corruptions.robustness import Cell, corrupted_frame, measure_robustness, set_name
from lima.evaluate.corruptions.scored_network import scored_network
from lima.evaluate.probe_head import LinearProbe, save_probe
from lima.evaluate.segmentation.segmenter import Segmenter, load_segmenter, save_segmenter
from lima.students.student import build_student
from tests.datasets import hand_made
from tests.datasets.bad_input.plain_folder import write_plain
from tests.evaluate.corruptions.sweeps import rings, spinning
from tests.evaluate.corruptions.test_published import write_nuscenes_c

STUDENT = StudentConfig(backbone="minkunet14", width=0.25, voxel_size_m=1.6, max_range_m=50.0)
LABEL_ID = np.array([0, 26, 17, 2], dtype=np.uint8)  # of the hand-made sweep's road, cars and walls
SEEDS = (0, 5)
CELL_PX = PANEL_PX + MARGIN_PX


def write_streets(root: Path) -> Path:
    """nuScenes by hand, with sweeps of a spinning LiDAR instead of random points. Two scenes of four keyframes."""
    hand_made.write_dataset(root)
    for scene in range(len(hand_made.SCENES)):
        for keyframe in range(hand_made.KEYFRAMES):
            sweep, known = spinning(16, 90, seed=10 * scene + keyframe)
            columns = [sweep.points_lidar, 255 * sweep.intensity[:, None], rings(sweep)[:, None]]
            torch.cat(columns, dim=1).numpy().astype(np.float32).tofile(
                root / hand_made.data_file(scene, keyframe, "LIDAR_TOP")
            )
            LABEL_ID[known.labels.numpy()].tofile(root / hand_made.label_file(scene, keyframe))
    return root


def fine_tuned(
    folder: Path,
    class_names: tuple[str, ...],
    seed: int = 0,
    names: tuple[str, ...] = ("car", "pedestrian", "sidewalk"),
) -> Path:
    """A folder as fine-tuning leaves it, of a network that knows no more than to answer with what there is."""
    torch.manual_seed(seed)
    segmenter = Segmenter(build_student(STUDENT), class_names)
    for parameter in segmenter.head.parameters():
        torch.nn.init.normal_(parameter)
    for name in names:
        segmenter.head.bias.data[class_names.index(name) - 1] += 50.0  # type: ignore[operator, union-attr]
    save_segmenter(folder, segmenter, STUDENT, {})
    return folder


def probed_for(run: Path, names: Series[str]) -> None:
    """The scores that probing leaves beside its layers, with every class in the order of the layers' scores."""
    entry = {"miou": 1.0, "miou_std": None, "per_class": dict.fromkeys(names, 1.0)}
    metrics = {"results": {"linear_probe": {"run": entry, "random": entry}}}
    (run / "metrics.json").write_text(json.dumps(metrics))


def reds_of(sheet_file: Path) -> list[list[int]]:
    """How many pixels are red in the four panels of every corruption."""
    with Image.open(sheet_file) as sheet:
        pixels = np.asarray(sheet.convert("RGB"))
    red = (pixels == (222, 45, 38)).all(axis=2)
    tops = [row * (CELL_PX + HEAD_PX) + HEAD_PX for row in range(len(CORRUPTIONS))]
    lefts = [column * CELL_PX for column in range(4)]
    return [[int(red[top : top + PANEL_PX, left : left + PANEL_PX].sum()) for left in lefts] for top in tops]


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_streets(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="module")
def measured(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A network scored on the first keyframes with two seeds, and what was said."""
    folder = fine_tuned(tmp_path_factory.mktemp("network"), open_dataset(streets).class_names)
    said: list[str] = []
    measure_robustness(folder, streets, split="all", seeds=SEEDS, every=4, say=said.append)
    return folder, said


def results(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "robustness" / "metrics.json").read_text())["results"]["robustness"]


@pytest.mark.slow
def test_a_cell_is_counted_over_the_points_that_are_left(measured: tuple[Path, list[str]], streets: Path) -> None:
    folder, _ = measured
    dataset = open_dataset(streets)
    segmenter, names = load_segmenter(folder), dataset.class_names
    for cell in (Cell("fog", "heavy", 5), Cell("beam_missing", "light", 0), Cell("crosstalk", "moderate", 5)):
        counted = [[0] * len(names) for _ in names]
        for sequence in dataset.sequences("all"):
            frame = corrupted_frame(sequence.frame(0), names, cell)
            assert frame.read_labels is not None
            for truth, given in zip(frame.read_labels().tolist(), segmenter.predict(frame).tolist(), strict=True):
                if truth:
                    counted[truth][given] += 1
        stored = json.loads((folder / "robustness" / "cells" / cell.file).read_text())
        assert stored["confusion"] == counted
        ious = []
        for number in range(1, len(names)):
            hit, row = counted[number][number], sum(counted[number])
            either = row + sum(line[number] for line in counted) - hit
            ious += [100 * hit / either] if either else []
        found = results(folder)["corruptions"][cell.corruption][cell.severity]
        assert found["seeds"][SEEDS.index(cell.seed)] == pytest.approx(sum(ious) / len(ious))


@pytest.mark.slow
def test_the_figures_follow_from_the_cells(measured: tuple[Path, list[str]]) -> None:
    folder, said = measured
    found = results(folder)
    mious = {name: [found["corruptions"][name][severity]["miou"] for severity in SEVERITIES] for name in CORRUPTIONS}
    assert found["mrr"] == pytest.approx(mean_resilience_rate(mious, found["clean"]["miou"]))
    assert found["mce"] is None
    assert found["baseline"] is None
    fog = found["corruptions"]["fog"]["heavy"]
    one, other = fog["seeds"]
    assert one != other
    assert fog["miou"] == pytest.approx((one + other) / 2)
    assert fog["miou_std"] == pytest.approx(abs(one - other) / 2**0.5)
    wet = found["corruptions"]["wet_ground"]["heavy"]
    assert wet["seeds"][0] == wet["seeds"][1]
    assert not (folder / "robustness" / "cells" / "wet_ground-heavy-5.json").exists()
    assert "2 keyframes, clean and 42 times corrupted, 0 of these done before" in said[0]
    assert "no mCE: no baseline was named" in "\n".join(said)
    page = (folder / "robustness" / "report.html").read_text()
    assert "incomplete echo" in page
    assert page.count('class="bar s') == len(CORRUPTIONS) * len(SEVERITIES)
    assert all(f'class="bar s{number}"' in page for number in (1, 2, 3))  # the colours that page.css has
    with Image.open(folder / "robustness" / "sheet.png") as sheet:
        assert sheet.size == (4 * CELL_PX, 8 * (CELL_PX + HEAD_PX))


@pytest.mark.slow
def test_an_interrupted_run_goes_on_and_ends_alike(measured: tuple[Path, list[str]], streets: Path) -> None:
    folder, _ = measured
    before = results(folder)
    cells = folder / "robustness" / "cells"
    for name in ("snow-light-0.json", "cross_sensor-heavy-0.json"):
        (cells / name).unlink()
    kept = cells / "fog-light-0.json"
    written = kept.stat().st_mtime_ns
    said: list[str] = []
    measure_robustness(folder, streets, split="all", seeds=SEEDS, every=4, say=said.append)
    assert "42 times corrupted, 40 of these done before" in said[0]
    made = [line.split(":")[0] for line in said if ", seed" in line]
    assert made == ["snow, light, seed 0", "cross_sensor, heavy, seed 0"]
    assert kept.stat().st_mtime_ns == written
    assert results(folder) == before
    with pytest.raises(ValueError, match=r"scores made otherwise \(seeds was \[0, 5\], now \[1\]; set was"):
        measure_robustness(folder, streets, split="all", seeds=(1,), every=4, say=said.append)


@pytest.mark.slow
def test_another_run_as_baseline_on_the_same_set_alone(
    measured: tuple[Path, list[str]], streets: Path, tmp_path: Path
) -> None:
    folder, _ = measured
    reference = named_baseline(str(folder / "robustness"))
    again = measure_robustness(
        folder, streets, split="all", seeds=SEEDS, every=4, baseline=str(folder / "robustness"), say=lambda _: None
    )["results"]["robustness"]
    assert again["mce"] == pytest.approx(100.0)
    assert again["corruptions"]["snow"]["ce"] == pytest.approx(100.0)
    assert again["baseline"]["set"] == reference.measured_on == again["set"]
    mious = {name: [again["corruptions"][name]["mean"]] for name in CORRUPTIONS}
    assert mean_corruption_error(mious, reference) == pytest.approx(100.0)
    other = fine_tuned(tmp_path / "other", open_dataset(streets).class_names, seed=1)
    for seeds, every in (((0,), 4), (SEEDS, 2)):
        with pytest.raises(ValueError, match="would compare the sets"):
            measure_robustness(
                other, streets, split="all", seeds=seeds, every=every, baseline=str(folder / "robustness")
            )
    assert not (other / "robustness").exists()


@pytest.mark.slow
def test_a_baseline_of_other_classes_is_of_another_set(
    measured: tuple[Path, list[str]], streets: Path, tmp_path: Path
) -> None:
    """The same keyframes with classes from boxes, and as many classes of other names."""
    folder, _ = measured
    root = hand_made.write_dataset(tmp_path / "boxes", without=("lidarseg",))
    with_boxes = fine_tuned(tmp_path / "network", open_dataset(root).class_names, names=("car", "background"))
    with pytest.raises(ValueError, match=r"16 classes [0-9a-f]{12}, seeds 0, 5\), these .* 11 classes") as refused:
        measure_robustness(
            with_boxes, root, split="all", seeds=SEEDS, every=4, baseline=str(folder / "robustness"), say=lambda _: None
        )
    assert "The codes stand for the tokens of the keyframes and for the names of the classes" in str(refused.value)

    tokens = {"drive": ["a", "b"]}
    names = ("ignored", "car", "road")
    sets = [set_name("set", given, "val", (0,), tokens, None) for given in (names, names, names[::-1], (*names, "x"))]
    assert sets[0] == sets[1]
    assert len(set(sets)) == 3


def test_published_figures_are_for_the_whole_published_set_alone(streets: Path, tmp_path: Path) -> None:
    network = fine_tuned(tmp_path / "network", open_dataset(streets).class_names)
    with pytest.raises(ValueError, match="these scores are of corruptions computed from nuScenes"):
        measure_robustness(network, streets, split="all", baseline="minkunet18-nuscenes-c")
    small = write_nuscenes_c(tmp_path / "nuScenes-C")
    with pytest.raises(ValueError, match="these scores are of a part of nuScenes-C"):
        measure_robustness(network, streets, split="all", published=small, baseline="minkunet18-nuscenes-c")


@pytest.mark.slow
def test_the_files_of_a_published_set_are_scored(streets: Path, tmp_path: Path) -> None:
    small = write_nuscenes_c(tmp_path / "nuScenes-C")
    for keyframe in range(1, hand_made.KEYFRAMES):  # which every=4 passes over
        for file in small.glob(f"*/*/{hand_made.data_file(0, keyframe, 'LIDAR_TOP')}"):
            file.unlink()
    network = fine_tuned(tmp_path / "network", open_dataset(streets).class_names)
    found = measure_robustness(network, streets, split="all", published=small, every=4, say=lambda _: None)
    cell = json.loads((network / "robustness-published" / "cells" / "fog-light-0.json").read_text())
    assert sum(map(sum, cell["confusion"])) == 2 * 3  # two scenes' first keyframes, three points with a class in each
    assert found["results"]["robustness"]["set"].startswith("a part of nuScenes-C")
    near = reds_of(network / "robustness-published" / "sheet.png")[:5]  # later files' points lie beyond the picture
    assert near == [[0, 9, 9, 9]] * 5  # three unreal points in each file, missing beams or not; a dot is three pixels


def test_a_probed_run_is_scored_by_its_probe(streets: Path, tmp_path: Path) -> None:
    dataset = open_dataset(streets)
    run = tmp_path / "run"
    (run / "probes").mkdir(parents=True)
    config = {"command": "pretrain", "config": asdict(PretrainConfig(student=STUDENT))}
    (run / "config.json").write_text(json.dumps(config))
    torch.manual_seed(3)
    student = build_student(STUDENT)
    save_student(run, student, STUDENT)
    for seed, name in enumerate(("run", "random")):
        probe = LinearProbe(student.dim, len(dataset.class_names), torch.Generator().manual_seed(seed)).eval()
        save_probe(run / "probes" / f"{name}.safetensors", probe)
    with pytest.raises(ValueError, match=r"metrics.json has no scores of run, .* probe the run again"):
        scored_network(run, dataset)
    probed_for(run, dataset.class_names[1:])
    trained, fresh = scored_network(run, dataset), scored_network(run, dataset, random=True)
    assert (trained.name, fresh.name) == ("run", "random")
    assert trained.digest != fresh.digest
    frame = dataset.sequences("all")[0].frame(0)
    predicted = trained.segmenter.predict(frame)
    assert int(predicted.min()) >= 1
    assert not torch.equal(predicted, fresh.segmenter.predict(frame))

    boxes = open_dataset(hand_made.write_dataset(tmp_path / "boxes", without=("lidarseg",)))
    with pytest.raises(ValueError, match=r"was probed for the classes barrier, .*manmade, vegetation; .* traffic_cone"):
        scored_network(run, boxes)
    probed_for(run, [*dataset.class_names[2:], "barrier"])
    with pytest.raises(ValueError, match=r"was probed for the classes bicycle, .*, vegetation, barrier; nuScenes"):
        scored_network(run, dataset)
    with pytest.raises(FileNotFoundError, match="neither fine-tuned"):
        scored_network(tmp_path, dataset)
    tuned = fine_tuned(tmp_path / "tuned", dataset.class_names)
    with pytest.raises(ValueError, match="is fine-tuned, and holds no random"):
        scored_network(tuned, dataset, random=True)


def test_a_contact_sheet_of_one_sweep(streets: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures" / "sheet.png"
    draw_corruptions(streets, out, keyframe=1)
    reds = reds_of(out)[CORRUPTIONS.index("crosstalk")]
    assert reds[0] == 0 < reds[1] < reds[2] < reds[3]
    with pytest.raises(ValueError, match="has keyframes 0 … 3, not 9"):
        draw_corruptions(streets, out, keyframe=9)
    with pytest.raises(ValueError, match="there are drives 0 … 1, not 2"):
        draw_corruptions(streets, out, drive=2)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"every": 0}, "every must be 1 or more, got 0: every 4 scores each drive's keyframes 0, 4, 8, …"),
        ({"every": -1}, "every must be 1 or more, got -1"),
        ({"seeds": ()}, "no seed was given: --seeds takes one or more"),
        ({"seeds": (0, 3, 0)}, "seed 0 was given twice, and would count twice in means and spreads"),
        (
            {"seeds": (0, 1, 2), "published": Path("C")},
            r"were drawn once, so seeds \[0, 1, 2\] would be one and the same",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_read(
    tmp_path: Path, asked: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        measure_robustness(tmp_path / "no run", tmp_path / "no data", **asked)
    assert not list(tmp_path.iterdir())


def test_a_dataset_without_vehicles_is_refused_before_the_first_cell(tmp_path: Path) -> None:
    write_plain(tmp_path)
    network = fine_tuned(tmp_path / "network", open_dataset(tmp_path).class_names, names=("class 1",))
    said: list[str] = []
    with pytest.raises(ValueError, match=r"none of the classes is one: ignored, class 1, .* car, truck, vehicle"):
        measure_robustness(network, tmp_path, split="all", say=said.append)
    assert not said
    assert not (network / "robustness").exists()
