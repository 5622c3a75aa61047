"""What a run is made of: frozen settings without behaviour, readable without loading torch.

Everything here is written to `RUN/config.json` and rebuilt from it, and the command line is made from it: a field's
docstring is its help. The classes that these settings configure take plain arguments.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

Backbone = Literal["minkunet14", "minkunet18", "minkunet34", "spunet18", "spunet34", "voxelnet"]
Aggregation = Literal["mean", "max", "attention"]
Association = Literal["voxel", "nearest"]
Runtime = Literal["torch", "onnx", "onnx-int8"]
Mixing = Literal["none", "laser", "polar", "both"]
AtGap = Literal["raise", "split"]
Loss = Literal["l2", "normalised_l2", "cosine", "contrastive"]
SegmentationHead = Literal["linear", "norm_linear", "mlp"]
RateSchedule = Literal["one_cycle", "cosine", "warm_up_cosine"]


@dataclass(frozen=True)
class TeacherConfig:
    """The frozen image network. The image size is what the network sees; both sides must be multiples of its patch."""

    name: Annotated[str, arg(name="teacher")] = "tiny"
    """`tiny` (inside the package), a hub name such as facebook/dinov2-small, or a local folder"""
    layers: tuple[int, ...] = (-1,)
    """blocks whose tokens are taken, counted as in Python (-1 last, -2 penultimate), concatenated"""
    image_height_px: int = 224
    image_width_px: int = 448
    runtime: Runtime = "torch"
    """onnx: onnxruntime, faster on a CPU, equal but for rounding; onnx-int8: faster still, slightly other features"""


@dataclass(frozen=True)
class StudentConfig:
    """The LiDAR network."""

    backbone: Annotated[Backbone, arg(name="student")] = "minkunet34"
    width: float = 1.0
    """factor on the number of channels of every layer"""
    voxels: Literal["cartesian", "cylindrical"] = "cartesian"
    voxel_size_m: float = 0.1
    """edge of a Cartesian voxel; step in range and in height of a cylindrical one"""
    voxel_azimuth_deg: float = 1.0
    """step in azimuth of a cylindrical voxel"""
    max_range_m: float = 60.0
    """points farther from the sensor's axis (of a voxelnet: along x or y) get the feature of nothing: they are left out
    of the voxels"""
    voxel_height_m: float = 0.2
    """of a voxelnet, whose voxels are Cartesian; the others' are as high as they are wide"""
    lowest_m: float = -5.0
    """of a voxelnet: points below get the feature of nothing"""
    highest_m: float = 3.0
    """of a voxelnet: points above get the feature of nothing"""


@dataclass(frozen=True)
class MethodConfig:
    """Section 4 of the paper. `frames=1, mixing="none"` is the one-frame method (ScaLR)."""

    frames: int = 6
    """k: the current keyframe and k - 1 frames before it"""
    sweeps: int = 0
    """at most so many of the sweeps between two keyframes (nuScenes has 9) enter the memory, each one of the k"""
    aggregation: Aggregation = "mean"
    occlusion_test: bool = False
    """leave out cameras from which the sweep itself says that a nearer surface hides the point"""
    association: Association = "voxel"
    association_size_m: float = 0.25
    mixing: Mixing = "both"
    augmentation: bool = True
    """flip, turn and scale the student's points; off to overfit single frames"""
    loss: Loss = "cosine"
    """the paper's is l2; cosine is ahead of it on our drives, for one frame and for more (docs/experiments.md)"""
    head_layers: int = 1
    """1: linear projection to the teacher's width; 2 or 3: an MLP; dropped after pretraining"""


@dataclass(frozen=True)
class OptimiserConfig:
    """AdamW with a one-cycle schedule."""

    epochs: int = 50
    learning_rate: float = 0.001
    weight_decay: float = 0.01
    clip_norm: float = 10.0
    lanes: int = 4
    """sequences followed side by side: the batch size, over all processes"""


@dataclass(frozen=True)
class PretrainConfig:
    """One pretraining run."""

    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    student: StudentConfig = field(default_factory=StudentConfig)
    method: MethodConfig = field(default_factory=MethodConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    split: str = "train"
    at_gap: AtGap = "raise"
    """a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"""
    skip_bad: bool = False
    """leave out frames that cannot be read, count and list them, instead of stopping at the first (reads all twice)"""
    seed: int = 0
    checkpoint_every_steps: int = 200
    log_every_steps: int = 10
    tensorboard: bool = False
    """write the log for TensorBoard too, to RUN/tensorboard"""


@dataclass(frozen=True)
class ProbeConfig:
    """Linear probing: a batch norm and a linear layer on frozen point features (ScaLR's protocol)."""

    labels: str = "all"
    """all, scene-1inN (every N-th scene: nuScenes's rule) or scan-1inN (every N-th scan: SemanticKITTI's)"""
    epochs: int = 20
    learning_rate: float = 0.001
    weight_decay: float = 0.003
    batch_points: int = 1024
    points_per_sweep: int = 4096
    """points of every training sweep that are learned from, drawn at random; all points of all sweeps are scored"""
    seeds: tuple[int, ...] = (0, 1, 2)
    train_split: str = "train"
    val_split: str = "val"
    at_gap: AtGap = "raise"
    """a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"""
    skip_bad: bool = False
    """leave out frames that cannot be read, count and list them, instead of stopping at the first (reads all twice)"""
    temporal_gap_frames: int = 4
    """a dataset of one drive is split into its two halves, with these keyframes between them left out"""


@dataclass(frozen=True)
class SegmentationConfig:
    """A protocol of fine-tuning for semantic segmentation: how the whole student learns, and how it is scored."""

    head: SegmentationHead = "linear"
    epochs: int = 100
    steps: int | None = None
    """so many steps in place of so many epochs"""
    batch: int = 16
    """sweeps of a step; fewer where fewer are labelled"""
    optimiser: Literal["adamw", "sgd"] = "adamw"
    schedule: RateSchedule = "one_cycle"
    learning_rate: float = 0.001
    head_rate_factor: float = 10.0
    """the head learns so many times as fast as the backbone"""
    layer_decay: float = 1.0
    """a layer of the backbone learns so many times as fast as the next"""
    weight_decay: float = 0.01
    lovasz_weight: float = 2.0
    """of the Lovász loss beside the cross-entropy"""
    clip_norm: float | None = 10.0
    """gradients are clipped at this norm; None: never"""
    augmentation: bool = True
    """flip, turn and scale the sweeps that are learned from"""
    scale_range: tuple[float, float] = (0.95, 1.05)
    scorings: int = 10
    """how often the validation split is scored, evenly over the run, its end included"""
    views: int = 1
    """test-time augmentation: probabilities averaged over so many turned and flipped copies; 1: none"""
    train_split: str = "train"
    val_split: str = "val"
    at_gap: AtGap = "raise"
    """a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"""
    temporal_gap_frames: int = 4
    """a dataset of one drive is split into its two halves, with these keyframes between them left out"""
    checkpoint_every_steps: int = 200
    log_every_steps: int = 10


@dataclass(frozen=True)
class FinetuneConfig:
    """One fine-tuning: which labels, from which weights, by which protocol."""

    labels: str = "all"
    """all, scene-1inN (every N-th scene: nuScenes's rule) or scan-1inN (every N-th scan: SemanticKITTI's)"""
    start: Literal["pretrained", "random"] = "pretrained"
    """the weights of the run, or fresh ones of the same student"""
    seed: int = 0
    learning: SegmentationConfig = field(default_factory=SegmentationConfig)


@dataclass(frozen=True)
class DetectorConfig:
    """What stands on a VoxelNet, and which of its boxes count."""

    head: Literal["centerpoint", "second"] = "centerpoint"
    """centres on a map (CenterPoint), or anchors (SECOND)"""
    bev_width: float = 1.0
    """factor on the channels of the network on the map from above"""
    bev_layers: int = 5
    """convolutions in each of its two blocks, beside the first"""
    head_upsampling: Literal[1, 2, 4] = 1
    """the head's cells are so much finer than the backbone's last voxels, which are eight voxels wide"""
    head_channels: int = 64
    box_weight: float | None = None
    """of the boxes' loss beside that of centres or scores; when left out the head's own: 0.25 or 2"""
    min_score: float = 0.05
    """boxes with less are left out"""
    nms_iou: float = 0.2
    """of two boxes of a class that overlap by more, seen from above, the better stays"""


@dataclass(frozen=True)
class DetectConfig:
    """One detector: which labels, from which weights, and how it learns (OpenPCDet's settings for nuScenes)."""

    labels: str = "all"
    """all, or scene-1inN (every N-th scene: nuScenes's rule)"""
    start: Literal["pretrained", "random"] = "pretrained"
    """the weights of the run, or fresh ones of the same student"""
    seed: int = 0
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    sweeps: int = 10
    """the keyframe's and those before it, moved to where the vehicle is now"""
    max_age_s: float = 0.55
    """none older: where a dataset has keyframes alone, two a second, one past keyframe is taken"""
    epochs: int = 20
    steps: int | None = None
    """so many steps in place of so many epochs"""
    batch: int = 4
    """keyframes of a step"""
    learning_rate: float = 0.003
    weight_decay: float = 0.01
    clip_norm: float = 35.0
    class_balanced: bool = True
    """draw as many keyframes for every class, rare ones more than once; an epoch becomes longer (CBGS)"""
    ground_truth_sampling: bool = True
    """add things of other labelled keyframes"""
    augmentation: bool = True
    """flip, turn and scale"""
    pictures: int = 4
    """keyframes of the validation split to draw"""
    train_split: str = "train"
    val_split: str = "val"
    at_gap: AtGap = "raise"
    """a drive in which keyframes are missing: an error, or (split) one sequence of each side of the gap"""
    temporal_gap_frames: int = 4
    """a dataset of one drive is split into its two halves, with these keyframes between them left out"""
    checkpoint_every_steps: int = 200
    log_every_steps: int = 10


@dataclass(frozen=True)
class ImportConfig:
    """What of a recording is imported. What is left out is found out from its topics."""

    points: str | None = None
    """topic of the sweeps (PointCloud2)"""
    images: tuple[str, ...] = ()
    """topics of the cameras (Image, CompressedImage), each TOPIC or NAME=TOPIC"""
    cameras: bool = True
    """import the cameras at all"""
    camera_info: tuple[str, ...] = ()
    """topics of CameraInfo, each NAME=TOPIC, for cameras whose own is not beside their pictures"""
    odometry: str | None = None
    """topic of the poses (Odometry); tf when left out"""
    ego_frame: str | None = None
    """the vehicle's frame; the top of what is fixed to the LiDAR when left out"""
    world_frame: str | None = None
    """the frame poses are given in; the next one above the vehicle's when left out"""
    calibration: Path | None = None
    """a calibration.yaml that holds in place of CameraInfo and tf_static"""
    clock: Literal["header", "received"] = "header"
    """whose time counts: the sensor's, or that of the recording"""
    compensated: bool = False
    """points have times, but the vehicle's motion is already taken out of them"""
    intensity_max: float | None = None
    """the intensity that means 1; found out from the sweeps when left out"""
    keyframes_per_s: float | None = None
    """so many sweeps a second become frames; all are imported, and become frames when left out"""
    skip_bad: bool = False
    """leave damaged messages out, count and list them, instead of stopping at the first"""


@dataclass(frozen=True)
class OdometryConfig:
    """Poses from the sweeps alone (KISS-ICP)."""

    split: str | None = None
    """train, val, …; every drive when left out"""
    drives: tuple[str, ...] = ()
    """names of drives; all of the split when left out"""
    replace: bool = False
    """write poses where there are some already, too; the old ones are kept as poses.txt.before"""
    max_range_m: float = 100.0
    """farther points are not matched"""
    min_range_m: float = 3.0
    """nearer points are the vehicle itself"""
    voxel_size_m: float | None = None
    """of the map that sweeps are matched to; a hundredth of max_range_m when left out"""
    json: Path | None = None
    """file to write everything that was found to"""


@dataclass(frozen=True)
class DoctorConfig:
    """What of a dataset is looked at, what counts as wrong, and where the answers go."""

    split: str | None = None
    """train, val, …; every drive when left out"""
    drives: int = 4
    """so many drives, evenly spread over the dataset; 0 for all"""
    frames: int = 48
    """about so many frames of every drive, in stretches of neighbours; 0 for all"""
    tolerance_deg: float = 0.7
    """an offset between LiDAR and images that turns or shifts points by more is wrong; smaller ones are said"""
    tolerance_m: float = 0.05
    """a LiDAR or camera that seems mounted farther from where it is said to be is wrong"""
    reference: Path | None = None
    """what --json wrote about drives of the same vehicle that are known to be good: offsets count from theirs"""
    json: Path | None = None
    """file to write everything that was found to"""
    html: Path | None = None
    """file to write a page with pictures to"""


def default_cache_folder(data: Path) -> Path:
    """Where the teacher's features of a dataset are kept when nothing else is said: beside the dataset."""
    return data.with_name(data.name + ".features")
