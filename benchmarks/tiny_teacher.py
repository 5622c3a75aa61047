"""How well the tiny teacher agrees with the large one it was distilled from, and what both know about classes.

    python benchmarks/tiny_teacher.py --teacher FOLDER --labelled DATA … --pictures FOLDER …

Cosine: between what the tiny teacher says and the projected features of the large one, over all cells of the images.
Probe: a linear classifier from the feature at a LiDAR point's pixel to the point's class, learned on the first half of
the scenes of the labelled data and scored on the second, one confusion matrix over all points. Beside both teachers: a
tiny network with random weights, and the mean colour of the patch. The projection is what `lima.teachers.distil_tiny`
left beside the weights.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from lima.data.pairs import pairs_from_frame
from lima.datasets import open_dataset
from lima.scene import Frame
from lima.teachers import load_teacher
from lima.teachers.distil_tiny import Projection
from lima.teachers.distil_views import TEACHER_SIZE_PX, TINY_SIZE_PX, View, pictures
from lima.teachers.images import resized
from lima.teachers.teacher import IMAGENET_MEAN, IMAGENET_STD, Teacher, frozen, normalised
from lima.teachers.tiny import WEIGHTS, TinyNetwork, load_tiny

PROJECTION = Path(__file__).with_suffix(".projection.safetensors")
POINTS_PER_IMAGE = 400
CLASSES = 17  # with "ignored" at 0

See = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Settings:
    """Arguments of the command."""

    teacher: Path
    projection: Path = PROJECTION
    labelled: tuple[Path, ...] = ()
    pictures: tuple[Path, ...] = ()
    weights: Path = WEIGHTS
    every_frame: int = 1
    """1: every frame of the labelled data, 2: every second …"""
    every_picture: int = 1


def everyone(settings: Settings) -> dict[str, See]:
    """Name and function from full-size pixels (3, height, width) to features (dim, rows, cols)."""
    large = load_teacher(str(settings.teacher), (-2,))
    parts = load_file(settings.projection)
    projection = Projection(parts["mean"], parts["basis"])
    tiny, shape = load_tiny(settings.weights)
    torch.manual_seed(0)
    random = TinyNetwork(shape)

    def through(network: TinyNetwork) -> See:
        network = frozen(network)  # type: ignore[assignment]

        def see(pixels: Tensor) -> Tensor:
            images = normalised(resized(pixels, *TINY_SIZE_PX)[None], IMAGENET_MEAN, IMAGENET_STD)
            with torch.no_grad():
                return network(images)[0]

        return see

    look = Look(large)
    return {
        f"large, {TEACHER_SIZE_PX[0]} x {TEACHER_SIZE_PX[1]}": lambda pixels: look(pixels, TEACHER_SIZE_PX),
        "large, projected": lambda pixels: projection(look(pixels, TEACHER_SIZE_PX)[None])[0],
        f"large, {TINY_SIZE_PX[0]} x {TINY_SIZE_PX[1]}": lambda pixels: look(pixels, TINY_SIZE_PX),
        "tiny": through(tiny),
        "tiny, random weights": through(random),
        "colour": lambda pixels: F.avg_pool2d(resized(pixels, *TINY_SIZE_PX).float() / 255, 8),
    }


class Look:
    """The large teacher's features of a picture, looked at once per size however often they are asked for."""

    def __init__(self, large: Teacher) -> None:
        self._large = large
        self._pixels: Tensor | None = None
        self._seen: dict[tuple[int, int], Tensor] = {}

    def __call__(self, pixels: Tensor, size_px: tuple[int, int]) -> Tensor:
        if pixels is not self._pixels:
            self._pixels, self._seen = pixels, {}
        if size_px not in self._seen:
            self._seen[size_px] = self._large.features(resized(pixels, *size_px)[None])[0]
        return self._seen[size_px]


def labelled_pixels(frame: Frame, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Per image its pixels, and positions (points, 2) in fractions and classes of points it shows."""
    assert frame.read_labels is not None
    labels, pairs = frame.read_labels(), pairs_from_frame(frame, occlusion_test=True)
    for cam, image in enumerate(frame.images):
        seen = torch.nonzero(pairs.visible[cam] & (labels > 0))[:, 0]
        chosen = seen[torch.randperm(len(seen), generator=generator)[:POINTS_PER_IMAGE]]
        yield image.read_pixels(), pairs.uv[cam, chosen], labels[chosen]


def sampled(features: Tensor, uv: Tensor) -> Tensor:
    """Bilinear features (points, dim) at positions in fractions."""
    return F.grid_sample(features[None], (uv * 2 - 1)[None, None], padding_mode="border", align_corners=False)[
        0, :, 0
    ].T


def probe(learn: tuple[Tensor, Tensor], score: tuple[Tensor, Tensor]) -> float:
    """mIoU in percent, over the classes that occur, of a linear classifier on standardised features."""
    (features, labels), (new_features, truth) = learn, score
    mean, std = features.mean(0), features.std(0) + 1e-6
    torch.manual_seed(0)
    layer = torch.nn.Linear(features.shape[1], CLASSES)
    optimiser = torch.optim.AdamW(layer.parameters(), lr=0.01, weight_decay=0.01)
    steps = 1500
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.01, total_steps=steps)
    inputs = (features - mean) / std
    for _ in range(steps):
        batch = torch.randint(len(labels), (2048,))
        loss = F.cross_entropy(layer(inputs[batch]), labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    predicted = layer((new_features - mean) / std)[:, 1:].argmax(1) + 1
    confusion = torch.bincount(truth * CLASSES + predicted, minlength=CLASSES**2).view(CLASSES, CLASSES).double()
    union = confusion.sum(0) + confusion.sum(1) - confusion.diag()
    return float((confusion.diag() / union)[union > 0].mean() * 100)


def cosine(answers: Tensor, targets: Tensor) -> float:
    targets = F.interpolate(targets[None], size=answers.shape[1:], mode="bilinear", align_corners=False)[0]
    return float(F.cosine_similarity(answers, targets, dim=0).mean())


def measure(settings: Settings) -> None:
    """Prints both comparisons."""
    see = everyone(settings)
    for folder in settings.pictures:
        paths = pictures([folder])[:: settings.every_picture]
        found = [View(path, (0.0, 0.0, 1.0, 1.0)).pixels() for path in paths]
        cosines = [cosine(see["tiny"](pixels), see["large, projected"](pixels)) for pixels in found]
        print(f"cosine on {len(paths)} pictures of {folder}: {sum(cosines) / len(cosines):.3f}", flush=True)
    for data in settings.labelled:
        measure_labelled(data, see, settings.every_frame)


def measure_labelled(data: Path, see: dict[str, See], every: int) -> None:
    generator = torch.Generator().manual_seed(0)
    gathered: dict[tuple[str, int], list[Tensor]] = {}
    classes: dict[int, list[Tensor]] = {0: [], 1: []}
    cosines: list[float] = []
    seconds = dict.fromkeys(see, 0.0)
    sequences = open_dataset(data).sequences("all")
    for number, sequence in enumerate(sequences):
        half = int(number >= len(sequences) / 2)
        for index in range(0, len(sequence), every):
            for pixels, uv, labels in labelled_pixels(sequence.frame(index), generator):
                maps = {}
                for name, function in see.items():
                    start_s = time.process_time()
                    maps[name] = function(pixels)
                    seconds[name] += time.process_time() - start_s
                    gathered.setdefault((name, half), []).append(sampled(maps[name], uv))
                classes[half].append(labels)
                cosines.append(cosine(maps["tiny"], maps["large, projected"]))
        print(f"  {sequence.name} looked at", flush=True)
    print(f"cosine on {len(cosines)} images of {data}: {sum(cosines) / len(cosines):.3f}")
    for name in see:
        learn, score = ((torch.cat(gathered[name, part]), torch.cat(classes[part])) for part in (0, 1))
        milliseconds = seconds[name] / len(cosines) * 1000
        print(
            f"probe, {name}: dim {learn[0].shape[1]}, mIoU {probe(learn, score):.1f} %, {milliseconds:.0f} ms",
            flush=True,
        )


if __name__ == "__main__":
    import tyro

    measure(tyro.cli(Settings))
