"""`lima probe RUN DATA`: a run beside random initialisation of the same student, written to RUN/metrics.json."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from lima.config import ProbeConfig
from lima.datasets.readable import opened
from lima.encoder import load_encoder
from lima.evaluate.fractions import tokens_of
from lima.evaluate.probe import labelled_split, probe
from lima.evaluate.probe_features import student_features
from lima.evaluate.probe_head import save_probe
from lima.evaluate.runs import random_student, read_run
from lima.evaluate.scores import RANDOM, plus_minus, read_metrics
from lima.train.run_folder import package_versions, write_atomically


def probe_run(run_folder: Path, data: Path, config: ProbeConfig, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Probe both students on `data`; returns what RUN/metrics.json then holds.

    Beside the scores stand the keyframes that were learned from and scored on, token by token. The linear layers of
    the first seed go to RUN/probes, from where the report draws predictions.
    """
    run = read_run(run_folder)
    with opened(data, config.at_gap, config.skip_bad) as dataset:
        split = labelled_split(dataset, config)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        say(f"{split.how}; {len(config.seeds)} seed{'s' * (len(config.seeds) > 1)}")
        students = {RANDOM: random_student(run.config), run.name: load_encoder(run_folder).student}
        scores, layers = {}, {}
        for name, student in students.items():
            result = probe(student_features(student, device), split, dataset.class_names, config, device=device)
            scores[name], layers[name] = result.as_dict(), result.probes[0]
            say(f"{name:>16}  {plus_minus(result.miou, result.miou_std, 2)} % mIoU")
    metrics = {
        "command": "probe",
        "config": {**asdict(config), "data": str(data.resolve())},
        "labels": split.labels,
        "results": {**read_metrics(run_folder).get("results", {}), "linear_probe": scores},
        "splits": {side: tokens_of(sequences) for side, sequences in (("train", split.train), ("val", split.val))},
        "versions": package_versions(),
    }
    (run_folder / "probes").mkdir(exist_ok=True)
    for name, layer in layers.items():  # only now: the scores beside them name their classes
        save_probe(run_folder / "probes" / f"{name}.safetensors", layer)
    write_atomically(run_folder / "metrics.json", json.dumps(metrics, indent=1, allow_nan=False) + "\n")
    return metrics
