"""Fine-tuning for semantic segmentation and what is done with the result."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from lima import recipes
from lima.config import FinetuneConfig

Protocol = Literal["lima", "slidr", "scalr", "superflow"]


@dataclass(frozen=True)
class Finetune:
    """Fine-tune a run's student, or a fresh one, for segmentation on a fraction of the labels, and score it."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder to leave the fine-tuned network, its scores and the list of its labels in"""
    protocol: Protocol = "lima"
    """the settings to start from; every option below replaces one of them"""
    config: OmitArgPrefixes[FinetuneConfig] = field(default_factory=FinetuneConfig)
    resume: bool = False
    """go on from the last checkpoint in the folder"""

    def run(self) -> None:
        from lima.evaluate.segmentation.finetune import finetune

        finetune(self.run_folder, self.data, self.out, self.config, self.resume, self.protocol)


def finetune_from(name: Protocol) -> type[Finetune]:
    """The command with the settings of a protocol as its defaults."""

    @dataclass(frozen=True)
    class FinetuneFromProtocol(Finetune):
        protocol: Protocol = name
        config: OmitArgPrefixes[FinetuneConfig] = field(default_factory=recipes.PROTOCOLS[name])

    FinetuneFromProtocol.__doc__ = Finetune.__doc__
    return FinetuneFromProtocol
