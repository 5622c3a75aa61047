"""The paper's table of detection on nuScenes (arXiv 2507.05260), to stand below ours where ours is of the same."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Series

from lima.datasets.splits import official_splits
from lima.evaluate.study import Column

COLUMNS = ("scene-1in20", "scene-1in10", "scene-1in5")
FIGURES: dict[str, dict[str, tuple[tuple[float, float], ...]]] = {
    "centerpoint": {
        "random initialisation (the paper)": ((38.0, 44.3), (46.9, 55.5), (50.2, 59.7)),
        "one frame (the paper: ScaLR)": ((44.3, 53.3), (48.2, 57.1), (50.7, 60.8)),
        "LiMA (the paper)": ((46.5, 56.4), (50.1, 59.6), (52.3, 62.3)),
    },
    "second": {"LiMA (the paper)": ((39.4, 50.1), (43.2, 55.3), (46.0, 59.5))},
}
"""mAP and NDS in percent of a VoxelNet with 5, 10 and 20 % of the labels, by head"""


def published_figures(
    head: str, columns: Series[Column], dataset: str, val: Iterable[str]
) -> dict[str, dict[str, tuple[float, float]]]:
    """Its rows, as far as the columns are its own; none but for nuScenes v1.0-trainval, scored on all its validation
    scenes. A simulated dataset may have the name, but not the scenes.

    dataset: its name. val: the sequences that were scored.
    """
    if dataset != "nuScenes v1.0-trainval" or set(val) != official_splits()["val"]:
        return {}
    known = {column.name: COLUMNS.index(column.labels) for column in columns if column.labels in COLUMNS}
    if not known:
        return {}
    return {row: {name: figures[place] for name, place in known.items()} for row, figures in FIGURES[head].items()}
