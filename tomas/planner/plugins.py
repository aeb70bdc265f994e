"""The plug-ins a planner was trained with: what they must know to put the same layers in place again."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from tomas.config import Params
from tomas.kernel.options import part_options, restored_options
from tomas.kernel.tables import TRAINED_KINDS
from tomas.planner.model import Heads
from tomas.registry import default_registry
from tomas.training.hooks import Hooks
from tomas.training.plugins import resolved_plugins


def trained_options(params: Params) -> dict[str, dict[str, Any]]:
    """The options of the plug-ins a training uses, by `kind.name`, in their order."""
    found = {}
    for resolution in resolved_plugins(params, TRAINED_KINDS):
        if default_registry.kinds[resolution.kind].many:
            continue  # they looked on
        options = part_options(default_registry.find(resolution.kind, resolution.used), params)
        found[f"{resolution.kind}.{resolution.used}"] = {} if options is None else options.model_dump(mode="json")
    return found


def saved_state(hooks: Hooks, module: nn.Module) -> dict[str, Any]:
    """What the plug-ins want kept with the trained planner."""
    state: dict[str, Any] = {}
    hooks.call.on_checkpoint_save(module=module, state=state)
    return state


def rebuild(heads: Heads, options: Mapping[str, Mapping[str, Any]], state: Mapping[str, Any]) -> None:
    """Let the plug-ins change fresh heads as they changed the trained ones, so that the weights find their place."""
    plugins: dict[str, Any] = {}
    for word, values in options.items():
        [part] = default_registry.plug([word])
        plugins[part.name] = default_registry.load(part.kind, part.name)(restored_options(part, values))
    Hooks(plugins).call.on_checkpoint_load(module=nn.ModuleDict({"heads": heads}), state=state)
