"""`lima encode RUN DATA`: the features of every point of a dataset, on disk, for whatever comes next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lima.encoder import WEIGHTS_FILE, Encoder, load_encoder, write_beside
from lima.scene import Batch, Dataset, Frame

INDEX_FILE = "encoding.json"
BYTES_PER_NUMBER = 2


def encode_dataset(
    run: Path, dataset: Dataset, split: str | None, out: Path, say: Callable[[str], None] = print
) -> None:
    """Write `out`/SEQUENCE/INDEX.npy, (points, dim) in half precision, for every frame, and `out`/encoding.json.

    Points stand in the order of the dataset's files; one that the student does not see has zeros. A folder that holds
    a part of it already, from the same weights, is completed. Raises ValueError where it is from other weights or
    features do not fit half precision.
    """
    encoder = load_encoder(run)
    if torch.cuda.is_available():
        encoder.to("cuda")
    sequences = dataset.sequences(split)
    frames = sum(len(sequence) for sequence in sequences)
    weights = hashlib.sha256((run / WEIGHTS_FILE).read_bytes()).hexdigest()
    _open_folder(out, {"run": run.resolve().name, "weights_sha256": weights, "dim": encoder.dim, "dtype": "float16"})
    index: dict[str, str] = {}
    written = kept = 0
    for sequence in sequences:
        folder = out / sequence.name.replace("/", "_")
        folder.mkdir(parents=True, exist_ok=True)
        for position, token in enumerate(sequence.tokens):
            file = folder / f"{position:06d}.npy"
            index[token] = str(file.relative_to(out))
            if file.exists():
                kept += 1
                continue
            frame = sequence.frame(position)
            if written == 0:
                points = len(frame.sweep.points_lidar)
                size_gb = frames * points * encoder.dim * BYTES_PER_NUMBER / 1e9
                say(f"{frames} frames of about {points} points, {encoder.dim} numbers each: {size_gb:.2f} GB in {out}")
            _save(file, _features(encoder, frame))
            written += 1
        say(f"{sequence.name}: {len(sequence)} frames")
    _write_index(out, {**json.loads((out / INDEX_FILE).read_text()), "frames": index})
    say(f"{written} frames written, {kept} were there: {out / INDEX_FILE} lists them by token")


def _open_folder(out: Path, made_from: dict[str, Any]) -> None:
    file = out / INDEX_FILE
    if file.exists():
        found = {name: value for name, value in json.loads(file.read_text()).items() if name != "frames"}
        if found != made_from:
            raise ValueError(f"{out} holds features of other weights ({found}, now {made_from}): choose another --out")
        return
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty and holds no {INDEX_FILE}: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    _write_index(out, made_from)


def _features(encoder: Encoder, frame: Frame) -> np.ndarray:
    half = encoder.encode_batch(Batch.from_points([frame.sweep.points_lidar], [frame.sweep.intensity])).half().cpu()
    if not bool(torch.isfinite(half).all()):
        raise ValueError(f"features of frame {frame.token} ({frame.sequence}) are NaN or beyond half precision")
    return half.numpy()


def _save(file: Path, features: np.ndarray) -> None:
    def write(beside: Path) -> None:
        with open(beside, "wb") as stream:  # np.save would add an ending to a name
            np.save(stream, features)

    write_beside(file, write)


def _write_index(out: Path, index: dict[str, Any]) -> None:
    write_beside(out / INDEX_FILE, lambda beside: beside.write_text(json.dumps(index, indent=1) + "\n"))
