"""A teacher's cold pass: seconds per picture of every way to run it, and how far its features are from the plain ones.

    python benchmarks/teacher.py --pictures FOLDER [--teacher tiny facebook/dinov2-small …] [--layers -1] [--threads 1]

Ways: PyTorch as it is (all pictures at once), picture by picture, in inference mode, in bfloat16 (autocast), compiled;
onnxruntime in single precision and with 8-bit matrix products (`--runtime onnx`, `onnx-int8`). Processor seconds as
medians, so that other programs disturb little; the first call of each way is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lima.teachers import load_teacher
from lima.teachers.images import resized
from lima.teachers.teacher import Teacher

See = Callable[[Tensor], Tensor]


def pictures_in(folder: Path, count: int, height_px: int, width_px: int) -> Tensor:
    """Some of the pictures below a folder, evenly chosen."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise SystemExit(f"{folder} holds no .jpg or .png")
    chosen = [files[place * len(files) // count] for place in range(min(count, len(files)))]
    pixels = [torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1) for path in chosen]
    return torch.stack([resized(each.contiguous(), height_px, width_px) for each in pixels])


def one_by_one(teacher: Teacher) -> See:
    return lambda pixels: torch.cat([teacher.features(picture) for picture in pixels.split(1)])


def in_inference_mode(teacher: Teacher) -> See:
    def see(pixels: Tensor) -> Tensor:
        with torch.inference_mode():
            return teacher.features(pixels)

    return see


def in_bfloat16(teacher: Teacher) -> See:
    def see(pixels: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return teacher.features(pixels).float()

    return see


def compiled(name: str, layers: tuple[int, ...]) -> See:
    teacher = load_teacher(name, layers)
    teacher.network = torch.compile(teacher.network)  # type: ignore[misc]
    return teacher.features


def seconds(see: See, pixels: Tensor, repeats: int) -> float:
    """Of the processor, per picture."""
    see(pixels)
    times_s = []
    for _ in range(repeats):
        start = time.process_time()
        see(pixels)
        times_s.append((time.process_time() - start) / len(pixels))
    return statistics.median(times_s)


def measure(name: str, options: argparse.Namespace) -> None:
    layers = tuple(options.layers)
    teacher = load_teacher(name, layers)
    pixels = pictures_in(options.pictures, options.count, options.height, options.width)
    plain = teacher.features(pixels)
    ways: dict[str, Callable[[], See]] = {
        "torch": lambda: teacher.features,
        "torch, picture by picture": lambda: one_by_one(teacher),
        "torch, inference mode": lambda: in_inference_mode(teacher),
        "torch, bfloat16": lambda: in_bfloat16(teacher),
        "torch.compile": lambda: compiled(name, layers),
        "onnx": lambda: load_teacher(name, layers, runtime="onnx").features,
        "onnx-int8": lambda: load_teacher(name, layers, runtime="onnx-int8").features,
    }
    print(f"{name}, layers {layers}: {len(pixels)} pictures of {options.height} x {options.width}")
    for way, make in ways.items():
        if way in options.without:
            continue
        try:
            see = make()
            spent_s, found = seconds(see, pixels, options.repeats), see(pixels)
        except (ValueError, ImportError) as problem:
            print(f"  {way:28} {problem}")
            continue
        cosine = torch.cosine_similarity(found, plain, dim=1)
        print(
            f"  {way:28} {1000 * spent_s:8.1f} ms   largest difference {float((found - plain).abs().max()):8.2g} "
            f"of {float(plain.abs().max()):.3g}   cosine {float(cosine.mean()):.5f}, least {float(cosine.min()):.4f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="folder of pictures of streets")
    parser.add_argument("--teacher", nargs="+", default=["tiny"])
    parser.add_argument("--layers", nargs="+", type=int, default=[-1])
    parser.add_argument("--height", type=int, default=224)
    parser.add_argument("--width", type=int, default=448)
    parser.add_argument("--count", type=int, default=6, help="pictures")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--without", nargs="+", default=[], help="ways to leave out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.teacher:
        measure(name, options)


if __name__ == "__main__":
    main()
