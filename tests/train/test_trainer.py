"""Oracle: bounds by counting, gradients recomputed by hand, and the process's own size as the system reports it."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lima.config import PretrainConfig
from lima.scene import Frame
from lima.train.announcement import announce_data, announce_run, memory_bound_bytes
from lima.train.loader import Loader, Teaching
from lima.train.pretrain import pretrain_on
from lima.train.processes import Processes, start_processes
from lima.train.run_folder import open_run_folder
from lima.train.stopwatch import Stopwatch
from lima.train.trainer import Trainer
from tests.train.drives import DIM, Drive, image_features, small_config

ALONE = Processes(0, 1, torch.device("cpu"))


def make_trainer(drives: list[Drive], config: PretrainConfig) -> tuple[Trainer, Loader]:
    trainer = Trainer([len(drive) for drive in drives], DIM, config, ALONE)
    return trainer, Loader(drives, trainer.lanes, trainer.own, image_features, occlusion_test=False)


@pytest.mark.parametrize("frames", [2, 6])
def test_memory_stays_below_its_bound_on_a_long_drive(frames: int) -> None:
    config = small_config(lanes=1)
    config = replace(config, method=replace(config.method, frames=frames, mixing="none", association_size_m=0.25))
    trainer, loader = make_trainer([Drive("long", 300, points=2000)], config)
    held = []
    with loader:
        for _ in range(300):
            keyframe = loader.next().keyframes[0]
            trainer.method.targets(
                0,
                keyframe.frame.sweep,
                keyframe.seen.image_features,
                keyframe.seen.pairs,
                keyframe.step.starts_sequence,
            )
            held.append(trainer.method.memories[0].nbytes)
    assert max(held) <= memory_bound_bytes(frames, 2000, DIM)
    assert max(held[150:]) <= 1.1 * max(held[:150])


def train_and_measure(out: Path) -> None:
    torch.set_num_threads(1)
    pages: list[str] = []

    def measuring_features(frame: Frame) -> torch.Tensor:
        if frame.index in (100, 299):
            pages.append(Path("/proc/self/statm").read_text().split()[1])
        return image_features(frame)

    config = small_config(lanes=1, epochs=1)
    config = replace(config, method=replace(config.method, mixing="none"), log_every_steps=50)
    drive = Drive("long", 300, points=100)
    with start_processes("cpu") as processes:
        folder = open_run_folder(out / "run", Path("drives"), config, list(drive.tokens), resume=False)
        pretrain_on([drive], Teaching("plane", DIM, measuring_features), folder, config, processes)
    (out / "pages").write_text(" ".join(pages))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc to see the size of a process")
def test_a_run_over_a_long_drive_does_not_grow(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=train_and_measure, args=(tmp_path,))
    process.start()
    process.join(timeout=300)
    assert process.exitcode == 0
    early, late = map(int, (tmp_path / "pages").read_text().split())
    assert (late - early) * 4096 < 20e6


def test_a_large_gradient_is_clipped_and_its_norm_reported() -> None:
    config = small_config(lanes=1)
    config = replace(config, method=replace(config.method, mixing="none"))
    reports = []
    for clip_norm in (1e9, 0.01):
        trainer, loader = make_trainer(
            [Drive("a", 3)], replace(config, optimiser=replace(config.optimiser, clip_norm=clip_norm))
        )
        with loader:
            reports.append(trainer.train(loader.next(), Stopwatch()))
        norm = torch.stack([p.grad.norm() for p in trainer.method.parameters() if p.grad is not None]).norm()
        assert float(norm) == pytest.approx(min(reports[-1].gradient_norm, clip_norm), rel=1e-3)
    assert reports[0].gradient_norm == reports[1].gradient_norm > 0.01


def test_lanes_do_not_hear_of_each_other_without_mixing() -> None:
    """What a lane's target is does not change with the frames of the other lane."""
    config = small_config(lanes=2)
    for other in ("b", "c"):
        trainer, loader = make_trainer([Drive("a", 4), Drive(other, 4)], config)
        with loader:
            for _ in range(3):
                keyframes = loader.next().keyframes
                for lane, keyframe in enumerate(keyframes):
                    target = trainer.method.targets(
                        lane, keyframe.frame.sweep, keyframe.seen.image_features, keyframe.seen.pairs,
                        keyframe.step.starts_sequence,
                    )  # fmt: skip
                    if keyframe.frame.sequence == "a":
                        last = target.features
        if other == "b":
            first = last
    assert torch.equal(first, last)


def test_the_announcement_counts_by_hand() -> None:
    config = small_config(lanes=4, epochs=3)
    drives = [Drive("a", 5), Drive("b", 3), Drive("c", 4)]
    trainer, loader = make_trainer(drives, config)
    with loader:
        text = "\n".join(
            announce_data(drives, trainer) + announce_run(drives, Teaching("plane", DIM, image_features, 7), trainer)
        )
    assert "3 drives with 12 keyframes in split train; 4 lanes in 1 process(es) on cpu" in text
    assert "cut into 4 stretches of at most 4 keyframes" in text
    assert "3 epochs x 12 keyframes / 4 lanes = 9 steps" in text
    assert "teacher plane: 7 frames are not in the cache yet" in text
    assert "memory of 3 frames: at most" in text


def test_an_odd_number_of_lanes_cannot_be_mixed() -> None:
    with pytest.raises(ValueError, match=r"3 lanes cannot be shared out .* pairs of lanes"):
        make_trainer([Drive("a", 5)], small_config(lanes=3))
