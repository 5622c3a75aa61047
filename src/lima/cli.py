"""The command line. It alone exits: a user's mistake becomes one line and exit code 2, never a traceback.

Every command is a frozen dataclass that tyro turns into options; what is heavy (torch, the simulator) is imported when
a command runs, so that `lima --help` answers at once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

from lima import recipes
from lima.commands.detection import Detect
from lima.commands.export import Encode, Export
from lima.commands.robustness import Corruptions, Robustness
from lima.commands.segmentation import (
    Efficiency,
    Finetune,
    Generalisation,
    Predict,
    Score,
    efficiency_from,
    finetune_from,
    generalisation_from,
)
from lima.config import (
    Aggregation,
    Association,
    AtGap,
    DoctorConfig,
    ImportConfig,
    MethodConfig,
    OdometryConfig,
    PretrainConfig,
    ProbeConfig,
    TeacherConfig,
    default_cache_folder,
)
from lima.train.interruption import Interrupted
from streetsim.config import SimulateConfig

DATA_WRONG, USER_MISTAKE = 1, 2
Recipe = Literal["lima", "scalr", "lima_vit_s", "lima_vit_b", "lima_vit_l", "demo", "demo_small"]


@dataclass(frozen=True)
class Simulate:
    """Drive through procedural streets and write what the sensors saw as nuScenes or SemanticKITTI data."""

    out: Positional[Path]
    """folder to write; an interrupted run continues in it"""
    config: OmitArgPrefixes[SimulateConfig] = field(default_factory=SimulateConfig)

    def run(self) -> None:
        from streetsim.simulate import simulate

        simulate(self.out, self.config)


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


@dataclass(frozen=True)
class Odometry:
    """Compute the poses of drives that have none from their sweeps, and say how good they look."""

    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[OdometryConfig] = field(default_factory=OdometryConfig)
    at_gap: AtGap = "raise"
    """a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"""

    def run(self) -> None:
        from lima.odometry.odometry import compute_odometry

        compute_odometry(self.data, self.config, self.at_gap)


@dataclass(frozen=True)
class Doctor:
    """Tell whether a dataset can be trusted: clocks, points, poses, how LiDAR and images fit. Exit code 1 if not."""

    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[DoctorConfig] = field(default_factory=DoctorConfig)

    def run(self) -> None:
        from lima.doctor.doctor import run_doctor

        if run_doctor(self.data, self.config).wrong:
            sys.exit(DATA_WRONG)


@dataclass(frozen=True)
class Features:
    """Compute the teacher's features of every keyframe once, into a cache that pretraining reads."""

    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[TeacherConfig] = field(default_factory=TeacherConfig)
    split: str | None = None
    """train, val, …; every sequence when left out"""
    at_gap: AtGap = "raise"
    """a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"""
    skip_bad: bool = False
    """leave out frames that cannot be read, count and list them, instead of stopping at the first (reads all twice)"""
    sweeps: int = 0
    """of the sweeps between two keyframes, too: at most so many, as in pretraining"""
    cache: Path | None = None
    """folder of the cache; beside the dataset when left out"""

    def run(self) -> None:
        from lima.data.between import with_between
        from lima.datasets.readable import opened
        from lima.teachers import load_teacher
        from lima.teachers.cache import FeatureCache

        teacher = load_teacher(self.config.name, self.config.layers, runtime=self.config.runtime)
        folder = self.cache or default_cache_folder(self.data)
        cache = FeatureCache(folder, teacher, self.config.image_height_px, self.config.image_width_px)
        with opened(self.data, self.at_gap, self.skip_bad) as dataset:
            cache.fill(with_between(dataset.sequences(self.split), self.sweeps))


@dataclass(frozen=True)
class Pretrain:
    """Distil a frozen image network into a LiDAR network along the drives of a dataset (LiMA)."""

    data: Positional[Path]
    """folder of the dataset"""
    out: Path
    """folder of the run"""
    recipe: Recipe = "lima"
    """the settings to start from; every option below replaces one of them"""
    config: OmitArgPrefixes[PretrainConfig] = field(default_factory=PretrainConfig)
    cache: Path | None = None
    """folder of the teacher's features; beside the dataset when left out"""
    resume: bool = False
    """go on from the last checkpoint in the folder of the run"""

    def run(self) -> None:
        from lima.train.pretrain import pretrain

        pretrain(self.data, self.out, self.config, self.cache, self.resume)


@dataclass(frozen=True)
class Probe:
    """Linear probing: how much of the classes a linear layer reads from the frozen features of a run."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Positional[Path]
    """folder of the dataset"""
    config: OmitArgPrefixes[ProbeConfig] = field(default_factory=ProbeConfig)

    def run(self) -> None:
        from lima.evaluate.probe_run import probe_run

        probe_run(self.run_folder, self.data, self.config)


@dataclass(frozen=True)
class Targets:
    """Linear probing of the targets themselves, without a student: where a gain or a loss comes from, in seconds."""

    data: Positional[Path]
    """folder of the dataset"""
    frames: tuple[int, ...] = (1, 2, 4, 6, 8)
    """memories to try: the current keyframe and k - 1 frames before it"""
    sweeps: int = 0
    """at most so many of the sweeps between two keyframes (nuScenes has 9) enter the memory, each one of the k"""
    aggregation: tuple[Aggregation, ...] = ("mean",)
    association: tuple[Association, ...] = ("voxel",)
    association_size_m: float = 0.25
    occlusion_test: bool = False
    teacher: OmitArgPrefixes[TeacherConfig] = field(default_factory=TeacherConfig)
    probe: OmitArgPrefixes[ProbeConfig] = field(default_factory=ProbeConfig)
    cache: Path | None = None
    """folder of the teacher's features; beside the dataset when left out"""

    def run(self) -> None:
        from lima.evaluate.targets import probe_targets

        methods = [
            MethodConfig(
                frames=frames,
                sweeps=self.sweeps,
                aggregation=aggregation,
                association=association,
                association_size_m=self.association_size_m,
                occlusion_test=self.occlusion_test,
            )
            for aggregation in self.aggregation
            for association in self.association
            for frames in self.frames
        ]
        probe_targets(self.data, self.teacher, methods, self.probe, self.cache)


@dataclass(frozen=True)
class Report:
    """Write RUN/report.html: tables, curves and pictures of a run on one page that needs no network."""

    run_folder: Positional[Path]
    """folder of a pretraining run"""
    data: Path | None = None
    """dataset to draw; the one the run was trained on when left out"""
    compare: tuple[Path, ...] = ()
    """other runs to put beside it"""
    cache: Path | None = None
    """folder of the teacher's features; beside the dataset when left out"""

    def run(self) -> None:
        from lima.evaluate.report import write_report

        print(write_report(self.run_folder, self.data, self.compare, self.cache))


@dataclass(frozen=True)
class Demo:
    """Simulate, pretrain with one frame and with LiMA, probe both beside random initialisation, write a page."""

    size: Literal["full", "small"] = "full"
    out: Path = Path("runs/demo")

    def run(self) -> None:
        from lima.evaluate.demo import run_demo

        run_demo(self.out, self.size)


@dataclass(frozen=True)
class Engines:
    """Show the engines of sparse convolution: which are there, which are not, and why."""

    def run(self) -> None:
        from lima.sparse.engines.report import engine_lines

        print("\n".join(engine_lines()))


Command = (
    Simulate
    | Import
    | Odometry
    | Doctor
    | Features
    | Pretrain
    | Probe
    | Finetune
    | Score
    | Predict
    | Detect
    | Efficiency
    | Generalisation
    | Robustness
    | Corruptions
    | Targets
    | Report
    | Demo
    | Encode
    | Export
    | Engines
)


def parse(arguments: list[str]) -> Command:
    """The command that the arguments ask for. A recipe or a protocol sets the defaults of the other options."""
    pretrain = _pretrain_from(_named(arguments, "--recipe", recipes.RECIPES, "lima"))
    protocol = _named(arguments, "--protocol", recipes.PROTOCOLS, "lima")
    commands = Annotated[
        Annotated[Simulate, subcommand("simulate")]
        | Annotated[Import, subcommand("import")]
        | Annotated[Odometry, subcommand("odometry")]
        | Annotated[Doctor, subcommand("doctor")]
        | Annotated[Features, subcommand("features")]
        | Annotated[Pretrain, subcommand("pretrain", constructor=pretrain)]
        | Annotated[Probe, subcommand("probe")]
        | Annotated[Finetune, subcommand("finetune", constructor=finetune_from(protocol))]
        | Annotated[Score, subcommand("score")]
        | Annotated[Predict, subcommand("predict")]
        | Annotated[Detect, subcommand("detect")]
        | Annotated[Efficiency, subcommand("efficiency", constructor=efficiency_from(protocol))]
        | Annotated[Generalisation, subcommand("generalisation", constructor=generalisation_from(protocol))]
        | Annotated[Robustness, subcommand("robustness")]
        | Annotated[Corruptions, subcommand("corruptions")]
        | Annotated[Targets, subcommand("targets")]
        | Annotated[Report, subcommand("report")]
        | Annotated[Demo, subcommand("demo")]
        | Annotated[Encode, subcommand("encode")]
        | Annotated[Export, subcommand("export")]
        | Annotated[Engines, subcommand("engines")],
        arg(name=""),
    ]
    return tyro.cli(commands, prog="lima", args=arguments, config=(FlagCreatePairsOff, OmitSubcommandPrefixes))


def _pretrain_from(name: Recipe) -> type[Pretrain]:
    """The command with the settings of a recipe as its defaults."""

    @dataclass(frozen=True)
    class PretrainFromRecipe(Pretrain):
        recipe: Recipe = name
        config: OmitArgPrefixes[PretrainConfig] = field(default_factory=recipes.RECIPES[name])

    PretrainFromRecipe.__doc__ = Pretrain.__doc__
    return PretrainFromRecipe


def _named(arguments: list[str], option: str, known: Mapping[str, object], default: str) -> Any:
    """What an option names is read before everything else, because it decides what the other options start from."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(option, dest="name", default=default)
    with contextlib.suppress(argparse.ArgumentError):
        name = parser.parse_known_args(arguments)[0].name
        if name in known:
            return name
    return default  # the full parser then says what is wrong


def main() -> None:
    """Entry point of the console script `lima`."""
    command = parse(sys.argv[1:])
    try:
        command.run()
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("LIMA_TRACEBACK"):
            raise
        print(f"lima: {error}", file=sys.stderr)
        sys.exit(USER_MISTAKE)
    except Interrupted as interruption:
        print(f"lima: {interruption}", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except KeyboardInterrupt:
        print("lima: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
