"""Recordings made into data."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from lima.config import ImportConfig


@dataclass(frozen=True)
class Import:
    """Import recordings (ROS 1 and ROS 2 bags, MCAP) as a plain folder that every other command reads."""

    bags: Positional[tuple[Path, ...]]
    """.bag and .mcap files, folders of ROS 2 bags; each becomes a drive"""
    out: Path | None = None
    """folder to write; an interrupted import continues in it"""
    list: bool = False
    """show the topics and import nothing"""
    config: OmitArgPrefixes[ImportConfig] = field(default_factory=ImportConfig)

    def run(self) -> None:
        from lima.datasets.bags.importing import import_bags, list_bags

        if not self.bags:
            raise ValueError("no recording was named: lima import BAG … --out DIR")
        if self.list:
            print("\n".join(list_bags(self.bags)))
        elif self.out is None:
            raise ValueError("--out DIR is missing: where to write to (or --list, to see the topics)")
        else:
            import_bags(self.bags, self.out, self.config)
