"""Oracle: the settings themselves, written and read back, and the wording of refusals."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lima import recipes
from lima.config import PretrainConfig
from lima.train.log import Log
from lima.train.run_folder import open_run_folder, package_versions, read_config, write_atomically


def open_folder(path: Path, config: PretrainConfig, tokens: tuple[str, ...] = ("a", "b"), resume: bool = False) -> None:
    open_run_folder(path, Path("/data/nuscenes"), config, list(tokens), resume)


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=recipes.RECIPES.keys())
def test_every_recipe_comes_back_as_it_was_written(tmp_path: Path, recipe) -> None:
    config = replace(recipe(), seed=5)
    open_folder(tmp_path / "deep" / "run", config)
    assert read_config(tmp_path / "deep" / "run") == config


def test_config_json_holds_data_keyframes_and_versions(tmp_path: Path) -> None:
    open_folder(tmp_path, PretrainConfig())
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["command"] == "pretrain"
    assert written["data"] == "/data/nuscenes"
    assert written["keyframes"] == ["a", "b"]
    assert {"lima", "python", "torch", "numpy", "transformers"} <= written["versions"].keys()
    assert written["versions"]["torch"] == package_versions()["torch"]


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"is not empty: go on with the run in it \(--resume\)"):
        open_folder(tmp_path, PretrainConfig())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_run_that_came_to_no_step_leaves_its_folder_free(tmp_path: Path) -> None:
    open_folder(tmp_path, PretrainConfig())
    with Log(tmp_path / "log.jsonl", after_step=0):
        pass
    open_folder(tmp_path, replace(PretrainConfig(), seed=1))
    assert read_config(tmp_path).seed == 1
    with Log(tmp_path / "log.jsonl", after_step=0) as log:
        log.write({"step": 1})
    with pytest.raises(FileExistsError, match="is not empty"):
        open_folder(tmp_path, PretrainConfig())


def test_resuming_with_other_settings_or_data_is_refused(tmp_path: Path) -> None:
    open_folder(tmp_path, PretrainConfig())
    before = (tmp_path / "config.json").read_text()
    other = replace(PretrainConfig(), method=replace(PretrainConfig().method, frames=3))
    with pytest.raises(ValueError, match=r"method.frames was 6, now 3"):
        open_folder(tmp_path, other, resume=True)
    with pytest.raises(ValueError, match="2 keyframes of /data/nuscenes, now other ones"):
        open_folder(tmp_path, PretrainConfig(), tokens=("a", "c"), resume=True)
    assert (tmp_path / "config.json").read_text() == before


def test_how_often_is_logged_may_change(tmp_path: Path) -> None:
    open_folder(tmp_path, PretrainConfig())
    open_folder(tmp_path, replace(PretrainConfig(), log_every_steps=1, checkpoint_every_steps=7), resume=True)
    assert read_config(tmp_path).log_every_steps == 1


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not the folder of a pretraining run"):
        read_config(tmp_path)
    open_folder(tmp_path, PretrainConfig())
    written = json.loads((tmp_path / "config.json").read_text())
    written["config"]["method"]["gravity"] = 9.81
    (tmp_path / "config.json").write_text(json.dumps(written))
    with pytest.raises(ValueError, match="MethodConfig has no gravity: was this run made by another version"):
        read_config(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file", "old")

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"


def test_the_log_forgets_what_came_after_the_checkpoint_and_half_a_line(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    with Log(file, after_step=0) as log:
        for step in (1, 2, 3, 4):
            log.write({"step": step, "loss": {"total": 1.0 / step}})
    with open(file, "a") as stream:
        stream.write('{"step": 5, "lo')
    with Log(file, after_step=2) as log:
        log.write({"step": 3, "loss": {"total": 9.0}})
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {"step": 1, "loss": {"total": 1.0}},
        {"step": 2, "loss": {"total": 0.5}},
        {"step": 3, "loss": {"total": 9.0}},
    ]


def test_tensorboard_says_what_to_install_where_it_is_missing(tmp_path: Path) -> None:
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(ImportError, match=r"pip install 'lima-lidar\[tensorboard\]'"):
            Log(tmp_path / "log.jsonl", 0, tmp_path / "tensorboard")
    else:
        with Log(tmp_path / "log.jsonl", 0, tmp_path / "tensorboard") as log:
            log.write({"step": 1, "loss": {"total": 1.0}})
        assert list((tmp_path / "tensorboard").iterdir())
