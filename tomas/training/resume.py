"""A run put on disk, and brought back exactly: its weights, its optimizer, its plug-ins, and where it stood."""

from typing import Any

import torch
from accelerate.utils import broadcast, gather_object

from tomas.training.checkpoint import (
    State,
    load_trained_state,
    optimizer_state,
    set_rng_state,
    trained_state,
)
from tomas.training.run import Run

POSITION = ("epoch", "update", "step", "epoch_loss", "stopped", "history")


def save_run(run: Run, optimizer: torch.optim.Optimizer) -> None:
    """Write the state after the last update; every process must call it."""
    if run.checkpoint is None:
        return
    rng: list[State] = gather_object([run.rng])
    plugins: State = {}
    run.hooks.call.on_checkpoint_save(module=run.task.module, state=plugins)
    if run.accelerator.is_main_process:
        run.checkpoint.save(
            {
                "module": trained_state(run.task.module),
                "optimizer": optimizer_state(optimizer, run.task.module),
                "plugins": plugins,
                "rng": rng,
                **{name: getattr(run, name) for name in POSITION},
            }
        )
    run.accelerator.wait_for_everyone()


def resume_run(run: Run) -> dict[str, dict[str, Any]]:
    """Bring back the last checkpoint, if there is one, and give the optimizer's memory."""
    state = run.checkpoint.load() if run.checkpoint is not None else None
    if state is None:
        if run.accelerator.num_processes > 1:
            broadcast(list(trained_state(run.task.module).values()), from_process=0)
        return {}
    for name in POSITION:
        setattr(run, name, state[name])
    # Plug-ins first: one of them may have to rebuild the layers the weights belong to.
    run.hooks.call.on_checkpoint_load(module=run.task.module, state=state["plugins"])
    load_trained_state(run.task.module, state["module"])
    if len(state["rng"]) == run.accelerator.num_processes:
        set_rng_state(state["rng"][run.accelerator.process_index])
    memory: dict[str, dict[str, Any]] = state["optimizer"]
    return memory
