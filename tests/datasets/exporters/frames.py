"""A drive as frames, and whether what was read back is the same: for formats that any dataset can be exported to."""

from __future__ import annotations

from collections.abc import Sequence as Series

import numpy as np
import torch

from lima.geometry.camera import PinholeCamera
from lima.geometry.rigid import RigidTransform
from lima.scene import CameraImage, Frame, Sweep
from tests.datasets.exporters.drive import Drive, Instant, Picture, inside

LABELS = 4
METRES, RADIANS = 1e-6, 1e-6


def frames_of(drive: Drive) -> list[Frame]:
    """Its instants, labelled 0 … `LABELS` - 1 by nothing but the number of the point."""
    return [_frame(drive, index, instant) for index, instant in enumerate(drive.instants)]


def assert_same_frame(
    found: Frame, source: Frame, intensity: bool = True, ring: bool = True, images: bool = True
) -> None:
    """Points, pictures, poses and times of two frames are equal; intensity as `table_of` rounds it."""
    one, other = found.sweep, source.sweep
    assert torch.equal(one.points_lidar, other.points_lidar)
    assert one.timestamp_ns == other.timestamp_ns
    expected = torch.round(other.intensity * 255) / 255 if intensity else torch.zeros(len(other.intensity))
    assert torch.allclose(one.intensity, expected, atol=1e-6)
    if ring and other.ring is not None:
        assert one.ring is not None
        assert torch.equal(one.ring, other.ring)
    assert_near(one.ego_from_lidar, other.ego_from_lidar)
    assert_near(one.world_from_ego, other.world_from_ego)
    pictures = {image.name: image for image in source.images} if images else {}
    assert {image.name for image in found.images} == set(pictures)
    for image in found.images:
        picture = pictures[image.name]
        assert image.timestamp_ns == picture.timestamp_ns
        assert image.camera == picture.camera
        assert_near(image.ego_from_cam, picture.ego_from_cam)
        assert_near(image.world_from_ego, picture.world_from_ego)
        assert torch.equal(image.read_pixels(), picture.read_pixels())


def assert_near(one: RigidTransform, other: RigidTransform) -> None:
    """The same transform, to a micrometre and a microradian."""
    assert float((one.translation_m - other.translation_m).abs().max()) < METRES
    assert float((one.rotation - other.rotation).abs().max()) < RADIANS


def assert_same_frames(found: Series[Frame], source: Series[Frame], **what: bool) -> None:
    assert len(found) == len(source)
    for one, other in zip(found, source, strict=True):
        assert_same_frame(one, other, **what)


def _frame(drive: Drive, index: int, instant: Instant) -> Frame:
    ego_from_lidar, world_from_ego = (np.asarray(each) for each in (drive.ego_from_lidar, instant.world_from_ego))
    points = inside(instant.points_world, np.linalg.inv(world_from_ego @ ego_from_lidar)).astype(np.float32)
    labels = torch.arange(len(points)) % LABELS
    return Frame(
        token=f"{index}",
        sequence="drive",
        index=index,
        sweep=Sweep(
            points_lidar=torch.from_numpy(points),
            intensity=torch.from_numpy(instant.intensity.astype(np.float32)),
            timestamp_ns=instant.time_ns,
            ego_from_lidar=_rigid(ego_from_lidar),
            world_from_ego=_rigid(world_from_ego),
            ring=torch.from_numpy(instant.ring),
        ),
        images=tuple(_image(f"cam{number}", picture) for number, picture in enumerate(instant.pictures)),
        read_labels=lambda: labels,
    )


def _image(name: str, picture: Picture) -> CameraImage:
    k, (height, width) = picture.intrinsics, picture.pixels.shape[:2]
    pixels = torch.from_numpy(picture.pixels).permute(2, 0, 1).contiguous()
    return CameraImage(
        name=name,
        camera=PinholeCamera(float(k[0, 0]), float(k[1, 1]), float(k[0, 2]), float(k[1, 2]), width, height),
        timestamp_ns=picture.time_ns,
        ego_from_cam=_rigid(picture.ego_from_cam),
        world_from_ego=_rigid(picture.world_from_ego),
        read_pixels=lambda: pixels,
    )


def _rigid(matrix: np.ndarray) -> RigidTransform:
    return RigidTransform.from_matrix(torch.from_numpy(matrix.astype(np.float64)))
