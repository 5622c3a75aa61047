"""Puts the compiled native engine into the wheel where a C compiler is at hand; without one the wheel is pure Python.

The wheel is then for one operating system and processor, whatever the version of Python: the library is loaded with
ctypes and links against neither Python nor torch.
"""

from __future__ import annotations

import runpy
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NATIVE = "src/lima/sparse/engines/native"


class NativeEngineHook(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles into the source tree's build folder and adds the file to the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel" or version == "editable":
            return
        build = runpy.run_path(str(Path(self.root, NATIVE, "build.py")))  # importing lima would need torch
        library = Path(self.root, "build", build["library_name"]())
        try:
            build["compile_library"](library)
        except build["CannotCompileError"] as error:
            self.app.display_warning(f"the wheel comes without the native engine: {error}")
            return
        build_data["force_include"][str(library)] = f"{NATIVE.removeprefix('src/')}/{library.name}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
