"""Oracle: the list of layers below. Imports point backwards along it only, so one can read from a file to the loss;
inside a layer they run in no circle. And what stands in a file of tests is run by somebody."""

import ast
import re
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src"
LAYERS = (
    "config", "recipes", "geometry", "scene", "datasets", "data", "teachers", "sparse", "students", "encoder", "method",
    "train", "evaluate", "export", "odometry", "doctor", "commands", "cli", "__main__",
)  # fmt: skip


@cache
def imported_modules(file: Path) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return modules


@pytest.mark.parametrize(
    "file", sorted((SOURCE / "lima").rglob("*.py")), ids=lambda file: str(file.relative_to(SOURCE))
)
def test_imports_point_backwards(file: Path) -> None:
    parts = file.relative_to(SOURCE / "lima").with_suffix("").parts
    if parts == ("__init__",):
        return
    own = LAYERS.index(parts[0])
    for module in imported_modules(file):
        names = module.split(".")
        if names[0] == "lima" and len(names) > 1 and names[1] != "__version__":
            assert LAYERS.index(names[1]) <= own, f"{file.name} imports {module} from a later layer"
        if names[0] == "streetsim":
            assert parts[0] in ("evaluate", "commands"), f"{file.name} imports the simulator"


@pytest.mark.parametrize("package", ["lima", "streetsim"])
def test_no_file_imports_itself_by_way_of_others(package: str) -> None:
    files = {file for file in (SOURCE / package).rglob("*.py") if file != SOURCE / "lima" / "__init__.py"}

    def file_of(module: str) -> Path | None:
        """What `from a.b import c` reads: a/b/c.py, or a/b/c/__init__.py, or where c is a name in it, that of a.b."""
        path = SOURCE / Path(*module.split("."))
        whole, part = path.with_suffix(".py"), path.parent.with_suffix(".py")
        found = (whole, path / "__init__.py", part, path.parent / "__init__.py")
        return next((file for file in found if file in files), None)

    needed = {file: {file_of(module) for module in imported_modules(file)} - {None, file} for file in files}
    assert len(list(TopologicalSorter(needed).static_order())) == len(files)  # CycleError names those of a circle


def test_the_simulator_knows_nothing_of_lima() -> None:
    for file in (SOURCE / "streetsim").rglob("*.py"):
        assert not [module for module in imported_modules(file) if module.split(".")[0] in ("lima", "torch")], file


def test_what_is_no_test_is_called_by_one() -> None:
    """A test without its `test_` never runs, and so never fails."""
    texts = {file: file.read_text() for file in sorted(TESTS.rglob("*.py"))}
    words = Counter(word for text in texts.values() for word in re.findall(r"\w+", text))
    for file, text in texts.items():
        for decorator, name in re.findall(r"^(?:@(.*)\n)?def (\w+)", text, re.MULTILINE):
            known = name.startswith("test_") or "autouse=True" in decorator or words[name] > 1
            assert known, f"{file.relative_to(TESTS)}: nothing calls {name}, and its name is not test_…"
