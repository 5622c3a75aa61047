"""What a program imports, seen in a process of its own: this one has long imported everything."""

from __future__ import annotations

import subprocess
import sys


def modules_after(program: str) -> set[str]:
    """Names of all modules that a new process has imported when it has run the program."""
    lines = f"{program}\nimport sys\nprint()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())
