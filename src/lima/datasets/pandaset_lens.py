"""The lenses of PandaSet's cameras: intrinsics from the file, size from the first image."""

from __future__ import annotations

from pathlib import Path

from lima.datasets.pandaset_poses import read_json
from lima.datasets.scan_files import first_image_size
from lima.geometry.camera import PinholeCamera

FARTHEST_FROM_MIDDLE = 0.25
"""share of the image by which a lens's axis may miss its middle: intrinsics for images of another size miss more"""


def read_lens(folder: Path) -> PinholeCamera:
    """A camera's lens, from the folder of its images. Raises FileNotFoundError, PermissionError, ValueError."""
    path = folder / "intrinsics.json"
    numbers = read_json(path, "the camera's intrinsics")
    images = sorted(file for file in folder.iterdir() if file.suffix == ".jpg")
    if not images:
        raise FileNotFoundError(f"{folder} holds no image, files such as 00.jpg were expected")
    first, (width_px, height_px) = first_image_size(images)
    try:
        fx, fy, cx, cy = (float(numbers[name]) for name in ("fx", "fy", "cx", "cy"))
        camera = PinholeCamera(fx, fy, cx, cy, width_px, height_px)
    except (KeyError, TypeError) as problem:
        raise ValueError(f"{path} must have numbers fx, fy, cx, cy, got {str(numbers)[:80]} ({problem})") from None
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None
    miss = max(abs((cx + 0.5) / width_px - 0.5), abs((cy + 0.5) / height_px - 0.5))
    if not miss < FARTHEST_FROM_MIDDLE:
        raise ValueError(
            f"{path} has its axis at ({cx:.0f}, {cy:.0f}) px, images such as {first} are {width_px} x {height_px}: "
            f"a point near their middle was expected; resized images need resized intrinsics"
        )
    return camera
