"""KITTI's rectified cameras: what a projection matrix says, and the pictures beside a scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float64

from lima.datasets.scan_files import first_image_size, read_pixels
from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class RectifiedCamera:
    """One camera of a drive. folder: of its images. size_px: width and height that every image must have.

    cam0_from_cam: to the rectified first camera, whose frame KITTI's poses and calibrations meet in.
    """

    name: str
    folder: Path
    ending: str
    camera: PinholeCamera
    cam0_from_cam: RigidTransform
    promised_by: str

    def image(
        self, stem: str, timestamp_ns: int, ego_from_cam0: RigidTransform, world_from_ego: RigidTransform
    ) -> CameraImage:
        """The picture of that name; its pixels are read when they are asked for."""
        return CameraImage(
            name=self.name,
            camera=self.camera,
            timestamp_ns=timestamp_ns,
            ego_from_cam=ego_from_cam0 @ self.cam0_from_cam,
            world_from_ego=world_from_ego,
            read_pixels=partial(
                read_pixels,
                self.folder / f"{stem}{self.ending}",
                self.camera.width_px,
                self.camera.height_px,
                self.promised_by,
            ),
        )


def rectified_camera(
    name: str,
    folder: Path,
    projection: Float64[np.ndarray, "3 4"],
    size_px: tuple[int, int] | None,
    where: str,
) -> RectifiedCamera:
    """The camera of a projection matrix P = K [1 | t], which maps points of the first camera to pixels.

    size_px: of the images, where the calibration tells; else the first image tells. KITTI counts pixels from the
    centre of the first, as this project does. Raises FileNotFoundError, ValueError.
    """
    images = _images(folder)
    ending, first = images[0].suffix, images[0]
    promised_by = f"what {where} promises"
    if size_px is None:
        first, size_px = first_image_size(images)
        promised_by = f"the first image of {folder.name}, {first.name},"
    width_px, height_px = size_px
    intrinsics = projection[:, :3]
    if not np.allclose([intrinsics[0, 1], *intrinsics[1:, 0], intrinsics[2, 1]], 0) or abs(intrinsics[2, 2] - 1) > 1e-6:
        raise ValueError(f"{where} is no projection K [1 | t] without skew: {intrinsics.tolist()}")
    cx_px, cy_px = float(intrinsics[0, 2]), float(intrinsics[1, 2])
    if not (0.25 < cx_px / width_px < 0.75 and 0 < cy_px / height_px < 1):
        raise ValueError(
            f"{where} has its optical axis at ({cx_px:.0f}, {cy_px:.0f}) px, but {first} is {width_px} x {height_px} "
            f"px: resized images need a resized calibration"
        )
    try:
        camera = PinholeCamera(float(intrinsics[0, 0]), float(intrinsics[1, 1]), cx_px, cy_px, width_px, height_px)
    except ValueError as problem:
        raise ValueError(f"{where}: {problem}") from None
    cam_from_cam0 = RigidTransform(
        torch.eye(3, dtype=torch.float64), torch.from_numpy(np.linalg.solve(intrinsics, projection[:, 3]))
    )
    return RectifiedCamera(name, folder, ending, camera, cam_from_cam0.inverse(), promised_by)


def has_images(folder: Path) -> bool:
    """Whether there is a folder of that name with an image in it."""
    return folder.is_dir() and any(path.suffix.lower() in IMAGE_ENDINGS for path in folder.iterdir())


def _images(folder: Path) -> list[Path]:
    images = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS)
    if not images:
        raise FileNotFoundError(f"{folder} has no images ({', '.join(IMAGE_ENDINGS)})")
    return images
