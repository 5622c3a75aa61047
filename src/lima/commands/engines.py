"""The engines of sparse convolution."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Engines:
    """Show the engines of sparse convolution: which are there, which are not, and why."""

    def run(self) -> None:
        from lima.sparse.engines.report import engine_lines

        print("\n".join(engine_lines()))
