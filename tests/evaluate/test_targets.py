"""Oracles: a teacher that looks at nothing tells nothing; what the memory adds is counted by hand."""

import statistics
from pathlib import Path

from lima.config import MethodConfig, ProbeConfig, TeacherConfig
from lima.data.pairs import pairs_from_frame
from lima.datasets import open_dataset
from lima.evaluate.targets import probe_targets

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
