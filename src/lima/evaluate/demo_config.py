"""All sizes of the demo, in one place. Readable without loading torch."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lima.config import MethodConfig, OptimiserConfig, PretrainConfig, ProbeConfig, StudentConfig, TeacherConfig
from streetsim.config import SimulateConfig

RANDOM, ONE_FRAME, LIMA = "random", "one_frame", "lima"
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
        return replace(self.pretrain, method=replace(self.pretrain.method, frames=1, mixing="none"))


FULL = DemoConfig(
    simulate=SimulateConfig(scenes=12, keyframes=16, samples_per_pixel=2, exact=False),
    pretrain=PretrainConfig(
        teacher=TeacherConfig(name="tiny", image_height_px=256, image_width_px=448),
        student=StudentConfig(backbone="minkunet14", width=0.5, voxel_size_m=0.2, max_range_m=50.0),
        method=MethodConfig(frames=6, mixing="both"),
        optimiser=OptimiserConfig(epochs=4, learning_rate=0.004, lanes=2),
        checkpoint_every_steps=100,
        log_every_steps=1,
    ),
    probe=ProbeConfig(points_per_sweep=2048),
    expected=ExpectedSeconds(simulate=220.0, features=30.0, one_frame=120.0, lima=250.0, probe=30.0, report=30.0),
)
SMALL = replace(
    FULL,
    simulate=replace(FULL.simulate, scenes=4, keyframes=10),
    pretrain=replace(FULL.pretrain, optimiser=replace(FULL.pretrain.optimiser, epochs=3)),
    expected=ExpectedSeconds(simulate=65.0, features=8.0, one_frame=20.0, lima=40.0, probe=8.0, report=25.0),
)
SIZES: dict[str, DemoConfig] = {"full": FULL, "small": SMALL}
