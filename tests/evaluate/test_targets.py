"""Oracles: a teacher that looks at nothing tells nothing; what the memory adds is counted by hand."""

import statistics
from pathlib import Path

from lima.config import MethodConfig, ProbeConfig, TeacherConfig
from lima.data.pairs import pairs_from_frame
from lima.datasets import open_dataset
from lima.evaluate.targets import probe_targets
from tests.datasets.test_nuscenes_sweeps import write_dataset

QUICK = ProbeConfig(epochs=2, points_per_sweep=512, seeds=(0, 1))
TINY = TeacherConfig(image_height_px=64, image_width_px=112)


def test_targets_of_simulated_drives(simulated_nuscenes: Path, tmp_path: Path) -> None:
    lines: list[str] = []
    one, three = probe_targets(
        simulated_nuscenes,
        TINY,
        [MethodConfig(frames=1), MethodConfig(frames=3)],
        QUICK,
        tmp_path / "features",
        say=lines.append,
    )
    frames = [
        sequence.frame(index)
        for sequence in open_dataset(simulated_nuscenes).sequences("val")
        for index in range(len(sequence))
    ]
    labelled = [(frame, frame.read_labels()) for frame in frames if frame.read_labels is not None]
    seen = sum(int((pairs_from_frame(frame).visible.any(dim=0) & (labels > 0)).sum()) for frame, labels in labelled)
    assert one.seen.scored_points == three.seen.scored_points == one.known.scored_points == seen
    assert three.known.scored_points > seen, "a memory knows points that no camera sees now"
    assert one.known.labelled_points == sum(int((labels > 0).sum()) for _, labels in labelled)
    assert one.seen.miou == statistics.fmean(one.seen.seeds)
    assert len(lines) == 3
    assert "k = 3" in lines[2]


def test_sweeps_between_keyframes_make_other_targets(tmp_path: Path) -> None:
    """The same two drives of four keyframes; two of the sweeps between them, each with its images, in the memory."""
    root = write_dataset(tmp_path / "drives")
    lines: list[str] = []
    keyframes, both = probe_targets(
        root,
        TeacherConfig(image_height_px=48, image_width_px=64),
        [MethodConfig(frames=4, association_size_m=4.0), MethodConfig(frames=10, sweeps=2, association_size_m=4.0)],
        QUICK,
        tmp_path / "features",
        say=lines.append,
    )
    assert len(list((tmp_path / "features").rglob("*.safetensors"))) == 2 * (4 + 3 * 2)
    assert both.seen.scored_points == keyframes.seen.scored_points  # the points are the keyframes', as before
    assert both.known.scored_points > keyframes.known.scored_points  # more of them have been seen by some frame
    assert "2 sweeps between" in lines[2]
    assert "sweeps between" not in lines[1]
