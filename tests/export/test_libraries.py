"""Oracles: spconv's forward, where it is installed (the rebuilt networks of mmdetection3d, Pointcept and OpenPCDet on
its layers); keys and shapes written down from those libraries' networks with their own channels, a width of 1;
arithmetic by hand for the layout."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from lima.config import StudentConfig
from lima.export.layers import spconv_weight
from lima.export.libraries import Export, Library, export_to, raw_input_scale
from lima.export.verification import TOLERANCE, largest_difference, match_keys
from lima.students.student import inputs_of
from tests.export.students import MINKUNET, SPUNET, VOXELNET, unsettled

PAIRS: list[tuple[Library, StudentConfig]] = [
    ("mmdet3d", MINKUNET),
    ("mmdet3d", replace(MINKUNET, backbone="minkunet34")),
    ("pointcept", SPUNET),
    ("pointcept", replace(SPUNET, backbone="spunet34")),
    ("openpcdet", VOXELNET),
]
KEYS = {
    "mmdet3d": {
        "backbone.conv_input.0.0.weight": (32, 3, 3, 3, 4),
        "backbone.encoder.1.1.conv1.weight": (64, 3, 3, 3, 32),
        "backbone.encoder.1.1.downsample.0.weight": (64, 1, 1, 1, 32),
        "backbone.decoder.3.0.0.weight": (96, 2, 2, 2, 96),
        "backbone.decoder.3.1.0.bn2.running_var": (96,),
    },
    "pointcept": {
        "module.backbone.conv_input.0.weight": (32, 5, 5, 5, 4),
        "module.backbone.down.1.0.weight": (64, 2, 2, 2, 32),
        "module.backbone.enc.3.block1.bn1.weight": (256,),
        "module.backbone.up.0.0.weight": (96, 2, 2, 2, 96),
        "module.backbone.dec.3.block0.proj.0.weight": (256, 1, 1, 1, 384),
    },
    "openpcdet": {
        "backbone_3d.conv_input.0.weight": (16, 3, 3, 3, 5),
        "backbone_3d.conv1.0.conv1.bias": (16,),
        "backbone_3d.conv4.0.0.weight": (128, 3, 3, 3, 64),
        "backbone_3d.conv_out.0.weight": (128, 3, 1, 1, 128),
        "backbone_3d.conv_out.1.num_batches_tracked": (),
    },
}
NARROW_SETTINGS = {
    "mmdet3d": "base_channels=8, encoder_channels=[8, 16, 32, 64], encoder_blocks=[2, 2, 2, 2], "
    "decoder_channels=[64, 32, 24, 24], decoder_blocks=[2, 2, 2, 2]",
    "pointcept": "base_channels=8, channels=(8, 16, 32, 64, 64, 32, 24, 24), layers=(2, 2, 2, 2, 2, 2, 2, 2)",
}


def scale_of(config: StudentConfig, intensity_max: float) -> torch.Tensor:
    return raw_input_scale(torch.tensor(list(inputs_of(config).values())), intensity_max)


@pytest.mark.parametrize(("library", "config"), PAIRS, ids=lambda value: getattr(value, "backbone", value))
def test_every_key_finds_its_place(library: Library, config: StudentConfig) -> None:
    config = replace(config, width=1.0)
    export = export_to(library, unsettled(config), config)
    match = match_keys(export)
    assert (match.share, match.missing, match.unknown, match.misshapen) == (1.0, (), (), ())
    checkpoint = export.checkpoint()
    weights = checkpoint["model_state" if library == "openpcdet" else "state_dict"]
    assert {key: tuple(weights[key].shape) for key in KEYS[library]} == KEYS[library]
    assert len(weights) == match.keys


@pytest.mark.parametrize(("library", "config"), [("mmdet3d", MINKUNET), ("pointcept", SPUNET)])
def test_another_width_is_in_the_configuration(library: Library, config: StudentConfig) -> None:
    export = export_to(library, unsettled(config), config)
    assert match_keys(export).share == 1.0
    assert NARROW_SETTINGS[library] in export.settings


def test_pointcept_s_last_layer_is_left_to_its_model() -> None:
    """SpUNet-v1m1 takes no default for num_classes, and with 0 classes gives the features, of which a head must know
    the number."""
    export = export_to("pointcept", unsettled(SPUNET), SPUNET)
    assert "num_classes=0," in export.settings
    assert export.settings.endswith("backbone_out_channels=24")
    assert not [key for key in export.weights if key.startswith("final")]


def test_openpcdet_takes_one_width_alone() -> None:
    """Its channels are written into its code."""
    half = replace(VOXELNET, width=0.5)
    words = (
        r"openpcdet's VoxelResBackBone8x has 16, 32, 64, 128 channels and no setting for others, this student of width "
        r"0\.5 has 8, 16, 32, 64: pretrain with --width 1 for it, or export to hub or onnx"
    )
    with pytest.raises(ValueError, match=words):
        export_to("openpcdet", unsettled(half), half)


@pytest.mark.parametrize(("library", "config"), PAIRS, ids=lambda value: getattr(value, "backbone", value))
def test_spconv_computes_the_same(library: Library, config: StudentConfig) -> None:
    pytest.importorskip("spconv.pytorch", reason="spconv is not installed: pip install spconv")
    student = unsettled(config)
    export = export_to(library, student, config, intensity_max=255.0)
    assert largest_difference(export, student.backbone, scale_of(config, 255.0)) < TOLERANCE
    # another scale of the inputs, and one weight in another place: both are noticed
    assert largest_difference(export, student.backbone, scale_of(config, 1.0)) > 100 * TOLERANCE
    key = next(key for key in export.weights if key.endswith("conv2.weight"))
    export.weights[key] = export.weights[key].flip(1)
    assert largest_difference(export, student.backbone, scale_of(config, 255.0)) > 100 * TOLERANCE


def test_what_does_not_match_is_counted() -> None:
    export = export_to("mmdet3d", unsettled(MINKUNET), MINKUNET)
    weights = dict(export.weights)
    del weights["conv_input.0.1.bias"]
    weights["head.weight"] = torch.zeros(3)
    weights["conv_input.1.1.bias"] = torch.zeros(3)
    changed = Export(**{**vars(export), "weights": weights})
    match = match_keys(changed)
    assert match.missing == ("conv_input.0.1.bias",)
    assert match.unknown == ("head.weight",)
    assert match.misshapen == ("conv_input.1.1.bias: (3,) instead of (8,)",)
    assert match.share == pytest.approx(1 - 3 / (match.keys + 1))


def test_the_layout_by_hand() -> None:
    """Offset (0, 1, 2) is number 0 * 9 + 1 * 3 + 2 = 5 of ours."""
    weight = torch.randn(27, 4, 6)
    assert torch.equal(spconv_weight(weight, (3, 3, 3), "xyz")[:, 0, 1, 2], weight[5].T)
    assert torch.equal(spconv_weight(weight, (3, 3, 3), "zyx")[:, 2, 1, 0], weight[5].T)
    flat = torch.randn(3, 4, 6)  # along z alone
    assert torch.equal(spconv_weight(flat, (1, 1, 3), "zyx")[:, 2, 0, 0], flat[2].T)
    single = torch.randn(1, 4, 6)
    assert torch.equal(spconv_weight(single, (1, 1, 1), "xyz").view(4, 6), single[0])


@pytest.mark.parametrize(
    ("library", "config", "words"),
    [
        (
            "openpcdet",
            MINKUNET,
            "openpcdet has no network of the shape of minkunet18: pretrain with --student vox",
        ),
        ("pointcept", VOXELNET, "pointcept has no network of the shape of voxelnet: .* or export to openpcdet, hub or"),
        ("mmdet3d", SPUNET, "or export to pointcept, hub or onnx"),
    ],
)
def test_other_networks_are_refused(library: Library, config: StudentConfig, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        export_to(library, unsettled(config), config)


def test_the_largest_intensity_is_positive() -> None:
    with pytest.raises(ValueError, match="must be positive, got 0"):
        export_to("mmdet3d", unsettled(MINKUNET), MINKUNET, intensity_max=0.0)
