"""How the tiny teacher was made: a large teacher looks at pictures, a small network learns to say the same.

    python -m lima.teachers.distil_tiny --teacher FOLDER --simulated FOLDER … --photographs FOLDER … --out FILE

The teacher's features are centred and rotated onto their first principal components over all views; these the small
network predicts, by cosine and smooth L1. Only pictures whose licence allows it belong in here: the simulator's, and
photographs that are free to use. docs/teachers.md says which were used and what came of it.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float32, Int64, UInt8
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lima.teachers import load_teacher
from lima.teachers.distil_views import choose_views, look
from lima.teachers.teacher import IMAGENET_MEAN, IMAGENET_STD
from lima.teachers.tiny import PATCH_PX, TinyNetwork, TinyShape, shape_as_text

LUMINANCE = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Recipe:
    """What the embedded weights were made with, apart from the pictures.

    whitening: 0 keeps the variances of the principal components, 1 makes them equal, 0.5 is half way.
    """

    layers: tuple[int, ...] = (-2,)
    dim: int = 64
    whitening: float = 0.5
    views_per_photograph: int = 6
    epochs: int = 10
    batch_views: int = 8
    learning_rate: float = 0.003
    weight_decay: float = 0.05
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Projection:
    """The teacher's features as the small network is to give them: (feature - mean) @ basis."""

    mean: Float32[Tensor, "wide"]
    basis: Float32[Tensor, "wide dim"]

    def __call__(self, features: Float32[Tensor, "views wide rows cols"]) -> Float32[Tensor, "views dim rows cols"]:
        return torch.einsum("vwrc,wd->vdrc", features - self.mean[:, None, None], self.basis)


def principal_components(files: list[Path], dim: int, whitening: float) -> Projection:
    """The first `dim` principal components of the features in the files, scaled to a mean variance of 1."""
    count, total, products = 0, torch.zeros(()), torch.zeros(())
    for path in files:
        cells = load_file(path)["features"].flatten(1).T.double()
        count, total, products = count + len(cells), total + cells.sum(0), products + cells.T @ cells
    mean = total / count
    variances, directions = torch.linalg.eigh(products / count - mean[:, None] * mean)
    variances, directions = variances.flip(0)[:dim], directions.flip(1)[:, :dim]
    scales = variances.pow(-whitening / 2)
    scales /= (variances * scales.square()).mean().sqrt()
    return Projection(mean.float(), (directions * scales).float().contiguous())


@dataclass(frozen=True, eq=False)
class Lesson:
    """All views and what the small network is to answer, in memory."""

    pixels: UInt8[Tensor, "views 3 height width"]
    targets: Float32[Tensor, "views dim rows cols"]

    @staticmethod
    def from_files(files: list[Path], projection: Projection) -> Lesson:
        views = [load_file(path) for path in files]
        targets = [projection(view["features"].float()[None])[0] for view in views]
        return Lesson(torch.stack([view["pixels"] for view in views]), torch.stack(targets))


def augmented(
    lesson: Lesson, chosen: Int64[Tensor, "batch"], generator: torch.Generator
) -> tuple[Float32[Tensor, "batch 3 height width"], Float32[Tensor, "batch dim rows cols"]]:
    """Views cut, mirrored and recoloured, and the targets of the same places: what is seen does not depend on light.

    Images come normalised; targets at the small network's stride.
    """

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.empty(len(chosen), *shape).uniform_(low, high, generator=generator)

    images, targets = lesson.pixels[chosen].float() / 255, lesson.targets[chosen]
    height_px, width_px = images.shape[2:]

    size = torch.where(draw(0.0, 1.0) < 0.5, draw(0.6, 1.0), torch.ones(()))
    place = torch.zeros(len(chosen), 2, 3)
    place[:, 0, 0] = size * (1 - 2 * (draw(0.0, 1.0) < 0.5).float())
    place[:, 1, 1] = size
    place[:, :, 2] = draw(-1.0, 1.0, 2) * (1 - size[:, None])
    pixel_grid = F.affine_grid(place, [len(chosen), 3, height_px, width_px], align_corners=False)
    cell_grid = F.affine_grid(place, [len(chosen), 1, height_px // PATCH_PX, width_px // PATCH_PX], align_corners=False)
    images = F.grid_sample(images, pixel_grid, padding_mode="border", align_corners=False)
    targets = F.grid_sample(targets, cell_grid, padding_mode="border", align_corners=False)

    images = images.pow(draw(-0.5, 0.5, 1, 1, 1).exp()) * draw(-0.15, 0.15, 3, 1, 1).exp()
    grey = (images * torch.tensor(LUMINANCE).view(3, 1, 1)).sum(1, keepdim=True)
    images = grey + (images - grey) * draw(0.2, 1.4, 1, 1, 1)
    level = images.mean(dim=(1, 2, 3), keepdim=True)
    images = (level + (images - level) * draw(0.6, 1.4, 1, 1, 1)) * draw(0.7, 1.3, 1, 1, 1)
    blurred = F.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    images = torch.where(draw(0.0, 1.0, 1, 1, 1) < 0.3, blurred, images)
    noise = torch.randn(images.shape, generator=generator)
    images = (images + noise * draw(0.0, 0.04, 1, 1, 1)).clamp(0, 1)
    mean, std = torch.tensor(IMAGENET_MEAN).view(3, 1, 1), torch.tensor(IMAGENET_STD).view(3, 1, 1)
    return (images - mean) / std, targets


def disagreement(
    answers: Float32[Tensor, "batch dim rows cols"], targets: Float32[Tensor, "batch dim rows cols"]
) -> Tensor:
    """One minus the cosine, plus smooth L1, both averaged over the cells."""
    return (1 - F.cosine_similarity(answers, targets, dim=1)).mean() + F.smooth_l1_loss(answers, targets)


def train(lesson: Lesson, recipe: Recipe, checkpoint: Path) -> TinyNetwork:
    """A network that answers like the lesson. Continues from the checkpoint where there is one of the same recipe."""
    torch.manual_seed(recipe.seed)
    network = TinyNetwork(TinyShape(dim=recipe.dim)).train()
    steps_per_epoch = len(lesson.pixels) // recipe.batch_views
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, recipe.learning_rate, total_steps=recipe.epochs * steps_per_epoch, pct_start=0.1
    )
    first_epoch = 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["recipe"] != asdict(recipe):
            raise ValueError(f"{checkpoint} belongs to another recipe: remove it, or give another --work folder")
        network.load_state_dict(saved["network"])
        optimiser.load_state_dict(saved["optimiser"])
        schedule.load_state_dict(saved["schedule"])
        first_epoch = saved["epoch"]
    start_s = time.monotonic()
    for epoch in range(first_epoch, recipe.epochs):
        losses = []
        for images, targets in _epoch(lesson, recipe, epoch):
            loss = disagreement(network(images.contiguous(memory_format=torch.channels_last)), targets)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        mean_loss = math.fsum(losses) / len(losses)
        print(
            f"epoch {epoch + 1} of {recipe.epochs}: loss {mean_loss:.4f}, {time.monotonic() - start_s:.0f} s",
            flush=True,
        )
        partial = checkpoint.with_suffix(".partial")
        states = {
            "network": network.state_dict(),
            "optimiser": optimiser.state_dict(),
            "schedule": schedule.state_dict(),
        }
        torch.save({"recipe": asdict(recipe), "epoch": epoch + 1, **states}, partial)
        partial.replace(checkpoint)
    return network.eval()


def _epoch(lesson: Lesson, recipe: Recipe, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(recipe.seed * 100_003 + epoch)
    order = torch.randperm(len(lesson.pixels), generator=generator)
    for chosen in order.split(recipe.batch_views):
        if len(chosen) == recipe.batch_views:
            yield augmented(lesson, chosen, generator)


def save(network: TinyNetwork, projection: Projection, recipe: Recipe, teacher: str, out: Path) -> None:
    """The weights in half precision for the package, and beside them the projection, which only measurements need."""
    state = {
        name: values.half().contiguous()
        for name, values in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    metadata = {
        "shape": shape_as_text(TinyShape(dim=recipe.dim)),
        "recipe": json.dumps(asdict(recipe)),
        "teacher": teacher,
    }
    save_file(state, out, metadata=metadata)
    save_file({"mean": projection.mean, "basis": projection.basis}, out.with_suffix(".projection.safetensors"))


def distil(
    teacher: Path, simulated: list[Path], photographs: list[Path], out: Path, work: Path, recipe: Recipe
) -> None:
    """Makes the tiny teacher.

    Args:
        teacher: folder of the large network's weights.
        simulated: folders of simulated pictures.
        photographs: folders of photographs.
        out: the weights to write.
        work: where intermediate files go; a run that was stopped continues from them.
        recipe: everything else.
    """
    large = load_teacher(str(teacher), recipe.layers)
    files = look(large, choose_views(simulated, photographs, recipe.views_per_photograph, recipe.seed), work / "views")
    projection = principal_components(files, recipe.dim, recipe.whitening)
    lesson = Lesson.from_files(files, projection)
    network = train(lesson, recipe, work / "checkpoint.pt")
    save(network, projection, recipe, teacher.name, out)


if __name__ == "__main__":
    import tyro

    tyro.cli(distil)
