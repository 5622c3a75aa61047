"""nuScenes's sweeps between keyframes, each with its nearest images, as a sequence of frames."""

from __future__ import annotations

from collections.abc import Sequence as Series

import numpy as np
from jaxtyping import Int64

from lima.datasets.index import NuScenesIndex
from lima.datasets.nuscenes_records import RecordReader, camera_channels, lidar_channels
from lima.datasets.sweep_index import SweepIndex
from lima.datasets.tables import hex_token
from lima.scene import Frame, check_index

LIDAR_CHANNEL = 0


class SweepsBetween:
    """The sweeps between the keyframes of one scene, at most `most` between two, evenly chosen.

    needs_images: of those that a camera has an image near, not of all. A frame is called by the token of its sweep. It
    has no labels and no boxes. Raises ValueError where two sweeps are of one time.
    """

    def __init__(
        self,
        sweeps: SweepIndex,
        reader: RecordReader,
        index: NuScenesIndex,
        name: str,
        scene: int,
        most: int,
        needs_images: bool,
    ) -> None:
        self._sweeps, self._reader, self._index = sweeps, reader, index
        self.name = f"{name} between keyframes"
        first, stop = (
            int(np.searchsorted(sweeps.sweep_frames, index.first_frame[place])) for place in (scene, scene + 1)
        )
        rows = np.arange(first, stop)
        if needs_images:
            rows = rows[(sweeps.sweep_records[first:stop, camera_channels(index)] >= 0).any(axis=1)]
        self._rows = rows[evenly_chosen(sweeps.sweep_frames[rows], most)]
        twice = np.flatnonzero(np.diff(self._times_us) <= 0)
        if len(twice):
            tokens = self.tokens
            raise ValueError(
                f"{name}: sweeps {tokens[twice[0]]} and {tokens[twice[0] + 1]} both have timestamp "
                f"{self._times_us[twice[0]]} us; every sweep needs its own: was one of them copied?"
            )

    @property
    def _times_us(self) -> Int64[np.ndarray, "frames"]:
        return self._sweeps.times_us[self._sweeps.sweep_records[self._rows, LIDAR_CHANNEL]]

    @property
    def tokens(self) -> Series[str]:
        records = self._sweeps.sweep_records[self._rows, LIDAR_CHANNEL]
        return [hex_token(token) for token in self._sweeps.tokens[records]]

    @property
    def timestamps_ns(self) -> Series[int]:
        return (self._times_us * 1000).tolist()

    def __len__(self) -> int:
        return len(self._rows)

    def frame(self, index: int) -> Frame:
        """The sweep at that position and the image of every camera nearest to it in time."""
        check_index(self, index)
        row = int(self._rows[index])
        lidars, cameras = (
            [record for channel in channels if (record := self._sweeps.record(self._index, row, channel))]
            for channels in (lidar_channels(self._index), camera_channels(self._index))
        )
        return Frame(
            token=lidars[0].token,
            sequence=self.name,
            index=index,
            sweep=self._reader.sweep(lidars),
            images=tuple(self._reader.image(record) for record in cameras),
        )


def evenly_chosen(groups: Int64[np.ndarray, "sweeps"], most: int) -> Int64[np.ndarray, "chosen"]:
    """Positions of at most `most` of every group (neighbours of the same number), as evenly spread as they can be."""
    if most < 1:
        raise ValueError(f"at least one sweep between two keyframes is chosen, got {most}")
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    chosen = []
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(groups)], strict=False):
        count = stop - start
        steps = np.arange(1, min(most, count) + 1) * (count + 1) / (min(most, count) + 1)
        chosen.append(start + np.round(steps).astype(np.int64) - 1)
    return np.concatenate(chosen) if chosen else np.zeros(0, dtype=np.int64)
