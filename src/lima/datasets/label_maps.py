"""Which classes the label files of SemanticKITTI and its relatives mean by their numbers.

The maps stand in `label_maps.json`, class by class in the order of the sets' own configurations (docs/formats.md names
the source of each). Position 0 is what is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Int64

NO_CLASS = -1
LABEL_IDS = 1 << 16
"""the lower half of a label is its class, the upper half the number of the thing"""
WRITTEN_IDS = {
    "semantic_kitti": {"other_vehicle": 20},
    "semantic_kitti_moving": {"other_vehicle": 20, "moving_other_vehicle": 259},
}
"""what SemanticKITTI's learning_map_inv writes for a class where that is not the first of its ids"""


@dataclass(frozen=True, eq=False)
class LabelMap:
    """class_names: position 0 is "ignored". class_of_id: the position of every id, -1 for ids that do not exist.

    id_of_class: what is written for every class.
    """

    name: str
    class_names: tuple[str, ...]
    class_of_id: Int64[np.ndarray, "65536"]
    id_of_class: Int64[np.ndarray, "classes"]

    @property
    def ids(self) -> list[int]:
        """The ids that mean something."""
        return np.flatnonzero(self.class_of_id != NO_CLASS).tolist()


@cache
def label_map(name: str) -> LabelMap:
    """The map of that name. Raises ValueError for a name that there is not."""
    maps = _maps()
    if name not in maps:
        raise ValueError(f"there is no label map {name!r}; those there are: {', '.join(maps)}")
    class_of_id = np.full(LABEL_IDS, NO_CLASS, dtype=np.int64)
    for position, ids in enumerate(maps[name].values()):
        class_of_id[list(ids)] = position
    written = {label: ids[0] for label, ids in maps[name].items()} | WRITTEN_IDS.get(name, {})
    return LabelMap(name, tuple(maps[name]), class_of_id, np.array(list(written.values()), dtype=np.int64))


def _maps() -> Mapping[str, Mapping[str, list[int]]]:
    return json.loads((files("lima.datasets") / "label_maps.json").read_text(encoding="utf-8"))
