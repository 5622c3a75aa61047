"""Commands whose options start from a recipe or a protocol that one of the options names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, make_dataclass
from typing import Any, get_type_hints

from lima.commands.command import Command
from lima.commands.pretraining import Pretrain, Recipe
from lima.commands.segmentation import Efficiency, Finetune, Generalisation, Protocol
from lima.config import FinetuneConfig
from lima.recipes import PROTOCOLS, RECIPES


def starting_points(recipe: Recipe, protocol: Protocol) -> dict[type[Command], type[Command]]:
    """For these commands the same ones with other defaults: those of this recipe and this protocol."""
    learning = PROTOCOLS[protocol]
    return {
        Pretrain: _starting(Pretrain, recipe=lambda: recipe, config=RECIPES[recipe]),
        Finetune: _starting(Finetune, protocol=lambda: protocol, config=lambda: FinetuneConfig(learning=learning())),
        Efficiency: _starting(Efficiency, protocol=lambda: protocol, config=learning),
        Generalisation: _starting(Generalisation, protocol=lambda: protocol, config=learning),
    }


def _starting(command: type[Command], **defaults: Callable[[], Any]) -> type[Command]:
    """The command with other defaults of some of its fields; their order and their docstrings stay."""
    hints = get_type_hints(command, include_extras=True)
    fields = [(name, hints[name], field(default_factory=default)) for name, default in defaults.items()]
    words = {"__doc__": command.__doc__}
    return make_dataclass(command.__name__, fields, bases=(command,), frozen=True, namespace=words)
