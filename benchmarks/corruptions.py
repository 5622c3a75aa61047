"""How long every corruption takes for one sweep, on one thread. Prints a table; asserts nothing.

    OMP_NUM_THREADS=1 python benchmarks/corruptions.py [FOLDER OF A DATASET]

Without a folder: a made-up street seen by 32 and by 64 beams. Times are processor times, so that a busy machine does
not lengthen them; the median of five sweeps after one that fills caches.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from lima.datasets import open_dataset
from lima.evaluate.corruptions.beams import estimated_beams
from lima.evaluate.corruptions.corrupted import SEVERITIES, KnownClasses, generator_for
from lima.evaluate.corruptions.every import CORRUPTIONS, corrupt
from lima.geometry.rigid import RigidTransform
from lima.scene import Sweep

REPEATS = 5


def street(beams: int, columns: int) -> tuple[Sweep, KnownClasses]:
    """Level ground 1.8 m below, walls 10 … 60 m away, every beam and column with an echo."""
    draw = torch.Generator().manual_seed(0)
    elevation = torch.deg2rad(torch.linspace(-25, 5, beams))[None].expand(columns, beams)
    azimuth = (torch.arange(columns) / columns * 2 * math.pi)[:, None].expand(columns, beams)
    wall_m = (10 + 50 * torch.rand(columns, 1, generator=draw)).expand(columns, beams)
    ground_m = torch.where(elevation < 0, 1.8 / torch.tan(-elevation).clamp(min=1e-6), torch.inf)
    across_m = torch.minimum(ground_m, wall_m)
    points = torch.stack(
        [across_m * torch.cos(azimuth), across_m * torch.sin(azimuth), across_m * torch.tan(elevation)], dim=2
    )
    labels = torch.where(ground_m < wall_m, 1, 1 + torch.randint(1, 3, (columns, beams), generator=draw))
    still = RigidTransform.identity()
    ring = torch.arange(beams).expand(columns, beams).reshape(-1)
    intensity = 0.05 + 0.4 * torch.rand(columns * beams, generator=draw)
    sweep = Sweep(points.reshape(-1, 3).contiguous(), intensity, 0, still, still, ring)
    return sweep, KnownClasses(labels.reshape(-1), ("ignored", "driveable_surface", "car", "manmade"))


def first_sweep(folder: Path) -> tuple[Sweep, KnownClasses]:
    """The first keyframe of a dataset."""
    dataset = open_dataset(folder)
    frame = dataset.sequences(None)[0].frame(0)
    assert frame.read_labels is not None, f"{folder} has no labels"
    return frame.sweep, KnownClasses(frame.read_labels(), dataset.class_names)


def main() -> None:
    torch.set_num_threads(1)
    folders = [Path(name) for name in sys.argv[1:]]
    found = {str(folder): first_sweep(folder) for folder in folders}
    found = found or {"32 beams": street(32, 1090), "64 beams": street(64, 1900)}
    for name, (sweep, known) in found.items():
        print(f"{name}, {len(sweep.points_lidar)} points; milliseconds light, moderate, heavy")
        for corruption in CORRUPTIONS:
            times = []
            for severity in SEVERITIES:
                taken = []
                for seed in range(REPEATS + 1):
                    started = time.process_time()
                    corrupt(corruption, sweep, known, severity, generator_for(seed, corruption))
                    taken.append(1000 * (time.process_time() - started))
                times.append(statistics.median(taken[1:]))
            print(f"{corruption:>18} " + " ".join(f"{each:8.1f}" for each in times))
        started = time.process_time()
        estimated_beams(replace(sweep, ring=None).points_lidar)
        print(f"{'beams without ring':>18} {1000 * (time.process_time() - started):8.1f}")


if __name__ == "__main__":
    main()
