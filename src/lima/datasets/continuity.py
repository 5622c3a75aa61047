"""Whether the keyframes of a scene follow each other as keyframes should."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lima.datasets.index import NuScenesIndex

MAX_GAP_S = 0.75
MAX_GAP_STEPS = 1.5


def check_order(index: NuScenesIndex, scene: int, folder: Path) -> None:
    """Raises ValueError where keyframes are missing, out of time order, or not linked to their neighbours.

    folder: of the tables, for messages.
    """
    scene_name = index.scene_names[scene].decode()
    name = f"{folder}: {scene_name}"
    start, stop = int(index.first_frame[scene]), int(index.first_frame[scene + 1])
    promised = int(index.scene_frames_promised[scene])
    if stop - start != promised or promised == 0:
        raise ValueError(
            f"{folder}: scene.json promises {promised} keyframes of {scene_name}, sample.json has {stop - start}: "
            f"is it cut short?"
        )
    for frame in range(start, stop - 1):
        if index.frame_times_us[frame] == index.frame_times_us[frame + 1]:
            raise ValueError(
                f"{name}: keyframes {index.frame_tokens[frame].decode()} and {index.frame_tokens[frame + 1].decode()} "
                f"both have LiDAR timestamp {index.frame_times_us[frame]} us; every keyframe needs its own: was one of "
                f"them copied?"
            )
    for frame in range(start, stop):
        token = index.frame_tokens[frame].decode()
        for link, linked, expected in (
            ("prev", int(index.previous_frame[frame]), frame - 1 if frame > start else -1),
            ("next", int(index.next_frame[frame]), frame + 1 if frame < stop - 1 else -1),
        ):
            if linked != expected:
                raise ValueError(
                    f"{name}: sample {token} has {link} {_named(index, linked, frame)}, but in the LiDAR's time its "
                    f"{link} keyframe is {_named(index, expected, frame)}: link the samples again in order of time, "
                    f"or correct the timestamps"
                )


def gaps(index: NuScenesIndex, scene: int) -> list[int]:
    """The frames (counted within the scene) that come too long after the one before.

    Too long is more than 0.75 s, and more than one and a half usual steps of the scene: nuScenes's keyframes are
    0.45 to 0.65 s apart, a missing one leaves a second.
    """
    times_us = index.frame_times_us[index.first_frame[scene] : index.first_frame[scene + 1]]
    steps_s = np.diff(times_us) * 1e-6
    if len(steps_s) == 0:
        return []
    longest_s = max(MAX_GAP_S, MAX_GAP_STEPS * float(np.median(steps_s)))
    return (np.flatnonzero(steps_s > longest_s) + 1).tolist()


def describe_gap(index: NuScenesIndex, scene: int, frame: int) -> str:
    """Which keyframes of which scene are how far apart."""
    start = int(index.first_frame[scene])
    before, after = start + frame - 1, start + frame
    seconds = (int(index.frame_times_us[after]) - int(index.frame_times_us[before])) * 1e-6
    return (
        f"{index.scene_names[scene].decode()} has {seconds:.2f} s between keyframes "
        f"{index.frame_tokens[before].decode()} and {index.frame_tokens[after].decode()}"
    )


def _named(index: NuScenesIndex, linked: int, frame: int) -> str:
    if linked < 0:
        return "none"
    seconds = (int(index.frame_times_us[linked]) - int(index.frame_times_us[frame])) * 1e-6
    return f"{index.frame_tokens[linked].decode()} ({seconds:+.2f} s)"
