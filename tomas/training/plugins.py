"""The plug-ins that params.yaml switches on, as hooks and schedules."""

from collections.abc import Sequence
from typing import Any

from tomas.kernel.fallback import Resolution, resolve
from tomas.kernel.options import part_options, schedule_switches
from tomas.registry import default_registry
from tomas.training.hooks import Hooks
from tomas.training.schedules import Schedules


def resolved_plugins(params: Any, kinds: Sequence[str]) -> list[Resolution]:
    """The plug-ins of these kinds, in the order they are named, each as the part that can be used here."""
    parts = default_registry.plug(params.plugins)
    return [resolve(part.kind, part.name) for part in parts if part.kind in kinds]


def hooks_for(params: Any, kinds: Sequence[str]) -> Hooks:
    """The plug-ins of these kinds as hooks, in the order they are named."""
    plugins: dict[str, Any] = {}
    for resolution in resolved_plugins(params, kinds):
        part = default_registry.find(resolution.kind, resolution.used)
        plugins[part.name] = default_registry.load(part.kind, part.name)(part_options(part, params))
    return Hooks(plugins)


def schedules_for(params: Any) -> Schedules:
    """The schedules of the plug-ins in use."""
    return Schedules.parse(params.schedules, schedule_switches(params.plugins))
