"""How many frames of every format one core reads in a second.

    python -m benchmarks.formats --recordings ../shared/data --work /tmp/formats

Recordings are taken where there are some; the other formats are written from a simulated drive of real size (64 beams
of 2650 points, seven images of 1920 x 1280 px made larger from 480 x 320). Files come from the system's memory. Figures
are processor seconds of this process; on a busy machine take the best of several runs.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.datasets.exporters import argoverse2, bags, pandaset, plain, waymo
from tests.datasets.exporters.drive import Drive, Instant, Picture, record
from tests.datasets.exporters.frames import LABELS, frames_of

from lima.config import ImportConfig
from lima.datasets import open_dataset
from lima.datasets.bags.importing import import_bags
from lima.scene import Frame, Sequence
from streetsim.rigs import CameraMount, LidarMount, Rig

LARGER = 4
PASSES_S = 2.0
RECORDINGS = {
    "nuScenes": "nuscenes-scene-0523",
    "KITTI raw": "kitti-raw",
    "SemanticKITTI": "semantic-kitti",
    "Argoverse 2": "av2",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, required=True, help="folder for what is written, kept for the next time")
    parser.add_argument("--only", nargs="*", default=[], help="names of formats")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    roots = {
        f"{name}, recorded": arguments.recordings / folder
        for name, folder in RECORDINGS.items()
        if (arguments.recordings / folder).is_dir()
    }
    roots |= {f"{name}, simulated": root for name, root in exports(arguments.work).items()}
    print("| format | points | images | points only | with labels | with all images |\n|---|---|---|---|---|---|")
    for name, root in roots.items():
        if not arguments.only or any(word in name for word in arguments.only):
            print(line(name, root), flush=True)


def line(name: str, root: Path) -> str:
    """A row of the table."""
    (sequence, *_) = open_dataset(root, "split").sequences()
    frame = sequence.frame(0)
    labelled = [index for index in range(len(sequence)) if sequence.frame(index).read_labels is not None]
    sizes = sorted({f"{image.camera.width_px} x {image.camera.height_px}" for image in frame.images})
    images = f"{len(frame.images)} of {' and '.join(sizes)}" if sizes else "none"
    every = range(len(sequence))
    cells = [
        per_second(sequence, every, points),
        per_second(sequence, labelled, labels) if labelled else "–",
        per_second(sequence, every, pixels) if sizes else "–",
    ]
    count = f"{len(frame.sweep.points_lidar):,}".replace(",", " ")
    return f"| {name} | {count} | {images} | {' | '.join(cells)} |"


def points(_: Frame) -> None:
    """The sweep is read with the frame."""


def labels(frame: Frame) -> None:
    assert frame.read_labels is not None
    frame.read_labels()


def pixels(frame: Frame) -> None:
    for image in frame.images:
        image.read_pixels()


def per_second(sequence: Sequence, indices: range | list[int], read: Callable[[Frame], None]) -> str:
    """Frames per processor second, in the order of time, after a frame that reads what belongs to the drive."""
    read(sequence.frame(indices[0]))
    frames, began_s = 0, time.process_time()
    while time.process_time() - began_s < PASSES_S:
        for index in indices:
            read(sequence.frame(index))
        frames += len(indices)
    return f"{frames / (time.process_time() - began_s):.3g}"


# --- what is written


def exports(work: Path) -> dict[str, Path]:
    """The folders of the formats without a recording of everything, by name."""
    writers: dict[str, Callable[[Path, Drive], object]] = {
        "Argoverse 2": argoverse2.write_log,
        "Waymo Open v2": lambda root, drive: waymo.write_segment(root, drive, labelled=(0, 1, 2)),
        "PandaSet": pandaset.write_drive,
        "plain folder": write_plain,
        "plain folder from a bag": write_and_import_bag,
    }
    missing = [name for name in writers if not (work / name / "written").exists()]
    drive = full_size_drive() if missing else None
    for name in missing:
        assert drive is not None, "there is a drive where a format is missing"
        (work / name).mkdir(parents=True, exist_ok=True)
        writers[name](work / name / "data", drive)
        (work / name / "written").touch()
    return {name: work / name / "data" for name in writers}


def write_plain(root: Path, drive: Drive) -> None:
    plain.write_drive(root / "drive", frames_of(drive))
    plain.write_classes(root, ["ignored", *(f"class {number}" for number in range(1, LABELS))])


def write_and_import_bag(root: Path, drive: Drive) -> None:
    root.mkdir()
    path = bags.write_bag(root.parent / "drive", frames_of(drive), "ros2 mcap")
    began_s = time.process_time()
    import_bags([path], root, ImportConfig())
    print(f"import of a bag: {len(drive.instants) / (time.process_time() - began_s):.3g} frames per second\n")


def full_size_drive() -> Drive:
    """Three instants as a large rig sees them."""
    elevations_deg = tuple(np.linspace(-18, 3, 64).round(3).tolist())
    lidar = LidarMount("LIDAR", (1.35, 0.05, 1.9), 148.0, elevations_deg, 2650, (-0.05, 0.05), 180.0, 75.0, 0.01)
    cameras = tuple(
        CameraMount(f"C{number}", (1.5, 0.1, 1.6), -number * 360 / 7, 70.0, 480, 320, trigger_s=0.004 * (number - 3))
        for number in range(7)
    )
    drive = record(Rig("seven", lidar, cameras, keyframes_per_s=10.0))
    return dataclasses.replace(drive, instants=tuple(enlarged(drive.instants)))


def enlarged(instants: tuple[Instant, ...]) -> Iterator[Instant]:
    for instant in instants:
        yield dataclasses.replace(instant, pictures=tuple(larger(picture) for picture in instant.pictures))


def larger(picture: Picture) -> Picture:
    height_px, width_px, _ = picture.pixels.shape
    pixels_ = Image.fromarray(picture.pixels).resize((LARGER * width_px, LARGER * height_px), Image.Resampling.BICUBIC)
    intrinsics = picture.intrinsics * np.array([[LARGER, 1, LARGER], [1, LARGER, LARGER], [1, 1, 1]])
    intrinsics[:2, 2] += (LARGER - 1) / 2
    return dataclasses.replace(picture, pixels=np.asarray(pixels_), intrinsics=intrinsics)


if __name__ == "__main__":
    main()
