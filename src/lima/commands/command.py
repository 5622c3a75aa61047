"""What a command is."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Command(Protocol):
    """A frozen dataclass that tyro turns into options: the class's docstring and those of its fields are the help."""

    def run(self) -> int | None:
        """Do it. What it returns is the exit code; None is success. A user's mistake is raised, never printed."""
