"""What a command is."""

from __future__ import annotations

import re
from typing import Protocol, runtime_checkable


@runtime_checkable
class Command(Protocol):
    """A frozen dataclass that tyro turns into options: the class's docstring and those of its fields are the help."""

    def run(self) -> int | None:
        """Do it. What it returns is the exit code; None is success. A user's mistake is raised, never printed."""


def name_of(command: type[Command]) -> str:
    """What it is called on the command line: the words of its class, DetectEfficiency as detect-efficiency."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", command.__name__).lower()
