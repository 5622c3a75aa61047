"""What a step reads from disk: on a GPU in the background, ahead of its step, so that it hides behind the student."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Series
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from lima.data.between import interleaved
from lima.data.lanes import Lanes, LaneStep
from lima.data.pairs import PointPixelPairs, pairs_from_frame
from lima.scene import Frame, Sequence
from lima.train.stopwatch import Stopwatch

STEPS_AHEAD = 2

Read = tuple[tuple["Keyframe", ...], dict[str, float]]


@dataclass(frozen=True)
class Teaching:
    """What a run needs of its teacher. features: of a frame's images. missing: frames it has not looked at yet."""

    name: str
    dim: int
    features: Callable[[Frame], Float32[Tensor, "cams dim rows cols"]]
    missing: int = 0


@dataclass(frozen=True, eq=False)
class SeenFrame:
    """A frame and what the teacher sees. `pairs` and the cameras of `image_features` are in the order of the images."""

    frame: Frame
    image_features: Float32[Tensor, "cams dim rows cols"]
    pairs: PointPixelPairs


@dataclass(frozen=True, eq=False)
class Keyframe:
    """What one lane reads in one step. between: the frames since its last keyframe, for the memory alone."""

    step: LaneStep
    seen: SeenFrame
    between: tuple[SeenFrame, ...]

    @property
    def frame(self) -> Frame:
        return self.seen.frame


@dataclass(frozen=True, eq=False)
class LoadedStep:
    """One step: where every lane of every process is, what this process's lanes read, and where the lanes stand then.

    seconds: what reading it took, by part.
    """

    lane_steps: tuple[LaneStep, ...]
    keyframes: tuple[Keyframe, ...]
    lanes_after: dict[str, Any]
    seconds: dict[str, float]


class Loader:
    """Keyframes of the lanes in `own`, step by step.

    features: of a frame's images, from the cache. sweeps: so many frames between two keyframes at most are read with
    the later one. ahead: one thread reads in the order of the steps while the student
    works; its errors are raised where their step is asked for. Otherwise a step is read when it is asked for, which is
    faster on a CPU: OpenMP's threads stop spinning for work once a second thread of Python's uses them, and a student
    on two cores then gains nothing from the second (0.78 s a step instead of 0.47 s).
    """

    def __init__(
        self,
        sequences: Series[Sequence],
        lanes: Lanes,
        own: range,
        features: Callable[[Frame], Float32[Tensor, "cams dim rows cols"]],
        occlusion_test: bool,
        ahead: bool = False,
        sweeps: int = 0,
    ) -> None:
        self._sequences, self._lanes, self._own = interleaved(sequences, sweeps), lanes, own
        self._features, self._occlusion_test = features, occlusion_test
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader") if ahead else None
        self._ahead: deque[tuple[tuple[LaneStep, ...], dict[str, Any], Callable[[], Read]]] = deque()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def next(self) -> LoadedStep:
        """The next step of the lanes."""
        while len(self._ahead) <= (STEPS_AHEAD if self._thread else 0):
            lane_steps = self._lanes.next()
            load = partial(self._load, lane_steps)
            read: Callable[[], Read] = self._thread.submit(load).result if self._thread else load
            self._ahead.append((lane_steps, self._lanes.state_dict(), read))
        lane_steps, lanes_after, finish = self._ahead.popleft()
        keyframes, seconds = finish()
        return LoadedStep(lane_steps, keyframes, lanes_after, seconds)

    def _load(self, lane_steps: tuple[LaneStep, ...]) -> Read:
        watch = Stopwatch()
        return tuple(self._keyframe(lane_steps[lane], watch) for lane in self._own), watch.seconds

    def _keyframe(self, step: LaneStep, watch: Stopwatch) -> Keyframe:
        sequence = self._sequences[step.sequence]
        between = [] if step.starts_sequence else [self._seen(f, watch) for f in sequence.before(step.frame)]
        return Keyframe(step, self._seen(sequence.sequence.frame(step.frame), watch), tuple(between))

    def _seen(self, frame: Frame, watch: Stopwatch) -> SeenFrame:
        watch.lap("sweep")
        image_features = self._features(frame)
        if torch.cuda.is_available():
            image_features = image_features.pin_memory()  # the copy to the GPU then goes on beside other work
        watch.lap("features")
        pairs = pairs_from_frame(frame, self._occlusion_test)
        watch.lap("pairs")
        return SeenFrame(frame, image_features, pairs)
