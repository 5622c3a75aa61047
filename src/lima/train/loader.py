"""What a step reads from disk, read one step ahead in the background so that loading hides behind the student."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from collections.abc import Sequence as Series
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from lima.data.lanes import Lanes, LaneStep
from lima.data.pairs import PointPixelPairs, pairs_from_frame
from lima.scene import Frame, Sequence
from lima.train.stopwatch import Stopwatch

STEPS_AHEAD = 2


@dataclass(frozen=True)
class Teaching:
    """What a run needs of its teacher. features: of a frame's images. missing: frames it has not looked at yet."""

    name: str
    dim: int
    features: Callable[[Frame], Float32[Tensor, "cams dim rows cols"]]
    missing: int = 0


@dataclass(frozen=True, eq=False)
class Keyframe:
    """What one lane reads in one step. `pairs` and the cameras of `image_features` are in the order of the images."""

    step: LaneStep
    frame: Frame
    image_features: Float32[Tensor, "cams dim rows cols"]
    pairs: PointPixelPairs


@dataclass(frozen=True, eq=False)
class LoadedStep:
    """One step: where every lane of every process is, what this process's lanes read, and where the lanes stand then.

    seconds: what reading it took in the background, by part.
    """

    lane_steps: tuple[LaneStep, ...]
    keyframes: tuple[Keyframe, ...]
    lanes_after: dict[str, Any]
    seconds: dict[str, float]


class Loader:
    """Keyframes of the lanes in `own`, step by step. One thread reads in the order of the steps, nothing is random.

    features: of a frame's images, from the cache. Errors of the thread are raised where their step is asked for.
    """

    def __init__(
        self,
        sequences: Series[Sequence],
        lanes: Lanes,
        own: range,
        features: Callable[[Frame], Float32[Tensor, "cams dim rows cols"]],
        occlusion_test: bool,
    ) -> None:
        self._sequences, self._lanes, self._own = sequences, lanes, own
        self._features, self._occlusion_test = features, occlusion_test
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="loader")
        self._ahead: deque[
            tuple[tuple[LaneStep, ...], dict[str, Any], Future[tuple[tuple[Keyframe, ...], dict[str, float]]]]
        ] = deque()

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._thread.shutdown(cancel_futures=True)

    def next(self) -> LoadedStep:
        """The next step of the lanes."""
        while len(self._ahead) <= STEPS_AHEAD:
            lane_steps = self._lanes.next()
            future = self._thread.submit(self._load, lane_steps)
            self._ahead.append((lane_steps, self._lanes.state_dict(), future))
        lane_steps, lanes_after, future = self._ahead.popleft()
        keyframes, seconds = future.result()
        return LoadedStep(lane_steps, keyframes, lanes_after, seconds)

    def _load(self, lane_steps: tuple[LaneStep, ...]) -> tuple[tuple[Keyframe, ...], dict[str, float]]:
        watch = Stopwatch()
        return tuple(self._keyframe(lane_steps[lane], watch) for lane in self._own), watch.seconds

    def _keyframe(self, step: LaneStep, watch: Stopwatch) -> Keyframe:
        frame = self._sequences[step.sequence].frame(step.frame)
        watch.lap("sweep")
        image_features = self._features(frame)
        if torch.cuda.is_available():
            image_features = image_features.pin_memory()  # the copy to the GPU then goes on beside other work
        watch.lap("features")
        pairs = pairs_from_frame(frame, self._occlusion_test)
        watch.lap("pairs")
        return Keyframe(step, frame, image_features, pairs)
