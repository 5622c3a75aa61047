"""Which files and folders are recordings, and opening them."""

from __future__ import annotations

from pathlib import Path

from lima.datasets.bags.bag import REMEDIES, Bag, said_in_one_line
from lima.datasets.bags.mcap_bag import McapBag
from lima.datasets.bags.ros_bag import RosBag
from lima.datasets.scan_files import reading

INSTALL = "pip install 'lima-lidar[bags]'"
ENDINGS = (".bag", ".db3", ".mcap")
METADATA_FILE = "metadata.yaml"


def is_bag(path: Path) -> bool:
    """Whether it looks like a recording, from its name and the names in it."""
    if path.is_dir():
        return (path / METADATA_FILE).is_file() or any(entry.suffix in ENDINGS[1:] for entry in path.iterdir())
    return path.suffix in ENDINGS


def open_bag(path: Path) -> Bag:
    """Open a ROS 1 .bag, a ROS 2 bag (its folder, or a .db3 in it) or an .mcap file of either.

    Raises FileNotFoundError, PermissionError, ModuleNotFoundError where the extra is not installed, and ValueError for
    what is no recording, or a damaged one.
    """
    path = Path(path)
    with reading(path, "a bag"):
        if not path.is_dir():
            with path.open("rb") as file:
                if not file.read(1):
                    raise ValueError(f"{path} is an empty file, a recording was expected: copy it again")
    if not is_bag(path):
        raise ValueError(
            f"{path} is no recording: a file that ends in {', '.join(ENDINGS)}, or the folder of a ROS 2 bag"
        )
    if path.is_dir() and not (path / METADATA_FILE).is_file():
        files = sorted(entry for entry in path.iterdir() if entry.suffix in ENDINGS[1:])
        if len(files) > 1:
            raise ValueError(
                f"{path} has {len(files)} files but no {METADATA_FILE}, which tells their order: {REMEDIES['']}"
            )
        path = files[0]
    try:
        with said_in_one_line(path):
            return McapBag(path) if path.suffix == ".mcap" else RosBag(path)
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(f"{missing.name} is not installed, it reads recordings: {INSTALL}") from None
