"""Commands of `lima`, one noun a file; they load nothing heavy until run, so that `lima --help` answers at once.

To add one: write it in the file of its noun as a frozen dataclass (its docstring and those of its fields are the help)
whose `run` imports what it needs and calls one function; then name it in COMMANDS, where it stands in the help. It is
called by its class's name, in lower case and with hyphens. Settings that are written beside a run belong to
`lima.config`. A command that starts from a recipe or a protocol has a line in `starting_points.py`, too.
"""

from lima.commands.command import Command
from lima.commands.detection import Detect, DetectEfficiency
from lima.commands.doctor import Doctor
from lima.commands.engines import Engines
from lima.commands.export import Encode, Export
from lima.commands.importing import Import
from lima.commands.odometry import Odometry
from lima.commands.pretraining import Features, Pretrain
from lima.commands.probing import Probe, Targets
from lima.commands.report import Demo, Report
from lima.commands.robustness import Corruptions, Robustness
from lima.commands.segmentation import Efficiency, Finetune, Generalisation, Predict, Score
from lima.commands.simulation import Simulate

COMMANDS: tuple[type[Command], ...] = (
    Simulate, Import, Odometry, Doctor, Features, Pretrain, Probe, Finetune, Score, Predict, Efficiency,
    Generalisation, Detect, DetectEfficiency, Robustness, Corruptions, Targets, Report, Demo, Encode, Export, Engines,
)  # fmt: skip
