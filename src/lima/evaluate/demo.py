"""`make demo`: from nothing to a pretrained LiDAR network, a table and a page, on simulated streets.

Simulate, look at every keyframe with the teacher, pretrain with one frame and with LiMA, probe both beside random
initialisation, write `metrics.json` and `report.html`. All sizes stand in `demo_config`, and nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lima.datasets import open_dataset
from lima.encoder import load_encoder
from lima.evaluate.demo_config import LIMA, ONE_FRAME, SIZES, STUDENTS, DemoConfig
from lima.evaluate.fractions import tokens_of
from lima.evaluate.probe import ProbeResult, probe, probe_split
from lima.evaluate.probe_features import student_features
from lima.evaluate.probe_head import load_probe, save_probe
from lima.evaluate.report import report_page
from lima.evaluate.runs import random_student, read_run
from lima.evaluate.scores import RANDOM, scores_from_metrics
from lima.evaluate.stages import Marker, Stage, read_marker, run_stages, unfinished
from lima.students.student import Student
from lima.teachers import load_teacher
from lima.teachers.cache import FeatureCache
from lima.train.interruption import Interrupted
from lima.train.pretrain import pretrain
from lima.train.progress import duration
from lima.train.run_folder import package_versions, write_atomically
from streetsim.simulate import simulate


@dataclass(frozen=True)
class DemoFolder:
    """What the demo of one size leaves. Another size has a folder of its own, so that neither loses its work."""

    path: Path

    @property
    def drives(self) -> Path:
        return self.path / "drives"

    @property
    def features(self) -> Path:
        return self.path / "features"

    def run(self, student: str) -> Path:
        return self.path / student

    def probe(self, student: str) -> Path:
        """The trained linear layer of the first seed."""
        return self.path / "probes" / f"{student}.safetensors"

    def scores(self, student: str) -> Path:
        return self.path / "probes" / f"{student}.json"

    @property
    def page(self) -> Path:
        return self.path / "report.html"


def run_demo(out: Path, size: Literal["full", "small"] = "full", say: Callable[[str], None] = print) -> None:
    """The whole demo. Its work is kept below OUT/SIZE; OUT/metrics.json and OUT/report.html are of the last size run.

    What is finished is skipped, what was interrupted continues, and what has other settings now is done again.
    """
    config, folder = SIZES[size], DemoFolder(out / size)
    stages = demo_stages(folder, config)
    waiting = unfinished(folder.path, stages)
    if waiting:
        expected = duration(sum(stage.expected_seconds for stage in waiting))
        say(f"{len(waiting)} of {len(stages)} stages to do, about {expected} on two cores, into {folder.path}")
    try:
        markers = run_stages(folder.path, stages, say)
    except Interrupted as stop:
        raise Interrupted(stop.exit_code - 128, "stopped; the same command goes on from here") from None
    metrics = demo_metrics(folder, config, size, markers)
    write_atomically(out / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    write_atomically(out / "report.html", folder.page.read_text(encoding="utf-8"))
    for name, score in metrics["results"]["linear_probe"].items():
        say(f"{name:>10}  {score['miou']:5.2f} ± {score['miou_std']:.2f} % mIoU")
    say(f"{out / 'report.html'}: open it in a browser; {out / 'metrics.json'} has the numbers")


def demo_stages(folder: DemoFolder, config: DemoConfig) -> list[Stage]:
    """The stages in their order; each has as settings what it adds, because the stages before are in its key."""
    simulation = {name: value for name, value in asdict(config.simulate).items() if name != "workers"}
    drives = f"{config.simulate.scenes} drives with {config.simulate.keyframes} keyframes each"
    expected = config.expected
    stages = [
        Stage(
            "simulate", f"simulate {drives}", simulation, (folder.drives,),
            lambda: simulate(folder.drives, replace(config.simulate, workers=os.cpu_count() or 1)), expected.simulate,
        ),
        Stage(
            "features", f"the teacher {config.pretrain.teacher.name} looks at the images",
            asdict(config.pretrain.teacher), (folder.features,), lambda: _look(folder, config), expected.features,
        ),
        _pretrain_stage(folder, config, ONE_FRAME, "pretrain with one frame", expected.one_frame),
        _pretrain_stage(folder, config, LIMA, "pretrain with LiMA", expected.lima),
        *(_probe_stage(folder, config, student) for student in STUDENTS),
    ]  # fmt: skip

    def write_page() -> None:
        markers = {stage.name: read_marker(folder.path, stage) for stage in stages}
        _write_page(folder, {name: marker.seconds for name, marker in markers.items() if marker is not None})

    return [*stages, Stage("report", "write the page", {}, (folder.page,), write_page, expected.report)]


def demo_metrics(folder: DemoFolder, config: DemoConfig, size: str, markers: dict[str, Marker]) -> dict[str, Any]:
    """What goes into metrics.json. A stage that was interrupted counts with all its attempts that ended in order."""
    seconds = {name: round(marker.seconds, 1) for name, marker in markers.items()}
    split = probe_split(open_dataset(folder.drives), config.probe)
    return {
        "command": f"demo --size {size}",
        "config": asdict(config),
        "results": {
            "linear_probe": _scores(folder),
            "seconds": {**seconds, "total": round(sum(seconds.values()), 1)},
        },
        "splits": {side: tokens_of(sequences) for side, sequences in (("train", split.train), ("val", split.val))},
        "versions": package_versions(),
    }


def _pretrain_stage(folder: DemoFolder, config: DemoConfig, student: str, what: str, expected_seconds: float) -> Stage:
    settings, out = config.pretraining(student), folder.run(student)

    def run() -> None:
        pretrain(folder.drives, out, settings, folder.features, resume=True)

    return Stage(student, what, asdict(settings), (out,), run, expected_seconds)


def _probe_stage(folder: DemoFolder, config: DemoConfig, student: str) -> Stage:
    scores, layer = folder.scores(student), folder.probe(student)

    def run() -> None:
        dataset = open_dataset(folder.drives)
        source = student_features(_student(folder, config, student))
        result = probe(source, probe_split(dataset, config.probe), dataset.class_names, config.probe)
        scores.parent.mkdir(parents=True, exist_ok=True)
        save_probe(layer, result.probes[0])
        write_atomically(scores, _json(result))

    what = f"probe {student.replace('_', ' ')} with {len(config.probe.seeds)} seeds"
    return Stage(f"probe_{student}", what, asdict(config.probe), (scores, layer), run, config.expected.probe)


def _student(folder: DemoFolder, config: DemoConfig, student: str) -> Student:
    return random_student(config.pretrain) if student == RANDOM else load_encoder(folder.run(student)).student


def _look(folder: DemoFolder, config: DemoConfig) -> None:
    teacher_config = config.pretrain.teacher
    teacher = load_teacher(teacher_config.name, teacher_config.layers, runtime=teacher_config.runtime)
    cache = FeatureCache(folder.features, teacher, teacher_config.image_height_px, teacher_config.image_width_px)
    cache.fill(open_dataset(folder.drives).sequences(config.pretrain.split))


def _write_page(folder: DemoFolder, seconds: dict[str, float]) -> None:
    runs = [read_run(folder.run(ONE_FRAME)), read_run(folder.run(LIMA))]
    scores = scores_from_metrics({"results": {"linear_probe": _scores(folder)}})
    predictors = {student: load_probe(folder.probe(student)).predict for student in STUDENTS}
    text = report_page(runs, scores, predictors, folder.drives, folder.features, seconds)
    write_atomically(folder.page, text)


def _json(result: ProbeResult) -> str:
    return json.dumps(result.as_dict(), indent=1, allow_nan=False) + "\n"


def _scores(folder: DemoFolder) -> dict[str, Any]:
    return {student: json.loads(folder.scores(student).read_text()) for student in STUDENTS}
