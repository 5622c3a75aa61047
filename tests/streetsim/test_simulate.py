"""Oracle: bytes. The same seed gives the same files, whatever the number of workers and of interruptions."""

from __future__ import annotations

import builtins
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streetsim.config import SimulateConfig
from streetsim.nuscenes_tables import PER_SCENE
from streetsim.rigs import nuscenes_rig
from streetsim.scene_plan import plan_scenes
from streetsim.simulate import _claim, simulate
from streetsim.town.presets import TOWNS
from tests.fresh_process import modules_after

TINY = SimulateConfig(
    scenes=2,
    keyframes=2,
    town=("industrial",),
    weather=("clear", "rain"),
    image_width_px=64,
    image_height_px=36,
    samples_per_pixel=1,
)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulate") / "out"
    simulate(folder, TINY)
    return folder


@pytest.mark.slow
def test_two_workers_write_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "out", replace(TINY, workers=2))
    assert digests(tmp_path / "out") == digests(finished)


@pytest.mark.slow
def test_a_killed_run_continues_to_the_same_bytes(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = (
        "from pathlib import Path\nfrom tests.streetsim.test_simulate import TINY\n"
        f"from streetsim.simulate import simulate\nsimulate(Path({str(out)!r}), TINY)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL, env=os.environ
    )
    # killed in the second drive: the first is complete, the second half written
    deadline = time.monotonic() + 120
    while not any((out / ".streetsim" / "building").glob("scene-0103/samples/LIDAR_TOP/*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "v1.0-mini").exists()
    first = out / ".streetsim" / "scene-0061.json"
    written_ns = first.stat().st_mtime_ns
    simulate(out, TINY)
    assert first.stat().st_mtime_ns == written_ns
    assert digests(out) == digests(finished)


def test_again_changes_nothing_and_says_so(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*.jpg")}
    simulate(finished, replace(TINY, workers=2))
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*.jpg")} == before
    assert "0 of 2 drives to simulate" in capsys.readouterr().err


def tokens(folder: Path) -> set[str]:
    tables = {name: json.loads((folder / "v1.0-mini" / f"{name}.json").read_text()) for name in PER_SCENE}
    assert all(tables[name] for name in PER_SCENE)
    return {record["token"] for records in tables.values() for record in records}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"weather": ("dusk",)}, {"town": ("euro",)}, {"image_height_px": 40}, {"samples_per_pixel": 2}],
    ids=lambda change: next(iter(change)),
)
def test_drives_of_other_settings_share_no_token(finished: Path, change: dict[str, Any], tmp_path: Path) -> None:
    simulate(tmp_path / "out", replace(TINY, **{"weather": ("clear",), **change}))
    written = json.loads((tmp_path / "out" / "v1.0-mini" / "scene.json").read_text())
    before = json.loads((finished / "v1.0-mini" / "scene.json").read_text())
    assert [scene["name"] for scene in written] == [scene["name"] for scene in before]
    assert tokens(tmp_path / "out").isdisjoint(tokens(finished))


def test_other_settings_are_refused(finished: Path) -> None:
    with pytest.raises(ValueError, match=r"other settings \(seed: 0 then, 1 now\); choose another folder"):
        simulate(finished, replace(TINY, seed=1))


def test_drives_of_another_physics_of_rain_are_not_continued(tmp_path: Path) -> None:
    rig = nuscenes_rig()
    for weather in (("clear", "dusk"), ("clear", "fog")):
        out = tmp_path / weather[-1]
        config = replace(TINY, weather=weather)
        _claim(out, config, rig)
        file = out / ".streetsim" / "settings.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        del settings["physics_of_rain_and_fog"]  # as folders were before
        file.write_text(json.dumps(settings), encoding="utf-8")
    _claim(tmp_path / "dusk", replace(TINY, weather=("clear", "dusk")), rig)
    with pytest.raises(ValueError, match=r"\(physics_of_rain_and_fog: 1 then, 2 now\); choose another folder"):
        _claim(tmp_path / "fog", replace(TINY, weather=("clear", "fog")), rig)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(ValueError, match="is not empty and not a simulation of ours"):
        simulate(tmp_path, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scenes": 0}, "scenes must be at least 1, got 0"),
        ({"keyframes": 0}, "keyframes must be at least 1"),
        ({"workers": 0}, "workers must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"town": ("atlantis",)}, "town 'atlantis' is unknown; choose from downtown, residential"),
        ({"weather": ("hail",)}, "weather 'hail' is unknown; choose from clear"),
        ({"town": ()}, "name at least one town"),
        ({"rig": "tractor"}, "rig 'tractor' is unknown; choose nuscenes, kitti, or give a .toml or .json file"),
        ({"image_width_px": None}, "give both image_width_px and image_height_px"),
        ({"image_height_px": 3}, "8 … 4096 pixels"),
        ({"samples_per_pixel": 9}, "samples_per_pixel must lie in 0 … 8"),
        ({"format": "kitti"}, "SemanticKITTI has cameras image_2 and image_3, rig nuscenes has CAM_FRONT"),
        ({"rig": "kitti"}, "nuScenes' LiDAR is called LIDAR_TOP"),
        ({"rig": "kitti", "format": "kitti", "sweeps": 2}, "no sweeps between keyframes"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(change: dict, words: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        simulate(tmp_path / "out", replace(TINY, **change))
    assert not (tmp_path / "out").exists()


def test_without_the_simulator_packages_the_error_says_how_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = builtins.__import__

    def without(name: str, *rest: object) -> object:
        if name == "embreex":
            raise ModuleNotFoundError("No module named 'embreex'", name="embreex")
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"embreex: pip install 'lima-lidar\[simulator\]'"):
        simulate(tmp_path / "out", TINY)


def test_settings_load_nothing_heavy() -> None:
    assert not {"numba", "embreex", "PIL", "torch"} & modules_after("import streetsim.config, streetsim.simulate")


def test_the_default_towns_are_all_towns() -> None:
    assert SimulateConfig().town == TOWNS


@pytest.mark.parametrize(
    ("scenes", "val_every", "val"),
    [(1, 4, []), (2, 4, [1]), (3, 4, [2]), (4, 4, [3]), (9, 4, [3, 7]), (4, 0, []), (2, 1, [1]), (5, 2, [1, 3])],
)
def test_every_so_manieth_drive_is_for_validation(scenes: int, val_every: int, val: list[int]) -> None:
    plan = plan_scenes(replace(TINY, scenes=scenes, val_every=val_every))
    assert [scene.number for scene in plan.scenes if scene.split == "val"] == val
    assert len({scene.name for scene in plan.scenes}) == scenes
    assert len({scene.seed for scene in plan.scenes}) == scenes


def test_both_splits_go_through_all_towns_and_weathers() -> None:
    config = SimulateConfig(scenes=64, weather=("clear", "rain", "fog"))
    for split in ("train", "val"):
        kinds = {scene.kind for scene in plan_scenes(config).scenes if scene.split == split}
        assert len(kinds) == 12
