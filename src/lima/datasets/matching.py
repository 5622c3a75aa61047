"""Which pictures belong to which sweeps, and which sweeps become frames."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64

from lima.datasets.file_times import TimedFiles, stem

NONE = -1


def pictures_of_sweeps(pictures: TimedFiles, sweeps: TimedFiles, within_s: float) -> Int64[np.ndarray, "sweeps"]:
    """The picture of every sweep, `NONE` where there is none.

    By time where the pictures have times: the one nearest to the sweep, if it is nearer to no other sweep and at most
    `within_s` away. Else by name. Raises ValueError where no name is that of a sweep.
    """
    found = np.full(len(sweeps), NONE, dtype=np.int64)
    if pictures.times_ns is None:
        row_of_stem = {stem(path): row for row, path in enumerate(pictures.paths)}
        for sweep, path in enumerate(sweeps.paths):
            found[sweep] = row_of_stem.get(stem(path), NONE)
        if (found == NONE).all():
            raise ValueError(
                f"{pictures.folder} has no picture named as a sweep ({sweeps.paths[0].name} …, but "
                f"{pictures.paths[0].name} …), and nothing tells when they were taken: name them alike, or give both "
                f"times"
            )
        return found
    assert sweeps.times_ns is not None, "sweeps have times"
    picture = _nearest(pictures.times_ns, sweeps.times_ns)
    sweep_of_picture = _nearest(sweeps.times_ns, pictures.times_ns)
    apart_ns = np.abs(pictures.times_ns[picture] - sweeps.times_ns)
    own = (sweep_of_picture[picture] == np.arange(len(sweeps))) & (apart_ns <= within_s * 1e9)
    found[own] = picture[own]
    return found


def thinned(times_ns: Int64[np.ndarray, "sweeps"], per_s: float) -> Int64[np.ndarray, "kept"]:
    """So many a second: the first, and every next one that comes a step later, half a usual interval early at most."""
    usual_ns = float(np.median(np.diff(times_ns))) if len(times_ns) > 1 else 0.0
    step_ns = 1e9 / per_s - usual_ns / 2
    kept = [0]
    for row in range(1, len(times_ns)):
        if times_ns[row] - times_ns[kept[-1]] >= step_ns:
            kept.append(row)
    return np.array(kept, dtype=np.int64)


def _nearest(
    times_ns: Int64[np.ndarray, "files"], wanted_ns: Int64[np.ndarray, "moments"]
) -> Int64[np.ndarray, "moments"]:
    """Which of the ascending times is nearest to each wanted one."""
    if len(times_ns) == 1:
        return np.zeros(len(wanted_ns), dtype=np.int64)
    after = np.clip(np.searchsorted(times_ns, wanted_ns), 1, len(times_ns) - 1)
    nearer = wanted_ns - times_ns[after - 1] <= times_ns[after] - wanted_ns
    return np.where(nearer, after - 1, after).astype(np.int64)
