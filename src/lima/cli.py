"""The command line. It alone exits: a user's mistake becomes one line and exit code 2, never a traceback."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Annotated, Any

import tyro
from tyro.conf import FlagCreatePairsOff, OmitSubcommandPrefixes, arg, subcommand

from lima import recipes
from lima.commands import COMMANDS, Command
from lima.commands.command import name_of
from lima.commands.starting_points import starting_points
from lima.train.interruption import Interrupted

USER_MISTAKE = 2


def parse(arguments: list[str]) -> Command:
    """The command that the arguments ask for. A recipe or a protocol sets the defaults of the other options."""
    starts = starting_points(
        recipe=_named(arguments, "--recipe", recipes.RECIPES, "lima"),
        protocol=_named(arguments, "--protocol", recipes.PROTOCOLS, "lima"),
    )
    choices = (
        Annotated[command, subcommand(name_of(command), constructor=starts.get(command, command))]
        for command in COMMANDS
    )
    choice: Any = Annotated[reduce(or_, choices), arg(name="")]
    command: Command = tyro.cli(
        choice, prog="lima", args=arguments, config=(FlagCreatePairsOff, OmitSubcommandPrefixes)
    )
    return command


def _named(arguments: list[str], option: str, known: Mapping[str, object], default: str) -> Any:
    """What an option names is read before everything else, because it decides what the other options start from."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument(option, dest="name", default=default)
    with contextlib.suppress(argparse.ArgumentError):
        name = parser.parse_known_args(arguments)[0].name
        if name in known:
            return name
    return default  # the full parser then says what is wrong


def main() -> None:
    """Entry point of the console script `lima`."""
    try:
        try:
            code = parse(sys.argv[1:]).run()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # `lima … | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except (ValueError, OSError, ImportError) as error:
        if os.environ.get("LIMA_TRACEBACK"):
            raise
        print(f"lima: {error}", file=sys.stderr)
        sys.exit(USER_MISTAKE)
    except Interrupted as interruption:
        print(f"lima: {interruption}", file=sys.stderr)
        sys.exit(interruption.exit_code)
    except KeyboardInterrupt:
        print("lima: interrupted", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    if code:
        sys.exit(code)
