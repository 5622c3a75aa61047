"""PandaSet, damaged in every way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from tests.datasets.bad_input.cases import (
    MANY,
    BadFormat,
    Refused,
)
from tests.datasets.damage import (
    Change,
    as_json,
    as_text,
    content,
    half,
    image,
    missing,
    no_rows,
    value,
)
from tests.datasets.exporters import pandaset
from tests.datasets.exporters.drive import hand_made_drive

PANDA_SWEEP, PANDA_LABELS = "002/lidar/01.pkl.gz", "002/annotations/semseg/01.pkl.gz"
PANDA_IMAGE, PANDA_TIMES = "002/camera/front_camera/01.jpg", "002/lidar/timestamps.json"


def pickled(relative: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    def rewrite(root: Path) -> None:
        table = change(pd.read_pickle(root / relative))
        pandaset.write_pickle(
            {name: column.to_numpy() if column.dtype.kind in "fiu" else list(column) for name, column in table.items()},
            root / relative,
        )

    return rewrite


def later(place: int, seconds: float) -> Callable[[list[float]], None]:
    def change(times_s: list[float]) -> None:
        times_s[place] = times_s[0] + seconds

    return change


def many_of_pandaset(root: Path) -> None:
    points: dict[str, object] = {axis: np.linspace(0, 9, MANY) for axis in "xyz"}
    points |= {"i": np.full(MANY, 9.0), "t": np.zeros(MANY), "d": np.zeros(MANY, np.int64)}
    pandaset.write_pickle(points, root / "002/lidar/01.pkl")
    pandaset.write_pickle({"class": np.full(MANY, 7)}, root / "002/annotations/semseg/01.pkl")


PANDASET = BadFormat(
    "PandaSet",
    lambda root: pandaset.write_drive(root, hand_made_drive()),
    PANDA_SWEEP,
    {
        "missing file": Refused((PANDA_SWEEP, "is missing"), missing(PANDA_SWEEP), FileNotFoundError),
        "empty file": Refused((PANDA_SWEEP, "is empty"), content(PANDA_SWEEP, "")),
        "truncated file": Refused((PANDA_SWEEP, "truncated?"), half(PANDA_SWEEP)),
        "wrong type of numbers": Refused((PANDA_SWEEP, "expected"), pickled(PANDA_SWEEP, as_text("x"))),
        "wrong shape": Refused((PANDA_SWEEP, "no column z"), pickled(PANDA_SWEEP, lambda t: t.drop(columns="z"))),
        "NaN points": Refused((PANDA_SWEEP, "point 3"), pickled(PANDA_SWEEP, value("y", np.nan, 3))),
        "infinite points": Refused((PANDA_SWEEP, "NaN or infinite"), pickled(PANDA_SWEEP, value("z", np.inf, 7))),
        "image of another size": Refused((PANDA_IMAGE, "16 x 12 px", "32 x 24"), image(PANDA_IMAGE, 16, 12)),
        "unknown label": Refused((PANDA_LABELS, "99"), pickled(PANDA_LABELS, value("class", 99))),
        "a time twice": Refused(("002", "same time as"), as_json(PANDA_TIMES, later(1, 0.0))),
        "time runs backwards": Refused(("002", "earlier time"), as_json(PANDA_TIMES, later(2, 0.05))),
        "a camera missing in a frame": Refused((PANDA_IMAGE, "is missing"), missing(PANDA_IMAGE), FileNotFoundError),
        "a sweep without points": Refused((PANDA_SWEEP, "at least one"), pickled(PANDA_SWEEP, no_rows)),
    },
    many_of_pandaset,
)
