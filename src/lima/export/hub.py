"""A folder for a model hub: weights, description, and a card that says where they come from."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lima.encoder import DESCRIPTION_FILE, WEIGHTS_FILE
from lima.evaluate.scores import plus_minus, read_metrics, scores_from_metrics

CARD_FILE = "README.md"
CARD = """\
---
license: {licence}
library_name: lima-lidar
tags:
- lidar
- point-cloud
- self-supervised
- autonomous-driving
---

# {name}

A LiDAR network of {dim} features per point, pretrained without labels by LiMA (arXiv 2507.05260): distilled from the
frozen image network `{teacher}` along drives, in the implementation `lima-lidar` {version}.

    pip install lima-lidar

    from lima import load_encoder
    features = load_encoder("FOLDER").encode(points)  # (points, 4): x, y, z in metres, intensity 0 … 1

## Data
{data}

The licence of these weights, {licence}, was stated by whoever exported them; that of the data may bind as well.

## Recipe
```json
{recipe}
```

## Figures
{figures}

## Made with
{versions}
"""


def write_hub_folder(run: Path, out: Path, licence: str) -> None:
    """Weights, description and README.md of a pretraining run into the new folder `out`: all of it or nothing.

    Raises as `model_card`.
    """
    card = model_card(run, out.name, licence)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f"{out.name}.part-", dir=out.parent) as beside:
        folder = Path(beside) / out.name
        folder.mkdir()
        for name in (WEIGHTS_FILE, DESCRIPTION_FILE):
            shutil.copyfile(run / name, folder / name)
        (folder / CARD_FILE).write_text(card)
        os.replace(folder, out)


def model_card(run: Path, name: str, licence: str) -> str:
    """What a stranger has to know: data, licence, recipe, figures.

    Raises FileNotFoundError where RUN has no config, and ValueError where it is of another command than pretraining.
    """
    config_file = run / "config.json"
    if not config_file.is_file():
        raise FileNotFoundError(
            f"{config_file} is missing: the card tells from it what the weights were learned from, so the hub takes "
            f"the folder of a pretraining run (lima pretrain)"
        )
    record = json.loads(config_file.read_text())
    if "teacher" not in record["config"]:
        start = f"; the one it started from is {record['started_from']}" if "started_from" in record else ""
        raise ValueError(
            f"{run} is a folder of lima {record['command']}, the hub takes that of a pretraining run (lima pretrain), "
            f"whose teacher and data the card tells{start}"
        )
    description = json.loads((run / DESCRIPTION_FILE).read_text())
    config = record["config"]
    return CARD.format(
        licence=licence,
        name=name,
        dim=description["dim"],
        teacher=config["teacher"]["name"],
        version=description["lima_version"],
        data=_data(record),
        recipe=json.dumps(config, indent=1),
        figures=_figures(run),
        versions=", ".join(f"{package} {version}" for package, version in record["versions"].items()),
    )


def _data(record: dict[str, Any]) -> str:
    frames = record.get("keyframes", [])
    return f"`{Path(record['data']).name}`, split {record['config']['split']}, {len(frames)} keyframes."


def _figures(run: Path) -> str:
    scores = scores_from_metrics(read_metrics(run))
    if not scores:
        return "None were measured."
    rows = [f"| {one.title} | {plus_minus(one.miou, one.miou_std, 2)} |" for one in scores]
    return "\n".join(["| linear probe | mIoU, % |", "|---|---|", *rows, "", scores[-1].split])
