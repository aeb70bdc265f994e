"""Train the toy task and write its weights: started by tests as a process of its own, alone or by torchrun."""

import os
import signal
import sys
from pathlib import Path

import torch
from accelerate import Accelerator

from tests.training.toy import ToyTask
from tomas.training.checkpoint import Checkpoint
from tomas.training.hooks import Hooks
from tomas.training.loop import LoopSettings, Run, fit


class KillAt:
    """Kills this process without warning after an update."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, run: Run) -> None:
        if run.step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def main(out: str, folder: str, kill_at: str, dropout: str) -> None:
    torch.set_num_threads(1)
    task = ToyTask(dropout=float(dropout))
    checkpoint = Checkpoint(Path(folder))
    settings = LoopSettings(max_epochs=3, accumulate=2, checkpoint_every_s=0, log_every=1)
    hooks = Hooks({"kill": KillAt(int(kill_at))})
    history = fit(task, settings, checkpoint=checkpoint, hooks=hooks)
    print(Accelerator().num_processes, "processes")
    if os.environ.get("RANK", "0") == "0":
        torch.save({"weights": task.module.state_dict(), "history": history}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
