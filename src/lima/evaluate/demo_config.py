"""All sizes of the demo, in one place. Readable without loading torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lima import recipes
from lima.config import PretrainConfig, ProbeConfig
from lima.evaluate.scores import RANDOM
from streetsim.config import SimulateConfig

ONE_FRAME, LIMA = "one_frame", "lima"
STUDENTS = (RANDOM, ONE_FRAME, LIMA)


@dataclass(frozen=True)
class ExpectedSeconds:
    """What every stage took on two cores of a server's processor; said beforehand, so that nobody waits in vain."""

    simulate: float
    features: float
    one_frame: float
    lima: float
    probe: float
    report: float


@dataclass(frozen=True)
class DemoConfig:
    """All sizes of the demo. pretrain: LiMA's settings, from which the one-frame method's follow."""

    simulate: SimulateConfig
    pretrain: PretrainConfig
    probe: ProbeConfig
    expected: ExpectedSeconds

    def pretraining(self, student: str) -> PretrainConfig:
        """The settings of a run. One frame is the same code with a memory of one and without mixing."""
        if student == LIMA:
            return self.pretrain
        return recipes.one_frame(self.pretrain)


FULL = DemoConfig(
    simulate=SimulateConfig(scenes=12, keyframes=16, samples_per_pixel=2, exact=False),
    pretrain=recipes.demo(),
    probe=ProbeConfig(points_per_sweep=2048),
    expected=ExpectedSeconds(simulate=145.0, features=22.0, one_frame=165.0, lima=315.0, probe=30.0, report=8.0),
)
SMALL = replace(
    FULL,
    simulate=replace(FULL.simulate, scenes=4, keyframes=10),
    pretrain=recipes.demo_small(),
    expected=ExpectedSeconds(simulate=45.0, features=8.0, one_frame=25.0, lima=42.0, probe=9.0, report=9.0),
)
SIZES: dict[str, DemoConfig] = {"full": FULL, "small": SMALL}
