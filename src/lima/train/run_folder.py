"""The folder of a run: what was asked for, with which versions, and where everything else goes."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import lima
from lima.config import DetectConfig, FinetuneConfig, PretrainConfig
from lima.train.processes import ALONE, Processes

PACKAGES = ("torch", "numpy", "safetensors", "pillow", "transformers")
LABELS = "labels.json"  # what fine-tuning learns from
FREE_TO_CHANGE = {"checkpoint_every_steps", "log_every_steps", "tensorboard", "skip_bad"}
"""these do not touch the weights; which keyframes are left out is compared beside them"""


COMMANDS: dict[type, str] = {PretrainConfig: "pretrain", FinetuneConfig: "finetune", DetectConfig: "detect"}


@dataclass(frozen=True)
class RunFolder:
    """RUN: `config.json`, `log.jsonl`, `checkpoints/`; at the end `student.safetensors` and `student.json`."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"


def open_run_folder(
    path: Path,
    data: Path,
    config: PretrainConfig | FinetuneConfig | DetectConfig,
    tokens: list[str],
    resume: bool,
    start: Mapping[str, str] | None = None,
    processes: Processes = ALONE,
) -> RunFolder:
    """Make the folder of a new run with its `config.json`, or find that of a run to go on with.

    tokens: the keyframes that the run learns from; two runs on other keyframes are not the same run. start: what
    fine-tuning or a detector begins with (`start_changes`). processes: the first one does it, the others wait for it.

    Raises FileExistsError where there is something already and `resume` was not said, and ValueError where what is
    there was made with other settings or other data.
    """
    folder = RunFolder(path)
    if processes.first:
        _make(folder, data, config, tokens, resume, start or {})
    processes.wait_for_all()
    return folder


def _make(
    folder: RunFolder,
    data: Path,
    config: PretrainConfig | FinetuneConfig | DetectConfig,
    tokens: list[str],
    resume: bool,
    start: Mapping[str, str],
) -> None:
    path = folder.path
    wanted = {
        "command": COMMANDS[type(config)],
        "data": str(data.resolve()),
        "config": dataclasses.asdict(config),
        "keyframes": tokens,
        "versions": package_versions(),
        **start,
    }
    wanted = json.loads(json.dumps(wanted))  # tuples become lists, as they will when read
    if not resume and not _is_free(folder):
        raise FileExistsError(f"{path} is not empty: go on with the run in it (--resume), or choose another folder")
    if resume and folder.config.exists():
        found = json.loads(folder.config.read_text())
        if changes := _changes(found, wanted):
            raise ValueError(f"{path} holds a run with other settings, --resume cannot change them: {changes}")
    path.mkdir(parents=True, exist_ok=True)
    write_atomically(folder.config, json.dumps(wanted, indent=1) + "\n")


def _is_free(folder: RunFolder) -> bool:
    """Nothing is lost there: absent, empty, or left by a run that came to no step."""
    if not folder.path.exists():
        return True
    logged = folder.log.exists() and folder.log.stat().st_size > 0
    return not logged and {path.name for path in folder.path.iterdir()} <= {folder.config.name, folder.log.name, LABELS}


def _changes(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    changes = settings_changes(found["config"], wanted["config"]) + start_changes(found, wanted)
    if found["keyframes"] != wanted["keyframes"]:
        changes.append(f"{len(found['keyframes'])} keyframes of {found['data']}, now other ones of {wanted['data']}")
    return "; ".join(changes)


def settings_changes(found: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """How the settings of a run differ from those wanted, in words; without those that touch no result."""
    before, after = _flat(found), _flat(wanted)
    return [
        f"{name} was {before.get(name)}, now {after.get(name)}"
        for name in sorted(before.keys() | after.keys())
        if name.split(".")[-1] not in FREE_TO_CHANGE and before.get(name) != after.get(name)
    ]


def start_changes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """How the start of a run differs from the one wanted, in words: another folder (`started_from`), or another content
    of the same (`start_sha256`)."""
    before, after = found.get("started_from"), wanted.get("started_from")
    if before != after:
        return [f"it started from {before}, now from {after}"]
    digest, digest_now = found.get("start_sha256"), wanted.get("start_sha256")
    if digest != digest_now:
        return [f"{after} holds another student than it started from: start_sha256 was {digest}, now {digest_now}"]
    return []


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return flat


def read_config(run: Path) -> PretrainConfig:
    """The settings that a run was made with."""
    file = run / "config.json"
    if not file.exists():
        raise FileNotFoundError(f"{file} is missing: {run} is not the folder of a pretraining run")
    record = json.loads(file.read_text())
    if (command := record.get("command", "pretrain")) != "pretrain":
        raise ValueError(f"{run} is the folder of lima {command}, not of a pretraining run")
    return _dataclass_from_json(PretrainConfig, record["config"])


def _dataclass_from_json(kind: Any, values: dict[str, Any]) -> Any:
    hints = get_type_hints(kind)
    if unknown := values.keys() - hints.keys():
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}: was this run made by another version?")
    built = {}
    for name, value in values.items():
        if dataclasses.is_dataclass(hints[name]):
            value = _dataclass_from_json(hints[name], value)
        elif get_origin(hints[name]) is tuple and get_args(hints[name]):
            value = tuple(value)
        built[name] = value
    return kind(**built)


def package_versions() -> dict[str, str]:
    """What the numbers of a run were made with: versions of packages and, inside a checkout, the commit."""
    versions = {"lima": lima.__version__, "python": platform.python_version()}
    versions |= {package: importlib.metadata.version(package) for package in PACKAGES}
    command = ["git", "-C", str(Path(lima.__file__).parent), "describe", "--always", "--dirty", "--abbrev=40"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):  # an installed package without its repository
        versions["commit"] = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return versions


def write_atomically(file: Path, text: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, never half of it."""
    beside = file.with_name(file.name + ".partial")
    with open(beside, "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(file)
