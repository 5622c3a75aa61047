"""`lima encode RUN DATA`: the features of every point of a dataset, on disk, for whatever comes next."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lima.encoder import WEIGHTS_FILE, Encoder, encoder_folder, load_encoder, write_beside
from lima.scene import Batch, Dataset, Frame

INDEX_FILE = "encoding.json"
BYTES_PER_NUMBER = 2


def encode_dataset(
    run: Path, data: Path, dataset: Dataset, split: str | None, out: Path, say: Callable[[str], None] = print
) -> None:
    """Write `out`/TOKEN.npy, (points, dim) in half precision, for every frame, and list them in `out`/encoding.json.

    data: the folder of the dataset. Points stand in the order of the dataset's files; one that the student does not see
    has zeros. A folder that holds other frames of the same data already, from the same weights, is completed. Raises
    ValueError where it is from other data or weights, or where features do not fit half precision.
    """
    run = encoder_folder(run)
    encoder = load_encoder(run)
    if torch.cuda.is_available():
        encoder.to("cuda")
    sequences = dataset.sequences(split)
    frames = sum(len(sequence) for sequence in sequences)
    made_from = {
        "run": run.resolve().name,
        "weights_sha256": hashlib.sha256((run / WEIGHTS_FILE).read_bytes()).hexdigest(),
        "data": str(data.resolve()),
        "dim": encoder.dim,
        "dtype": "float16",
    }
    index = _open_folder(out, made_from)
    written = kept = 0
    try:
        for sequence in sequences:
            for position, token in enumerate(sequence.tokens):
                file = out / f"{token}.npy"
                if file.exists():
                    kept += 1
                else:
                    frame = sequence.frame(position)
                    if written == 0:
                        points = len(frame.sweep.points_lidar)
                        size_gb = frames * points * encoder.dim * BYTES_PER_NUMBER / 1e9
                        about = f"{frames} frames of about {points} points, {encoder.dim} numbers each"
                        say(f"{about}: {size_gb:.2f} GB in {out}")
                    _save(file, _features(encoder, frame))
                    written += 1
                index[token] = file.relative_to(out).as_posix()
            say(f"{sequence.name}: {len(sequence)} frames")
    finally:
        _write_index(out, made_from, index)
    say(f"{written} frames written, {kept} were there: {out / INDEX_FILE} lists them by token")


def _open_folder(out: Path, made_from: dict[str, Any]) -> dict[str, str]:
    """The frames that the folder lists already."""
    file = out / INDEX_FILE
    if file.exists():
        found = json.loads(file.read_text())
        pairs = [(name, found.get(name), value) for name, value in made_from.items()]
        changes = [f"{name} {before}, now {now}" for name, before, now in pairs if before != now]
        if changes:
            raise ValueError(f"{out} holds features of something else ({'; '.join(changes)}): choose another --out")
        frames: dict[str, str] = found["frames"]
        return frames
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(f"{out} is not empty and holds no {INDEX_FILE}: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    _write_index(out, made_from, {})
    return {}


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


def _write_index(out: Path, made_from: dict[str, Any], frames: dict[str, str]) -> None:
    text = json.dumps({**made_from, "frames": frames}, indent=1) + "\n"
    write_beside(out / INDEX_FILE, lambda beside: beside.write_text(text))
