"""Oracle: stages that write down when they run, and the definition of what is to be kept, continued and done again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from lima.evaluate import demo, stages
from lima.evaluate.demo import DemoFolder, demo_stages
from lima.evaluate.demo_config import FULL, LIMA, ONE_FRAME, SIZES, SMALL, STUDENTS, DemoConfig
from lima.evaluate.probe import ProbeResult, ProbeSplit
from lima.evaluate.scores import ProbeScores, comparison, plus_minus, read_metrics, scores_from_metrics
from lima.evaluate.stages import Stage, read_marker, run_stages, unfinished


class Work:
    """Three stages that each append to a file of their own, and a clock that goes on by one second per look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings: dict[str, Any] = {"a": 1, "b": 1, "c": 1}
        self.ran: list[str] = []
        self.said: list[str] = []
        self.failing: BaseException | None = None
        self.now = 0.0

    def stage(self, name: str) -> Stage:
        output = self.folder / name / "made"

        def run() -> None:
            self.ran.append(name)
            output.parent.mkdir(parents=True, exist_ok=True)
            with open(output.parent / "attempts", "a") as file:
                file.write("x")
            if name == "b" and self.failing is not None:
                raise self.failing
            output.write_text(str(self.settings[name]))

        return Stage(name, f"make {name}", self.settings[name], (self.folder / name,), run, 10.0)

    def clock(self) -> float:
        self.now += 1
        return self.now

    def run(self) -> dict[str, stages.Marker]:
        self.ran, self.said = [], []
        return run_stages(self.folder, [self.stage(name) for name in "abc"], self.said.append, self.clock)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path)


def test_all_stages_run_in_order_and_their_seconds_are_kept(work: Work) -> None:
    markers = work.run()
    assert work.ran == ["a", "b", "c"]
    assert {name: marker.seconds for name, marker in markers.items()} == {"a": 1.0, "b": 1.0, "c": 1.0}
    assert "about 10 s" in work.said[0]


def test_a_second_run_does_nothing_and_knows_the_seconds(work: Work) -> None:
    first = work.run()
    second = work.run()
    assert work.ran == []
    assert second == first
    assert all("kept" in line for line in work.said)


def test_changed_settings_do_that_stage_and_all_after_it_again(work: Work) -> None:
    work.run()
    work.settings["b"] = 2
    work.run()
    assert work.ran == ["b", "c"]
    assert (work.folder / "b" / "made").read_text() == "2"
    assert (work.folder / "b" / "attempts").read_text() == "x", "what the old settings made must be gone"
    assert (work.folder / "c" / "attempts").read_text() == "x"
    assert sum("settings changed" in line for line in work.said) == 2


def test_another_version_of_lima_does_everything_again(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.run()
    monkeypatch.setattr(stages, "__version__", "another")
    work.run()
    assert work.ran == ["a", "b", "c"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), ValueError("no")])
def test_an_interrupted_stage_continues_with_what_it_has(work: Work, stop: BaseException) -> None:
    work.failing = stop
    with pytest.raises(type(stop)):
        work.run()
    assert work.ran == ["a", "b"]
    work.failing = None
    markers = work.run()
    assert work.ran == ["b", "c"]
    assert (work.folder / "b" / "attempts").read_text() == "xx", "its own beginnings must still be there"
    assert "continued" in work.said[1]
    assert (markers["b"].attempts, markers["b"].seconds) == (2, 2.0)
    assert markers["b"].finished


def test_a_killed_stage_is_not_taken_for_finished(work: Work) -> None:
    """After kill -9 there is only the marker that was written before the stage began."""
    work.run()
    marker_file = work.folder / stages.MARKERS / "b.json"
    marker = json.loads(marker_file.read_text())
    marker_file.write_text(json.dumps({**marker, "finished": False}))
    work.run()
    assert work.ran == ["b"]


def test_interrupted_and_then_changed_starts_afresh(work: Work) -> None:
    work.failing = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        work.run()
    work.failing, work.settings["b"] = None, 2
    work.run()
    assert (work.folder / "b" / "attempts").read_text() == "x"


@pytest.mark.parametrize("damage", ["", "{", '{"key": "k"}', "[]"])
def test_a_damaged_marker_means_that_nothing_is_known(work: Work, damage: str) -> None:
    work.run()
    (work.folder / stages.MARKERS / "c.json").write_text(damage)
    work.run()
    assert work.ran == ["c"]


def test_a_stage_whose_outputs_have_gone_runs_again(work: Work) -> None:
    work.run()
    (work.folder / "c" / "made").unlink()
    (work.folder / "c" / "attempts").unlink()
    (work.folder / "c").rmdir()
    assert [stage.name for stage in unfinished(work.folder, [work.stage(name) for name in "abc"])] == ["c"]
    work.run()
    assert work.ran == ["c"]


def test_nothing_outside_the_folder_is_ever_removed(work: Work, tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("kept")
    folder = tmp_path / "inside"

    def stage(settings: int) -> Stage:
        return Stage("s", "make s", settings, (outside,), lambda: None, 1.0)

    run_stages(folder, [stage(1)], work.said.append)
    with pytest.raises(AssertionError, match="not ours to remove"):
        run_stages(folder, [stage(2)], work.said.append)
    assert outside.read_text() == "kept"


def test_the_one_frame_run_differs_in_frames_and_mixing_alone() -> None:
    for config in SIZES.values():
        ours, other = config.pretraining(LIMA), config.pretraining(ONE_FRAME)
        assert (other.method.frames, other.method.mixing) == (1, "none")
        assert ours.method.frames > 1
        assert replace(other, method=ours.method) == ours
        assert replace(other.method, frames=ours.method.frames, mixing=ours.method.mixing) == ours.method


def test_the_expected_time_is_within_the_promise() -> None:
    """At most 15 minutes and 4 minutes on two cores: `make demo` says so beforehand."""
    for config, minutes in ((FULL, 15), (SMALL, 4)):
        expected = [stage.expected_seconds for stage in demo_stages(DemoFolder(Path("somewhere")), config)]
        assert sum(expected) <= minutes * 60


def stages_of(config: DemoConfig) -> list[tuple[str, str]]:
    made = demo_stages(DemoFolder(Path("somewhere")), config)
    return [(stage.name, key) for stage, key in zip(made, stages.stage_keys(made), strict=True)]


def test_a_change_of_one_setting_concerns_its_stage_and_those_after_it() -> None:
    names = [name for name, _ in stages_of(SMALL)]
    assert names == [
        "simulate", "features", "one_frame", "lima", "probe_random", "probe_one_frame", "probe_lima", "report",
    ]  # fmt: skip
    method = replace(SMALL.pretrain.method, frames=SMALL.pretrain.method.frames + 1)
    longer = replace(SMALL, pretrain=replace(SMALL.pretrain, method=method))
    keys, changed = dict(stages_of(SMALL)), dict(stages_of(longer))
    assert [name for name in names if keys[name] != changed[name]] == names[names.index("lima") :]
    more_workers = replace(SMALL, simulate=replace(SMALL.simulate, workers=7))
    assert stages_of(more_workers) == stages_of(SMALL), "the number of processes changes no byte"


def result(miou: float) -> ProbeResult:
    return ProbeResult(
        miou=miou,
        miou_std=0.5,
        per_class={"car": miou, "bus": math.nan},
        per_class_std={"car": 0.4, "bus": math.nan},
        seeds=(miou - 0.5, miou, miou + 0.5),
        split="learned on 3 drives, scored on 1",
        train_frames=30,
        train_points=1000,
        val_frames=10,
        labelled_points=5000,
        scored_points=5000,
        probes=(),
    )


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The demo with every stage's work replaced by the writing of its outputs; what it did, in order."""
    did: list[str] = []

    def fake_stages(folder: DemoFolder, config: DemoConfig) -> list[Stage]:
        def work(stage: Stage) -> Callable[[], None]:
            def run() -> None:
                did.append(stage.name)
                for path in stage.outputs:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    student = path.stem
                    text = (
                        json.dumps(result(20.0 + STUDENTS.index(student)).as_dict()) if path.suffix == ".json" else "x"
                    )
                    path.write_text(text)

            return run

        return [replace(stage, run=work(stage)) for stage in demo_stages(folder, config)]

    monkeypatch.setattr(demo, "demo_stages", fake_stages)
    monkeypatch.setattr(demo, "open_dataset", lambda root: None)
    monkeypatch.setattr(demo, "probe_split", lambda dataset, config: ProbeSplit([], [], "nowhere"))
    return lambda: did


def test_the_demo_leaves_the_numbers_in_the_promised_places(tmp_path: Path, faked: Callable[[], list[str]]) -> None:
    said: list[str] = []
    demo.run_demo(tmp_path, "small", said.append)
    assert "min on two cores" in said[0], "it says beforehand how long it takes"
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert set(metrics) == {"command", "config", "results", "splits", "versions"}
    assert metrics["config"] == json.loads(json.dumps(asdict(SMALL)))
    assert set(metrics["results"]["linear_probe"]) == {"random", "one_frame", "lima"}
    for number, student in enumerate(STUDENTS):
        entry = metrics["results"]["linear_probe"][student]
        assert entry["miou"] == 20.0 + number
        assert entry["miou_std"] == 0.5
        assert entry["per_class"] == {"car": 20.0 + number, "bus": None}
    seconds = metrics["results"]["seconds"]
    assert seconds["total"] == pytest.approx(sum(value for name, value in seconds.items() if name != "total"), abs=0.5)
    assert {"simulate", "one_frame", "lima", "report"} < set(seconds)
    assert (tmp_path / "report.html").exists()
    assert read_metrics(tmp_path) == metrics


def test_both_sizes_keep_their_own_work(tmp_path: Path, faked: Callable[[], list[str]]) -> None:
    demo.run_demo(tmp_path, "small", lambda line: None)
    demo.run_demo(tmp_path, "full", lambda line: None)
    before = list(faked())
    demo.run_demo(tmp_path, "small", lambda line: None)
    assert faked() == before
    assert "small" in json.loads((tmp_path / "metrics.json").read_text())["command"]


def test_scores_are_read_back_with_nan_where_json_has_null() -> None:
    metrics = {"results": {"linear_probe": {"lima": result(30.0).as_dict()}}}
    (score,) = scores_from_metrics(metrics)
    assert (score.name, score.title, score.miou, score.seeds) == ("lima", "LiMA", 30.0, (29.5, 30.0, 30.5))
    assert math.isnan(score.per_class["bus"])
    assert scores_from_metrics({}) == []


def test_a_difference_within_the_spread_is_not_claimed() -> None:
    def scores(name: str, miou: float, std: float) -> ProbeScores:
        return ProbeScores(name, miou, std, {}, {})

    clear = comparison([scores("random", 10.0, 0.3), scores("lima", 30.0, 0.4)])
    assert clear.endswith("20.0 points above random initialisation")
    assert "spread" not in clear
    # sqrt(0.3^2 + 0.4^2) = 0.5, and 0.9 is less than twice that.
    assert "within twice the spread (0.5)" in comparison([scores("one_frame", 29.1, 0.3), scores("lima", 30.0, 0.4)])
    assert "2.0 points below one frame" in comparison([scores("one_frame", 32.0, 0.3), scores("lima", 30.0, 0.4)])
    assert "one seed" in comparison([scores("random", 10.0, math.nan), scores("lima", 30.0, math.nan)])


@pytest.mark.parametrize(
    ("mean", "std", "words"),
    [(12.345, 0.06, "12.3 ± 0.1"), (12.3, None, "12.3"), (12.3, math.nan, "12.3"), (math.nan, 1.0, "absent")],
)
def test_figures_have_their_spread_where_there_is_one(mean: float, std: float | None, words: str) -> None:
    assert plus_minus(mean, std) == words


def test_metrics_that_are_not_json_are_named(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) == {}
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"metrics\.json is not JSON"):
        read_metrics(tmp_path)


def test_markers_are_read_back(work: Work) -> None:
    markers = work.run()
    assert {name: read_marker(work.folder, work.stage(name)) for name in "abc"} == markers
