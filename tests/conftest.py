"""Simulated drives that several parts are tested on, made once per run of the tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from streetsim.config import SimulateConfig
from streetsim.simulate import simulate

SIMULATED = SimulateConfig(
    scenes=3,
    keyframes=4,
    town=("downtown", "residential"),
    weather=("clear", "overcast"),
    image_width_px=224,
    image_height_px=126,
    samples_per_pixel=2,
)


def shared_between_workers(tmp_path_factory: pytest.TempPathFactory, name: str) -> tuple[Path, FileLock]:
    """A folder that all processes of this run of the tests share, and the lock to hold while filling it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    return root / name, FileLock(root / f"{name}.lock")


@pytest.fixture(scope="session")
def simulated_nuscenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A v1.0-mini of three drives (two train, one val), four keyframes each, six cameras of 224 x 126 pixels.

    Do not write into it. `exact/` holds the exact answers, see docs/simulator.md.
    """
    folder, lock = shared_between_workers(tmp_path_factory, "simulated_nuscenes")
    with lock:
        simulate(folder, SIMULATED)  # a second call finds everything complete
    return folder
