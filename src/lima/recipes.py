"""Recipes: functions that return full configurations, each naming its source and what to expect.

A variant calls one and replaces a field: `replace(lima_vit_b(), seed=1)`. Importing this loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from lima.config import MethodConfig, OptimiserConfig, PretrainConfig, SegmentationConfig, StudentConfig, TeacherConfig


def lima() -> PretrainConfig:
    """The default settings: six frames, both mixings, the teacher that comes with the package.

    Source: the paper's method (arXiv 2507.05260, section 4) at a batch that fits one GPU, with Cartesian voxels. Nobody
    has published numbers for exactly these settings.

        lima pretrain DATA --out RUN
    """
    return PretrainConfig()


def one_frame(config: PretrainConfig) -> PretrainConfig:
    """The same run without a memory and without mixing: ScaLR's method, the baseline of the paper's table 7."""
    return replace(config, method=replace(config.method, frames=1, mixing="none"))


def lima_vit_s() -> PretrainConfig:
    """The paper's LiMA with DINOv2 ViT-S on nuScenes.

    Source: paper, section 5; where it is silent, the base code of the same authors: 224 x 448 images, cylindrical
    voxels of 0.1 m, 1 degree, 0.1 m, AdamW at 0.01 with weight decay 0.01, one cycle over 100 epochs, batch 32.
    Published: linear probing 54.76 mIoU, 1 % of the labels 48.75. Not yet repeated by us.

        torchrun --nproc-per-node 8 -m lima pretrain NUSCENES --out RUN --recipe lima_vit_s
    """
    return PretrainConfig(
        teacher=TeacherConfig(name="facebook/dinov2-small", layers=(-1,), image_height_px=224, image_width_px=448),
        student=StudentConfig(
            backbone="minkunet34", width=1.0, voxels="cylindrical", voxel_size_m=0.1, voxel_azimuth_deg=1.0
        ),
        method=MethodConfig(frames=6, aggregation="mean", association="voxel", mixing="both", loss="l2", head_layers=1),
        optimiser=OptimiserConfig(epochs=100, learning_rate=0.01, weight_decay=0.01, lanes=32),
    )


def lima_vit_b() -> PretrainConfig:
    """The paper's LiMA with DINOv2 ViT-B on nuScenes; settings as in `lima_vit_s`.

    Published: linear probing 56.65 mIoU, 1 % of the labels 51.29, 17.9 hours and 29.07 GB per GPU. Not yet
    repeated by us.
    """
    return _with_teacher("facebook/dinov2-base")


def lima_vit_l() -> PretrainConfig:
    """The paper's LiMA with DINOv2 ViT-L on nuScenes; settings as in `lima_vit_s`.

    Published: linear probing 56.67 mIoU, 1 % of the labels 53.22. Not yet repeated by us.
    """
    return _with_teacher("facebook/dinov2-large")


def _with_teacher(name: str) -> PretrainConfig:
    config = lima_vit_s()
    return replace(config, teacher=replace(config.teacher, name=name))


def scalr() -> PretrainConfig:
    """ScaLR as the paper compares with it: `lima_vit_b` with one frame and no mixing.

    Published by the paper for MinkUNet-34: linear probing 51.90 mIoU, 1 % of the labels 48.90, 10.1 hours and 12.43 GB
    per GPU. Not yet repeated by us. ScaLR's own best (WaffleIron-768, ViT-L, four datasets) is another student.
    """
    return one_frame(lima_vit_b())


def demo() -> PretrainConfig:
    """What `make demo` pretrains on simulated streets: the method whole, the student small enough for a laptop.

    Two cores, no GPU, minutes. Expect the linear probe above random initialisation; what the paper measures between
    methods on 700 drives is not to be had from a handful.
    """
    return PretrainConfig(
        teacher=TeacherConfig(name="tiny", image_height_px=256, image_width_px=448),
        student=StudentConfig(backbone="minkunet14", width=0.5, voxel_size_m=0.2, max_range_m=50.0),
        method=MethodConfig(frames=6, mixing="both"),
        optimiser=OptimiserConfig(epochs=8, learning_rate=0.004, lanes=2),
        checkpoint_every_steps=100,
        log_every_steps=1,
    )


def demo_small() -> PretrainConfig:
    """`make demo SIZE=small`: the same for fewer keyframes and fewer epochs, to see everything run."""
    return replace(demo(), optimiser=replace(demo().optimiser, epochs=6))


RECIPES: dict[str, Callable[[], PretrainConfig]] = {
    recipe.__name__: recipe for recipe in (lima, scalr, lima_vit_s, lima_vit_b, lima_vit_l, demo, demo_small)
}


def finetune_lima() -> SegmentationConfig:
    """Our default: SuperFlow's settings, which the paper's authors fine-tuned with, and gradients clipped at 10.

    The headline is the last epoch. The validation split chooses nothing; its best epoch stands beside it, named so.
    """
    return SegmentationConfig()


def finetune_slidr() -> SegmentationConfig:
    """SLidR's fine-tuning, from its public configuration of nuScenes.

    SGD at 0.05 (momentum 0.9, dampening 0.1), weight decay 0.0001, cosine, batch 16, 25 epochs, cross-entropy +
    Lovász, flips and turns without scale, one rate for head and backbone. Its batch norms move by 0.02 a step, ours by
    0.1. Published for MinkUNet with 1 % of nuScenes: 38.3 (random start 30.3).
    """
    return SegmentationConfig(
        optimiser="sgd", schedule="cosine", learning_rate=0.05, head_rate_factor=1.0, weight_decay=0.0001,
        lovasz_weight=1.0, clip_norm=None, scale_range=(1.0, 1.0), epochs=25,
    )  # fmt: skip


def finetune_scalr() -> SegmentationConfig:
    """ScaLR's fine-tuning, from its public configuration of nuScenes with 1 % of the labels.

    AdamW at 0.002 without weight decay, every layer 0.95 times as fast as the next, 45 epochs, warm-up over 4 of them
    and cosine (with all labels 0.99 times, 25 epochs, warm-up over 2), batch 8, cross-entropy + Lovász, scale
    0.9 … 1.1, a batch norm before the linear head, which starts at zero. Left out: its stochastic depth (WaffleIron's)
    and its limit of 20,000 points.
    """
    return SegmentationConfig(
        head="norm_linear", schedule="warm_up_cosine", learning_rate=0.002, head_rate_factor=1.0, layer_decay=0.95,
        weight_decay=0.0, lovasz_weight=1.0, clip_norm=None, scale_range=(0.9, 1.1), epochs=45, batch=8,
    )  # fmt: skip


def finetune_superflow() -> SegmentationConfig:
    """SuperFlow's fine-tuning, the base code of the paper's authors.

    AdamW at 0.001, the head ten times as fast, weight decay 0.01, one cycle over 100 epochs, batch 16, cross-entropy +
    2 x Lovász, flips, turns, scale 0.95 … 1.05, no test-time augmentation. It publishes the best epoch on the
    validation split: compare its figures with ours named best. Published for LiMA ViT-B: 51.29 with 1 % of nuScenes.
    """
    return SegmentationConfig(clip_norm=None)


PROTOCOLS: dict[str, Callable[[], SegmentationConfig]] = {
    "lima": finetune_lima,
    "slidr": finetune_slidr,
    "scalr": finetune_scalr,
    "superflow": finetune_superflow,
}
