"""What the occlusion test takes away, against the simulator's exact answer.

    lima simulate DATA --scenes 8 --keyframes 4
    python benchmarks/occlusion.py DATA

A pair of a camera and a point inside its image is wrong where the camera does not really see the point. Printed per
drive: how many pairs are wrong without the test and with it, how many of the wrong ones it removes, and how many of the
right ones it costs.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lima.data.pairs import pairs_from_frame
from lima.datasets import open_dataset
from lima.scene import Frame


@dataclass
class Count:
    """Pairs of one or more drives."""

    wrong: int = 0
    wrong_removed: int = 0
    right: int = 0
    right_removed: int = 0

    def add(self, plain: Tensor, tested: Tensor, seen: Tensor) -> None:
        removed = plain & ~tested
        self.wrong += int((plain & ~seen).sum())
        self.right += int((plain & seen).sum())
        self.wrong_removed += int((removed & ~seen).sum())
        self.right_removed += int((removed & seen).sum())

    def __str__(self) -> str:
        left_wrong, left_right = self.wrong - self.wrong_removed, self.right - self.right_removed
        return (
            f"{self.wrong + self.right:8} pairs, wrong {self.wrong / (self.wrong + self.right):6.2%} -> "
            f"{left_wrong / (left_wrong + left_right):6.2%}; removes {self.wrong_removed / max(self.wrong, 1):5.1%} of "
            f"the wrong ({self.wrong_removed}), costs {self.right_removed / max(self.right, 1):5.2%} of the right "
            f"({self.right_removed})"
        )


def truth(root: Path, frame: Frame) -> Tensor:
    """Which camera really sees which point, cameras in the order of the frame's images."""
    with np.load(root / "exact" / frame.sequence / f"{frame.index:03d}.npz") as exact:
        rows = {str(name): row for row, name in enumerate(exact["cameras"])}
        return torch.from_numpy(exact["seen"][[rows[image.name] for image in frame.images]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder that `lima simulate` wrote")
    arguments = parser.parse_args()
    total, seconds, frames = Count(), 0.0, 0
    for sequence in open_dataset(arguments.data).sequences():
        count = Count()
        for index in range(len(sequence)):
            frame = sequence.frame(index)
            seen = truth(arguments.data, frame)
            started = time.process_time()
            plain = pairs_from_frame(frame)
            halfway = time.process_time()
            tested = pairs_from_frame(frame, occlusion_test=True)
            seconds += (time.process_time() - halfway) - (halfway - started)
            frames += 1
            for into in (count, total):
                into.add(plain.visible, tested.visible, seen)
        print(f"{sequence.name:14} {count}")
    print(f"{'all':14} {total}")
    print(f"{1e3 * seconds / frames:.0f} ms of CPU per frame more than without the test")


if __name__ == "__main__":
    main()
