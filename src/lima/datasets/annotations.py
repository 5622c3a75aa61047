"""Boxes with velocities, and which file holds the labels of which sweep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from lima.datasets.recordings import poses
from lima.datasets.tables import TokenIndex, column, numbers, read_columns, read_rows, text_array, tokens_from_strings

NO_TOKEN = "0" * 32  # genuine ones are packed much faster than the empty text, which stands for none
MAX_VELOCITY_GAP_US = 1_500_000  # annotations farther apart give no velocity; twice that for a central difference


def read_boxes(
    paths: dict[str, Path],
    samples: TokenIndex,
    frame_of_sample: Int64[np.ndarray, "samples"],
    times_us: Int64[np.ndarray, "samples"],
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All boxes, sorted by frame and within a frame as the table has them; categories and instances."""
    categories = read_columns(paths["category"], ("token", "name"))
    instances = read_columns(paths["instance"], ("token", "category_token"))
    category_of_instance = TokenIndex(paths["category"], categories["token"]).rows(
        instances["category_token"], paths["instance"], "category_token", instances["token"]
    )
    instance_index = TokenIndex(paths["instance"], instances["token"])

    attributes = _attributes(paths["sample_annotation"].with_name("attribute.json"))
    row_of_attribute = {token: row for row, token in enumerate(attributes)}
    path = paths["sample_annotation"]
    parts: dict[str, list[np.ndarray]] = {}
    for rows in read_rows(path):
        fields = ("token", "sample_token", "instance_token", "translation", "size", "rotation", "prev", "next")
        columns = {name: column(path, rows, name) for name in fields}
        names = columns["token"]
        for name, part in (
            ("token", tokens_from_strings(names)),
            ("previous", tokens_from_strings([token or NO_TOKEN for token in columns["prev"]])),
            ("next", tokens_from_strings([token or NO_TOKEN for token in columns["next"]])),
            ("has_previous", np.array([token != "" for token in columns["prev"]])),
            ("has_next", np.array([token != "" for token in columns["next"]])),
            ("sample", samples.rows(columns["sample_token"], path, "sample_token", names)),
            ("instance", instance_index.rows(columns["instance_token"], path, "instance_token", names)),
            ("pose", poses(path, columns)),
            ("size", numbers(path, "size", columns["size"], (3,), names)[:, [1, 0, 2]]),
            ("points", np.array([row.get("num_lidar_pts", -1) + row.get("num_radar_pts", 0) for row in rows])),
            ("attribute", np.array([row_of_attribute.get(_only(row.get("attribute_tokens")), -1) for row in rows])),
        ):
            parts.setdefault(name, []).append(part)
    boxes = {name: np.concatenate(arrays) for name, arrays in parts.items()} or _no_boxes()

    order = np.argsort(frame_of_sample[boxes["sample"]], kind="stable")
    frames = frame_of_sample[boxes["sample"]][order]
    return {
        "category_names": text_array(categories["name"]),
        "category_label_ids": _label_ids(paths["category"]),
        "instance_tokens": tokens_from_strings(instances["token"]),
        "first_box": np.searchsorted(frames, np.arange(len(frame_of_sample) + 1)),
        "box_tokens": boxes["token"][order],
        "box_categories": category_of_instance[boxes["instance"]][order],
        "box_instances": boxes["instance"][order],
        "box_poses": boxes["pose"][order],
        "box_sizes_m": boxes["size"][order],
        "attribute_names": text_array(list(attributes.values())),
        "box_attributes": boxes["attribute"][order],
        "box_points": boxes["points"][order],
        "box_velocities_mps": _velocities(path, boxes, times_us)[order],
    }


def _no_boxes() -> dict[str, np.ndarray]:
    nothing = np.zeros(0, dtype=np.int64)
    token, flag = tokens_from_strings([]), np.zeros(0, dtype=bool)
    tokens = {"token": token, "previous": token, "next": token, "has_previous": flag, "has_next": flag}
    numbers_of = {"sample": nothing, "instance": nothing, "points": nothing, "attribute": nothing}
    return {**tokens, **numbers_of, "pose": np.zeros((0, 7)), "size": np.zeros((0, 3))}


def _attributes(path: Path) -> dict[str, str]:
    """Names by token; nothing where there is no such table."""
    if not path.is_file():
        return {}
    columns = read_columns(path, ("token", "name"))
    return dict(zip(columns["token"], columns["name"], strict=True))


def _only(tokens: list[str] | None) -> str:
    """The token where there is one; of several attributes none can be said to be the box's."""
    return tokens[0] if tokens is not None and len(tokens) == 1 else ""


def _velocities(
    path: Path, boxes: dict[str, np.ndarray], times_us: Int64[np.ndarray, "samples"]
) -> Float64[np.ndarray, "boxes 3"]:
    """Metres per second from the annotations before and after, NaN where there are none or they are too far apart.

    The definition of nuscenes-devkit (`NuScenes.box_velocity`): the central difference where there are both
    neighbours, one-sided where there is one.
    """
    if len(boxes["token"]) == 0:
        return np.zeros((0, 3))
    order = np.argsort(boxes["token"])
    sorted_tokens = boxes["token"][order]
    rows = np.arange(len(sorted_tokens))

    def neighbours(which: str) -> Int64[np.ndarray, "boxes"]:
        has = boxes[f"has_{which}"]
        places = np.minimum(np.searchsorted(sorted_tokens, boxes[which]), len(rows) - 1)
        lost = np.flatnonzero(has & (sorted_tokens[places] != boxes[which]))
        if len(lost):
            token = boxes["token"][lost[0]].ljust(16, b"\0").hex()
            raise ValueError(f"{path}: the {which} annotation of {token} is not in the table: is the file cut short?")
        return np.where(has, order[places], rows)

    first, last = neighbours("previous"), neighbours("next")
    time_us = times_us[boxes["sample"]]
    elapsed_us = time_us[last] - time_us[first]
    both = boxes["has_previous"] & boxes["has_next"]
    known = (elapsed_us > 0) & (elapsed_us <= MAX_VELOCITY_GAP_US * np.where(both, 2, 1))
    moved_m = boxes["pose"][last, 4:] - boxes["pose"][first, 4:]
    seconds = np.where(known, elapsed_us, 1)[:, None] * 1e-6
    return np.where(known[:, None], moved_m / seconds, np.nan)


def _label_ids(path: Path) -> Int64[np.ndarray, "categories"]:
    """The number that stands for every category in label files, -1 where the table tells none."""
    return np.array([row.get("index", -1) for rows in read_rows(path) for row in rows], dtype=np.int64)


def read_label_files(
    path: Path, lidar_tokens: Shaped[np.ndarray, "samples"]
) -> tuple[Bool[np.ndarray, ""], Shaped[np.ndarray, "samples"]]:
    """Whether there are labels of points at all, and the label file of every sample, empty where it has none."""
    if not path.is_file():
        return np.array(False), text_array([""] * len(lidar_tokens))
    columns = read_columns(path, ("sample_data_token", "filename"))
    files = dict(zip(columns["sample_data_token"], columns["filename"], strict=True))
    return np.array(True), text_array([files.get(token.decode(), "") for token in lidar_tokens])
