"""Oracle: docs/simulator.md, whose example must work; and mistakes one makes in such a file."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from streetsim.config import SimulateConfig
from streetsim.rig_file import load_rig
from streetsim.simulate import simulate

DOCS = Path(__file__).parents[2] / "docs" / "simulator.md"


def example() -> str:
    (text,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    return text


def test_the_documented_rig_simulates(tmp_path: Path) -> None:
    file = tmp_path / "pickup.toml"
    file.write_text(example(), encoding="utf-8")
    rig = load_rig(str(file))
    assert rig.name == "pickup"
    assert len(rig.lidar.elevations_deg) == 16
    assert [camera.name for camera in rig.cameras] == ["CAM_LEFT", "CAM_RIGHT"]
    settings = SimulateConfig(scenes=1, keyframes=1, rig=str(file), town=("euro",), weather=("fog",))
    simulate(tmp_path / "out", settings)
    assert len(list((tmp_path / "out" / "samples" / "CAM_LEFT").iterdir())) == 1


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    toml, as_json = tmp_path / "pickup.toml", tmp_path / "pickup.json"
    toml.write_text(example(), encoding="utf-8")
    as_json.write_text(json.dumps(tomllib.loads(example())), encoding="utf-8")
    assert load_rig(str(toml)) == load_rig(str(as_json))


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("yaw_deg = -90.0", "yaw = -90.0", "lidar: key 'yaw' is unknown; known are beams, columns"),
        ("columns = 900 ", "# ", "lidar: 'columns' is missing"),
        ("columns = 900", "columns = 12.5", "lidar: columns must be a whole number, got 12.5"),
        ("columns = 900", "columns = true", "lidar: columns must be a number, got True"),
        ("beams = 16 ", "# ", "give elevations_deg, or beams, lowest_deg and highest_deg (beams is missing)"),
        ("turn_s = [-0.1, 0.0]", "turn_s = [0.0, -0.1]", "turn_s must be begin and end within 0.25 s"),
        ("position_m = [1.2, 0.4, 1.6]", "position_m = [1.2, 0.4]", "camera 1: position_m must be a list of 3 numbers"),
        ('name = "CAM_RIGHT"', 'name = "CAM_LEFT"', "every sensor needs a name of its own"),
        ('name = "CAM_LEFT"', 'name = "left camera"', "letters, digits and underscores, got 'left camera'"),
        ('name = "CAM_LEFT"', "name = 7", "camera 1: name must be text, got 7"),
        ("horizontal_fov_deg = 80.0", "horizontal_fov_deg = 180.0", "horizontal_fov_deg must lie in 1 … 150"),
        ("[[camera]]", "[camera]", "is not valid TOML"),
        ("[lidar]", "[lidars]", "the file: key 'lidars' is unknown"),
    ],
)
def test_mistakes_are_named(before: str, after: str, words: str, tmp_path: Path) -> None:
    text = example()
    assert before in text
    file = tmp_path / "rig.toml"
    file.write_text(text.replace(before, after), encoding="utf-8")
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        load_rig(str(file))
    assert str(file) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.toml does not exist"):
        load_rig(str(tmp_path / "nothing.toml"))
