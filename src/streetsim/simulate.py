"""A whole data set: drives simulated by several processes, safe to interrupt, the same bytes every time.

Every drive is written beside (`OUT/.streetsim/building/<scene>`), then moved into its place, then noted as complete in
`OUT/.streetsim/<scene>.json`, which also holds its part of the tables. The tables come last.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from streetsim.config import SimulateConfig
from streetsim.progress import SceneProgress
from streetsim.scene_plan import Plan, ScenePlan, forecast, in_words, plan_scenes

_RAIN_AND_FOG = 2
"""Counts how rain and fog act on sweeps, so that no half-written drive of another physics is continued."""
_INSTALL = "pip install 'lima-lidar[simulator]'"
_ONE_THREAD = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def simulate(out: Path, config: SimulateConfig | None = None) -> None:
    """Simulate drives into the folder `out`; complete drives that it already holds are kept.

    Raises:
        ValueError: settings that make no sense, an unknown town, weather or rig, a folder that holds something else or
            the beginning of a simulation with other settings.
        ModuleNotFoundError: the simulator's own packages are not installed.
    """
    config = config or SimulateConfig()
    _check(config)
    _require_packages()
    from streetsim.rig_file import load_rig

    rig = load_rig(config.rig)
    if config.image_width_px is not None and config.image_height_px is not None:
        rig = rig.with_image_size(config.image_width_px, config.image_height_px)
    _check_format(config, rig)
    out = Path(out)
    plan = plan_scenes(config)
    _claim(out, config, rig)
    missing = [scene for scene in plan.scenes if not _note(out, scene).exists()]
    pixels = sum(camera.width_px * camera.height_px for camera in rig.cameras)
    seconds, size = forecast(config, pixels, len(rig.lidar.elevations_deg) * rig.lidar.columns)
    share = len(missing) / len(plan.scenes)
    with SceneProgress(len(plan.scenes), len(plan.scenes) - len(missing)) as progress:
        progress.say(
            f"{len(missing)} of {len(plan.scenes)} drives to simulate into {out}: about "
            f"{in_words(seconds * share / min(config.workers, max(len(missing), 1)))} and {size * share / 1e6:.0f} MB"
        )
        if missing:
            progress.say("compiling, if this is the first time on this machine: some 20 s")
            import streetsim.recording  # noqa: F401 — compiled here, once, before any worker starts

        for scene in _simulated(out, config, plan, missing):
            progress.advance(f"{scene.name} ({scene.kind}, {scene.split})")
    shutil.rmtree(out / ".streetsim" / "building", ignore_errors=True)
    if config.format == "nuscenes":
        from streetsim.nuscenes_tables import write_tables

        notes = [json.loads(_note(out, scene).read_text(encoding="utf-8")) for scene in plan.scenes]
        write_tables(out / plan.version, notes, rig, plan.split_lists())


def _simulated(out: Path, config: SimulateConfig, plan: Plan, missing: list[ScenePlan]) -> Iterator[ScenePlan]:
    """Simulate the missing drives and yield each when it is complete."""
    workers = min(config.workers, len(missing))
    if workers <= 1:
        for scene in missing:
            simulate_scene(out, config, plan.version, scene)
            yield scene
        return
    with _one_thread(), ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(simulate_scene, out, config, plan.version, scene): scene for scene in missing}
        try:
            for future in as_completed(running):
                future.result()
                yield running[future]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside use one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def simulate_scene(out: Path, config: SimulateConfig, version: str, scene: ScenePlan) -> None:
    """Simulate one drive, beside first and then in its place."""
    from streetsim.kitti_writer import write_sequence
    from streetsim.nuscenes_tables import write_json
    from streetsim.nuscenes_writer import write_scene
    from streetsim.recording import Recording
    from streetsim.rig_file import load_rig

    rig = load_rig(config.rig)
    if config.image_width_px is not None and config.image_height_px is not None:
        rig = rig.with_image_size(config.image_width_px, config.image_height_px)
    building = out / ".streetsim" / "building" / scene.name
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    recording = Recording(
        rig, scene.town, scene.weather, scene.seed, config.keyframes, config.sweeps, config.samples_per_pixel
    )
    records: dict[str, list[dict[str, Any]]] = {}
    if config.format == "nuscenes":
        records = write_scene(
            building, recording, scene.name, scene.number, version, scene.kind, config.exact, config.sweep_images
        )
    else:
        write_sequence(building, recording, scene.name, config.exact)
    for file in sorted(path for path in building.rglob("*") if path.is_file()):
        target = out / file.relative_to(building)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    shutil.rmtree(building)
    write_json(_note(out, scene), records)


def _note(out: Path, scene: ScenePlan) -> Path:
    """The file that says that a drive is complete."""
    return out / ".streetsim" / f"{scene.name}.json"


def _check(config: SimulateConfig) -> None:
    from streetsim.town.presets import TOWNS
    from streetsim.weather import WEATHERS

    for name, least in (("scenes", 1), ("keyframes", 1), ("workers", 1), ("sweeps", 0), ("val_every", 0), ("seed", 0)):
        value = getattr(config, name)
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if not 0 <= config.samples_per_pixel <= 8:
        raise ValueError(f"samples_per_pixel must lie in 0 … 8, got {config.samples_per_pixel}")
    for name, chosen, known in (("town", config.town, TOWNS), ("weather", config.weather, WEATHERS)):
        if not chosen:
            raise ValueError(f"name at least one {name}: {', '.join(known)}")
        for value in chosen:
            if value not in known:
                raise ValueError(f"{name} {value!r} is unknown; choose from {', '.join(known)}")
    if config.sweep_images and not config.sweeps:
        raise ValueError(
            "sweep_images are taken with the sweeps between keyframes, and there are none: set sweeps, too"
        )
    if (config.image_width_px is None) != (config.image_height_px is None):
        raise ValueError("give both image_width_px and image_height_px, or neither")


def _check_format(config: SimulateConfig, rig: Any) -> None:
    cameras = [camera.name for camera in rig.cameras]
    if config.format == "kitti" and cameras not in (["image_2"], ["image_2", "image_3"]):
        raise ValueError(f"SemanticKITTI has cameras image_2 and image_3, rig {rig.name} has {', '.join(cameras)}")
    if config.format == "kitti" and config.sweeps:
        raise ValueError("SemanticKITTI has no sweeps between keyframes: set sweeps to 0")
    if config.format == "nuscenes" and rig.lidar.name != "LIDAR_TOP":
        raise ValueError(
            f"nuScenes' LiDAR is called LIDAR_TOP, that of rig {rig.name} {rig.lidar.name}; use format kitti?"
        )


def _require_packages() -> None:
    try:
        import embreex  # noqa: F401
        import numba  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(f"the simulator needs {error.name}: {_INSTALL}", name=error.name) from error


def _claim(out: Path, config: SimulateConfig, rig: Any) -> None:
    """Make the folder ours, or find that it already is, with the same settings."""
    from streetsim.nuscenes_tables import write_json
    from streetsim.weather import PRESETS

    settings = asdict(config)
    settings["physics_of_rain_and_fog"] = _RAIN_AND_FOG if any(PRESETS[name].wetness for name in config.weather) else 1
    del settings["workers"]
    settings["rig"] = asdict(rig)
    settings = json.loads(json.dumps(settings))
    file = out / ".streetsim" / "settings.json"
    if file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        before = {"sweep_images": False, "physics_of_rain_and_fog": 1, **before}  # folders made before these
        different = sorted(key for key in settings.keys() | before.keys() if settings.get(key) != before.get(key))
        if different:
            changes = ", ".join(f"{key}: {before.get(key)} then, {settings.get(key)} now" for key in different)
            raise ValueError(f"{out} holds a simulation with other settings ({changes}); choose another folder")
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out} is not empty and not a simulation of ours; choose another folder")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, settings)
