"""Small YAML files: what is missing, not allowed or not YAML is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lima.datasets.scan_files import read_text


def read_yaml(path: Path, what: str) -> Any:
    """What the file says. Raises FileNotFoundError, PermissionError, ValueError with the line."""
    try:
        return yaml.safe_load(read_text(path, what))
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        told = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        raise ValueError(f"{path}{line} is not YAML, though {what} should be: {told}") from None
