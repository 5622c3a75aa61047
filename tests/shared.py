"""Where tests find recordings and weights that are not part of the project; without them they skip."""

import os
from pathlib import Path

import pytest


def shared_folder(relative: str) -> Path:
    """The folder of that name beside the project (or below $LIMA_SHARED); skips the test where it is absent."""
    root = Path(os.environ.get("LIMA_SHARED", Path(__file__).parents[2] / "shared"))
    folder = root / relative
    if not folder.exists():
        pytest.skip(f"needs {relative}, which is not part of the project: set LIMA_SHARED to the folder that holds it")
    return folder
