"""Seconds and peak memory of opening tables as large as those of the full nuScenes, the first time and after.

    python benchmarks/open_dataset.py [--scale 0.1] [--folder /tmp]

Writes tables with as many rows as v1.0-trainval has (no images, no points: 3 GB), formatted as the official ones are,
opens them twice in a fresh process each, without and with the sweeps between keyframes, and removes them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

SCENES = 850
SAMPLES = 34_149
SAMPLE_DATA = 2_631_083
ANNOTATIONS = 1_166_187
INSTANCES = 64_386
CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")
RADARS = ("RADAR_FRONT", "RADAR_FRONT_LEFT", "RADAR_FRONT_RIGHT", "RADAR_BACK_LEFT", "RADAR_BACK_RIGHT")
CHANNELS = ("LIDAR_TOP", *CAMERAS, *RADARS)
FIRST_US, STEP_US = 1_535_000_000_000_000, 500_000


def token(kind: str, number: int) -> str:
    return hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()


def write_table(folder: Path, name: str, rows: Iterable[dict[str, object]]) -> None:
    with (folder / f"{name}.json").open("w", encoding="utf-8") as file:
        file.write("[\n")
        for number, row in enumerate(rows):
            file.write(",\n" * (number > 0) + json.dumps(row, indent=0))
        file.write("\n]")


def scene_of(sample: int, samples: int, scenes: int) -> int:
    return sample * scenes // samples


def sample_rows(samples: int, scenes: int) -> Iterator[dict[str, object]]:
    for sample in range(samples):
        scene = scene_of(sample, samples, scenes)
        before = sample > 0 and scene_of(sample - 1, samples, scenes) == scene
        after = sample < samples - 1 and scene_of(sample + 1, samples, scenes) == scene
        yield {
            "token": token("sample", sample),
            "timestamp": FIRST_US + sample * STEP_US,
            "prev": token("sample", sample - 1) if before else "",
            "next": token("sample", sample + 1) if after else "",
            "scene_token": token("scene", scene),
        }


def sample_data_rows(samples: int, rows: int, scenes: int) -> Iterator[dict[str, object]]:
    """Every sensor's keyframe at every sample, and between them sweeps of the same sensors until there are enough."""
    keyframes = samples * len(CHANNELS)
    for number in range(rows):
        key = number * keyframes // rows != (number - 1) * keyframes // rows
        keyframe = min(number * keyframes // rows, keyframes - 1)
        sample, channel = divmod(keyframe, len(CHANNELS))
        name = CHANNELS[channel]
        camera = name in CAMERAS
        folder, ending = ("samples" if key else "sweeps"), ("jpg" if camera else "pcd.bin")
        time_us = FIRST_US + sample * STEP_US
        sweep = number - -(
            -keyframe * rows // keyframes
        )  # of about six in a sensor's half second, the first the keyframe
        time_us += sweep * STEP_US * keyframes // rows
        yield {
            "token": token("data", number),
            "sample_token": token("sample", sample),
            "ego_pose_token": token("data", number),
            "calibrated_sensor_token": token(
                "calibration", scene_of(sample, samples, scenes) * len(CHANNELS) + channel
            ),
            "timestamp": time_us,
            "fileformat": "jpg" if camera else "pcd",
            "is_key_frame": key,
            "height": 900 if camera else 0,
            "width": 1600 if camera else 0,
            "filename": f"{folder}/{name}/n008-2018-08-30-10-33-52-0400__{name}__{time_us}.{ending}",
            "prev": token("data", number - len(CHANNELS)),
            "next": token("data", number + len(CHANNELS)),
        }


def ego_pose_rows(rows: int) -> Iterator[dict[str, object]]:
    for number in range(rows):
        yield {
            "token": token("data", number),
            "timestamp": FIRST_US + number,
            "rotation": [-0.9560445473387312, 0.0007237390126254785, -0.0018933654519455987, 0.29321445201931534],
            "translation": [1740.1248008642585 + number * 1e-3, 1233.9147282227389, 0.0],
        }


def annotation_rows(rows: int, samples: int, instances: int) -> Iterator[dict[str, object]]:
    """Every instance is annotated in successive samples."""
    for number in range(rows):
        instance = number * instances // rows
        first = -(-instance * rows // instances)
        start = instance * samples // instances
        after = (number + 1) * instances // rows == instance and number + 1 < rows
        yield {
            "token": token("annotation", number),
            "sample_token": token("sample", min(start + number - first, samples - 1)),
            "instance_token": token("instance", instance),
            "visibility_token": "4",
            "attribute_tokens": [token("attribute", number % 8)],
            "translation": [1761.755 + number * 1e-3, 1223.132, 0.857],
            "size": [1.759, 1.422, 1.805],
            "rotation": [0.9784513638759053, 0.0, 0.0, -0.2064774286196456],
            "prev": token("annotation", number - 1) if number > first else "",
            "next": token("annotation", number + 1) if after else "",
            "num_lidar_pts": number % 200,
            "num_radar_pts": 0,
        }


def write_tables(folder: Path, scale: float) -> None:
    """The nine tables that lima reads, with the rows of the full dataset times `scale`."""
    folder.mkdir(parents=True)
    scenes, samples = max(1, int(SCENES * scale)), max(40, int(SAMPLES * scale))
    data, boxes, instances = int(SAMPLE_DATA * scale), int(ANNOTATIONS * scale), max(1, int(INSTANCES * scale))
    counts = [0] * scenes
    for sample in range(samples):
        counts[scene_of(sample, samples, scenes)] += 1
    write_table(
        folder,
        "scene",
        (
            {"token": token("scene", scene), "name": f"street-{scene:04d}", "nbr_samples": counts[scene]}
            for scene in range(scenes)
        ),
    )
    write_table(folder, "sample", sample_rows(samples, scenes))
    write_table(folder, "sample_data", sample_data_rows(samples, data, scenes))
    write_table(folder, "ego_pose", ego_pose_rows(data))
    modality = {"L": "lidar", "C": "camera", "R": "radar"}
    write_table(
        folder,
        "sensor",
        (
            {"token": token("sensor", number), "channel": channel, "modality": modality[channel[0]]}
            for number, channel in enumerate(CHANNELS)
        ),
    )
    write_table(
        folder,
        "calibrated_sensor",
        (
            {
                "token": token("calibration", number),
                "sensor_token": token("sensor", number % len(CHANNELS)),
                "translation": [0.985793, 0.0, 1.84019],
                "rotation": [0.706749235646644, -0.015300993788500868, 0.01739745181256607, -0.7070846669051719],
                "camera_intrinsic": [[1252.8, 0.0, 826.6], [0.0, 1252.8, 470.0], [0.0, 0.0, 1.0]]
                if CHANNELS[number % len(CHANNELS)] in CAMERAS
                else [],
            }
            for number in range(scenes * len(CHANNELS))
        ),
    )
    write_table(folder, "category", [{"token": token("category", 0), "name": "vehicle.car", "description": "car"}])
    write_table(
        folder,
        "instance",
        ({"token": token("instance", number), "category_token": token("category", 0)} for number in range(instances)),
    )
    write_table(folder, "sample_annotation", annotation_rows(boxes, samples, instances))


def open_and_measure(root: Path, sweeps: int) -> None:
    """In a process of its own: what importing takes, and what opening and reaching every sequence takes."""
    from lima.data.between import with_between
    from lima.datasets import open_dataset

    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start, start_cpu = time.perf_counter(), time.process_time()
    dataset = open_dataset(root)
    sequences = with_between(dataset.sequences(), sweeps)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    frames = sum(len(sequence) for sequence in sequences)
    print(
        f"{len(sequences)} sequences, {frames} frames: {seconds:.1f} s ({cpu:.1f} s of CPU), peak {peak_mb:.0f} MB "
        f"(of which {before_mb:.0f} MB for the imports)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the full dataset's rows")
    parser.add_argument("--folder", type=Path, default=None, help="where the tables are written (3 GB)")
    parser.add_argument("--open", type=Path, default=None, help="only open this dataset and measure")
    parser.add_argument("--sweeps", type=int, default=0, help="with so many sweeps between two keyframes")
    arguments = parser.parse_args()
    if arguments.open:
        open_and_measure(arguments.open, arguments.sweeps)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        start = time.perf_counter()
        version = Path(folder) / "v1.0-trainval"
        write_tables(version, arguments.scale)
        size_gb = sum(file.stat().st_size for file in version.iterdir()) / 1e9
        print(f"wrote {size_gb:.2f} GB of tables in {time.perf_counter() - start:.0f} s")
        for sweeps in (0, 9):
            for index in version.glob("lima-*.npz"):
                index.unlink()
            for opening in ("first", "second"):
                print(f"{opening} opening, {sweeps} sweeps: ", end="", flush=True)
                subprocess.run([sys.executable, __file__, "--open", folder, "--sweeps", str(sweeps)], check=True)


if __name__ == "__main__":
    main()
