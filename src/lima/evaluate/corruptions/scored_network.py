"""What robustness is measured of: a fine-tuned segmenter, or the linear layer that probing left beside a run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lima.encoder import load_encoder
from lima.evaluate.probe_head import load_probe
from lima.evaluate.runs import random_student, read_run
from lima.evaluate.scores import RANDOM, read_metrics, scores_from_metrics
from lima.evaluate.segmentation.score_command import check_classes
from lima.evaluate.segmentation.segmenter import DESCRIPTION_FILE, Segmenter, load_segmenter, read_description
from lima.scene import Dataset


@dataclass(frozen=True, eq=False)
class ScoredNetwork:
    """name: of its folder, or "random". digest: of all weights. about: how it was made, for a reader of the scores."""

    name: str
    segmenter: Segmenter
    digest: str
    about: dict[str, Any]


def scored_network(run: Path, dataset: Dataset, random: bool = False) -> ScoredNetwork:
    """The network in a folder, in evaluation mode on the device there is.

    random: of a probed run, the random initialisation that was probed beside it. Raises FileNotFoundError where the
    folder was neither fine-tuned nor probed, ValueError where the classes are not the dataset's.
    """
    if (run / DESCRIPTION_FILE).is_file():
        if random:
            raise ValueError(f"{run} is fine-tuned, and holds no random initialisation: leave --random out")
        segmenter, about = load_segmenter(run), read_description(run)
        check_classes(segmenter.class_names, dataset, run)
        name = run.resolve().name
    elif (run / "probes").is_dir():
        trained = read_run(run)
        name = RANDOM if random else trained.name
        probe = load_probe(run / "probes" / f"{name}.safetensors")
        names = _probed_classes(run, name)
        if names != dataset.class_names[1:]:
            raise ValueError(
                f"{run} was probed for the classes {', '.join(names)}; {dataset.name} has "
                f"{', '.join(dataset.class_names[1:])}: probe it on a dataset of the same classes"
            )
        student = random_student(trained.config) if random else load_encoder(run).student
        segmenter = Segmenter(student, dataset.class_names)
        segmenter.head = probe
        segmenter.eval().requires_grad_(False)
        about = {"class_names": list(dataset.class_names), "head": "linear probe, first seed"}
    else:
        raise FileNotFoundError(
            f"{run} is neither fine-tuned (lima finetune) nor probed (lima probe): there is nothing to score in it"
        )
    digest = hashlib.sha256()
    for key, tensor in sorted(segmenter.state_dict().items()):
        digest.update(key.encode() + tensor.contiguous().numpy().tobytes())
    segmenter.to("cuda" if torch.cuda.is_available() else "cpu")
    return ScoredNetwork(name, segmenter, digest.hexdigest()[:16], about)


def _probed_classes(run: Path, name: str) -> tuple[str, ...]:
    """The classes that a linear layer scores, without the ignored one, as its own scores name them.

    Raises ValueError where it has none.
    """
    found = {scores.name: tuple(scores.per_class) for scores in scores_from_metrics(read_metrics(run))}
    if name not in found:
        raise ValueError(
            f"{run / 'metrics.json'} has no scores of {name}, which tell what classes it was probed for: probe the run "
            f"again (lima probe RUN DATA)"
        )
    return found[name]
