"""Class-balanced sampling (CBGS, Zhu et al., arXiv 1908.09492): rare classes are seen as often as common ones."""

from __future__ import annotations

from collections.abc import Sequence as Series

import torch


def balanced_epoch(frames_of_class: Series[Series[int]], generator: torch.Generator) -> list[int]:
    """The frames of one epoch in random order: as many drawn for every class from those that hold it, with repetition.

    frames_of_class: for every class the frames that hold it; classes without frames are left out. An epoch is as long
    as all these lists together, so a frame counts once for each of its classes: about 4.4 times all frames of nuScenes.
    """
    lists = [frames for frames in frames_of_class if len(frames)]
    if not lists:
        return []
    each = balanced_length(frames_of_class) // len(lists)
    drawn: list[int] = []
    for frames in lists:
        chosen = torch.randint(len(frames), (each,), generator=generator).tolist()
        drawn += [frames[place] for place in chosen]
    return [drawn[place] for place in torch.randperm(len(drawn), generator=generator).tolist()]


def balanced_length(frames_of_class: Series[Series[int]]) -> int:
    """How many frames such an epoch has."""
    present = sum(1 for frames in frames_of_class if len(frames))
    total = sum(len(frames) for frames in frames_of_class)
    return total // present * present if present else 0
