"""Where plug-ins may look in or add something: in training, in evaluation and in planning."""

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

from tomas.errors import UserError
from tomas.kernel.fallback import is_strict
from tomas.registry import suggestion

if TYPE_CHECKING:
    import torch

    from tomas.training.run import Run

    Terms = dict[str, torch.Tensor]

log = logging.getLogger(__name__)
spec = pluggy.HookspecMarker("tomas")
mark = pluggy.HookimplMarker("tomas")

MAX_FAILURES = 3
"""An observer that has raised this often is switched off."""


class PartFailed(UserError):
    """A plug-in that changes the result raised; the run stops with a checkpoint."""


class Specs:
    """Every hook TOMAS calls; a plug-in has methods of these names that take the arguments they want."""

    @spec
    def on_run_start(self, run: "Run") -> None:
        """Training begins or goes on; before the first epoch hook."""

    @spec
    def on_run_end(self, run: "Run") -> None:
        """Training has ended; `run.history` is whole."""

    @spec
    def on_epoch_start(self, run: "Run") -> None:
        """An epoch begins; the only place where a plug-in may change which parameters are trained."""

    @spec
    def on_epoch_end(self, run: "Run", metrics: dict[str, float]) -> None:
        """An epoch has ended; `metrics` holds its mean loss and the task's validation."""

    @spec
    def on_step_start(self, run: "Run", batch: Any) -> None:
        """A batch is about to be computed."""

    @spec
    def loss_terms(self, run: "Run", batch: Any, outputs: "Terms") -> "Terms | None":
        """Terms to add to the loss before backward, weighted already; each is logged under its name."""

    @spec
    def on_step_end(self, run: "Run", metrics: dict[str, float]) -> None:
        """An update was made; `metrics` is empty for updates between two log lines."""

    @spec
    def on_checkpoint_save(self, module: "torch.nn.Module", state: dict[str, Any]) -> None:
        """Put what must survive into `state` under the plug-in's own name; plain values, for they are kept as JSON too.

        Called for a checkpoint of a training and for the trained planner.
        """

    @spec
    def on_checkpoint_load(self, module: "torch.nn.Module", state: Mapping[str, Any]) -> None:
        """Bring back what `on_checkpoint_save` put there; called before the module's weights are loaded."""

    @spec
    def on_evaluate_end(self, metrics: dict[str, Any]) -> None:
        """The evaluation's metrics are known."""

    @spec
    def on_plan_start(self, planner: Any, case: Any) -> None:
        """A request is about to be planned; `case` holds it with its timeline, T_inf and the warnings so far."""

    @spec(firstresult=True)
    def on_plan_logits(self, planner: Any, case: Any, logits: Any) -> Any:
        """The tool logits [K] as numpy; the first returned value takes their place."""

    @spec(firstresult=True)
    def on_plan_end(self, planner: Any, case: Any, prediction: Any, plan: Any) -> Any:
        """A plan was made from a prediction; the first returned plan takes its place."""


HOOK_NAMES = tuple(name for name in vars(Specs) if name.startswith("on_") or name == "loss_terms")
ALWAYS_CALLED = frozenset({"on_run_start", "on_run_end", "on_checkpoint_save", "on_checkpoint_load"})
"""Hooks that a plug-in gets also before the epoch that its schedule enables it at."""


class Hooks:
    """The plug-ins of a run, called in the order they were named."""

    def __init__(self, plugins: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> None:
        self._manager = pluggy.PluginManager("tomas")
        self._manager.add_hookspecs(Specs)
        self.plugins = dict(plugins)
        self.failures = dict.fromkeys(self.plugins, 0)
        self._waiting: frozenset[str] = frozenset()
        # pluggy calls what was registered last first; the order people write is the order they expect.
        for name, plugin in reversed(self.plugins.items()):
            self._manager.register(_Slot(self, name, plugin), name)

    @property
    def call(self) -> Any:
        """The hooks as functions: `hooks.call.on_step_end(run=..., metrics=...)`."""
        return self._manager.hook

    def enable_only(self, enabled: Callable[[str], bool]) -> None:
        """Keep the plug-ins that are not enabled yet waiting."""
        self._waiting = frozenset(name for name in self.plugins if not enabled(name))

    def is_waiting(self, name: str) -> bool:
        """Whether a plug-in is not enabled yet."""
        return name in self._waiting

    def loss_terms(self, run: "Run", batch: Any, outputs: "Terms") -> "Terms":
        """The terms of all plug-ins; two of the same name are an error."""
        merged: Terms = {}
        for terms in self.call.loss_terms(run=run, batch=batch, outputs=outputs):
            taken = merged.keys() & terms.keys() or outputs.keys() & terms.keys()
            if taken:
                raise PartFailed(f"Two losses are named {', '.join(sorted(taken))}; a plug-in must rename its term.")
            merged.update(terms)
        return merged

    def failed(self, name: str, hook: str, error: Exception) -> None:
        """Count an exception: an observer's is logged until it is switched off, any other stops the run."""
        if not _looks_on(self.plugins[name]) or is_strict():
            raise PartFailed(f"plug-in {name!r} failed in {hook}: {type(error).__name__}: {error}") from error
        self.failures[name] += 1
        log.warning("observer %r failed in %s: %s: %s", name, hook, type(error).__name__, error)
        if self.failures[name] >= MAX_FAILURES:
            self._manager.unregister(name=name)
            log.warning("observer %r is switched off after %d failures", name, MAX_FAILURES)


class _Slot:
    """A plug-in as pluggy sees it: its hooks, silent while it waits and guarded against its exceptions."""

    def __init__(self, hooks: Hooks, name: str, plugin: Any) -> None:
        for word in dir(plugin):
            if word.startswith("on_") and word not in HOOK_NAMES:
                raise UserError(f"plug-in {name!r}: there is no hook {word}.{suggestion(word, HOOK_NAMES)}")
        if _looks_on(plugin) and hasattr(plugin, "loss_terms"):
            raise UserError(f"plug-in {name!r}: an observer changes nothing and has no loss_terms; be an align part")
        for hook in HOOK_NAMES:
            method = getattr(plugin, hook, None)
            if method is not None:
                setattr(self, hook, mark(_guarded(hooks, name, hook, method)))


def _looks_on(plugin: Any) -> bool:
    """Whether a plug-in says that it is an observer: what it answers is not heard, and it may fail."""
    return bool(getattr(plugin, "observer", False))


def _guarded(hooks: Hooks, name: str, hook: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*arguments: Any) -> Any:
        if hooks.is_waiting(name) and hook not in ALWAYS_CALLED:
            return None
        try:
            answer = method(*arguments)
            return None if _looks_on(hooks.plugins[name]) else answer
        except PartFailed:
            raise
        except Exception as error:
            hooks.failed(name, hook, error)
            return None

    return call
