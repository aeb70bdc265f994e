"""The training loop: one function that trains any task, can be killed at any moment, and goes on exactly."""

import math
import time
from contextlib import closing, nullcontext
from typing import Any

import torch
from accelerate import Accelerator

from tomas.errors import UserError
from tomas.training.checkpoint import Checkpoint, load_optimizer_state, optimizer_state, rng_state
from tomas.training.hooks import Hooks, PartFailed
from tomas.training.processes import agreed, average_gradients, average_scalars, rows_of_process
from tomas.training.progress import Progress
from tomas.training.resume import resume_run, save_run
from tomas.training.run import History, LoopSettings, MetricSink, Row, Run, Task
from tomas.training.schedules import Schedules, lr_factor

__all__ = ["History", "LoopSettings", "MetricSink", "Run", "Task", "fit"]


def fit(
    task: Task,
    settings: LoopSettings,
    *,
    checkpoint: Checkpoint | None = None,
    tracker: MetricSink | None = None,
    hooks: Hooks | None = None,
    schedules: Schedules | None = None,
    label: str = "train",
) -> History:
    """Train a task from its last checkpoint, or from the start, and give its history.

    The checkpoint stays when training ends: the caller clears it once the result is safely written.
    """
    run = Run(task, settings, schedules or Schedules(), hooks or Hooks(), Accelerator(), checkpoint, tracker)
    if run.accelerator.mixed_precision == "fp16":
        raise UserError("Training in fp16 would need loss scaling; use bf16 or no mixed precision.")
    task.module.to(run.accelerator.device)
    with checkpoint.held() if checkpoint and run.accelerator.is_main_process else nullcontext():
        _train(run, label)
    return run.history


def _train(run: Run, label: str) -> None:
    """Epochs of updates, from where the last checkpoint stands."""
    task, settings = run.task, run.settings
    run.accelerator.wait_for_everyone()
    memory = resume_run(run)
    run.hooks.call.on_run_start(run=run)
    next_save = time.monotonic() + settings.checkpoint_every_s

    with closing(Progress(label, run.total_steps, run.step, visible=run.accelerator.is_main_process)) as progress:
        while run.epoch < settings.max_epochs and not run.stopped:
            run.hooks.enable_only(lambda name: run.schedules.enabled(name, run.epoch))
            if run.update == 0:
                run.hooks.call.on_epoch_start(run=run)
            # A hook may have changed what is trained: a new optimizer, with the memory of what stayed.
            optimizer = _optimizer(task, memory)
            task.module.train()
            try:
                while run.update < run.updates(run.epoch):
                    row = _update(run, optimizer)
                    progress.update(run.step, row)
                    if agreed(run.accelerator, time.monotonic() >= next_save):
                        save_run(run, optimizer)
                        next_save = time.monotonic() + settings.checkpoint_every_s
                _end_epoch(run)
            except PartFailed:
                # Of several processes only one may have failed, and saving needs them all: the last checkpoint must do.
                if run.accelerator.num_processes == 1:
                    save_run(run, optimizer)
                raise
            run.epoch, run.update, run.epoch_loss, run.rng = run.epoch + 1, 0, torch.zeros(()), rng_state()
            save_run(run, optimizer)
            memory = optimizer_state(optimizer, task.module)

    run.hooks.call.on_run_end(run=run)


def _update(run: Run, optimizer: torch.optim.Optimizer) -> Row:
    """One update of the parameters; its row, empty between two log lines."""
    factor = lr_factor(run.settings.schedule, run.step, run.total_steps, run.settings.warmup_share)
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    scheduled = run.scheduled()
    scalars = _gradients(run)
    optimizer.step()
    optimizer.zero_grad()
    run.epoch_loss = run.epoch_loss.to(scalars["loss"].device) + scalars["loss"]
    run.step, run.update, run.rng = run.step + 1, run.update + 1, rng_state()

    row: Row = {}
    if run.step % run.settings.log_every == 0 or run.update == run.updates(run.epoch):
        numbers = average_scalars(scalars, run.accelerator)
        if not math.isfinite(numbers["loss"]):
            raise UserError(f"The loss is {numbers['loss']} at step {run.step}; lower the learning rate.")
        lr = optimizer.param_groups[0]["lr"]
        row = {"step": run.step, "epoch": run.epoch, "lr": lr, **numbers, **scheduled}
        run.record(row)
    run.hooks.call.on_step_end(run=run, metrics=row)
    return row


def _gradients(run: Run) -> dict[str, torch.Tensor]:
    """Leave the mean gradient of the update's batches, clipped, in the parameters, and give the mean scalars."""
    first = run.update * run.settings.accumulate
    indices = range(first, min(first + run.settings.accumulate, run.task.num_batches(run.epoch)))
    means: dict[str, torch.Tensor] = {}
    for index in indices:
        batch = rows_of_process(run.task.batch(run.epoch, index), run.accelerator)
        run.hooks.call.on_step_start(run=run, batch=batch)
        with run.accelerator.autocast():
            outputs = run.task.loss(batch)
            terms = run.hooks.loss_terms(run, batch, outputs)
        loss = sum(terms.values(), start=outputs["loss"])
        run.accelerator.backward(loss / len(indices))
        scalars = {name: value for name, value in {**outputs, **terms, "loss": loss}.items() if value.ndim == 0}
        for name, value in scalars.items():
            means[name] = means.get(name, 0.0) + value.detach() / len(indices)
    trained = [parameter for parameter in run.task.module.parameters() if parameter.requires_grad]
    average_gradients(trained, run.accelerator)
    torch.nn.utils.clip_grad_norm_(trained, run.settings.grad_clip)
    return means


def _end_epoch(run: Run) -> None:
    """Record the epoch's mean loss and the task's validation, and decide whether to stop early."""
    mean = average_scalars({"epoch_loss": run.epoch_loss / run.updates(run.epoch)}, run.accelerator)
    run.task.module.eval()
    metrics = {**mean, **run.task.end_epoch(run.epoch)}
    run.hooks.call.on_epoch_end(run=run, metrics=metrics)
    run.record({"step": run.step, "epoch": run.epoch, **metrics})
    run.stopped = run.settings.stop_loss is not None and mean["epoch_loss"] < run.settings.stop_loss


def _optimizer(task: Task, memory: dict[str, dict[str, Any]]) -> torch.optim.Optimizer:
    groups = [{**group, "peak_lr": group["lr"]} for group in task.param_groups()]
    optimizer = torch.optim.AdamW(groups, fused=True)
    load_optimizer_state(optimizer, task.module, memory)
    return optimizer
