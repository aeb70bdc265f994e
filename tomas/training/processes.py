"""Several processes as one: each takes its rows of the same global batch, and gradients are averaged."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import PartialState
from accelerate.utils import broadcast_object_list


def global_mean(total: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
    """A sum over this process's items as its part of the mean over the items of all processes.

    The mean of the processes' results is then exactly `sum of totals / sum of counts`, however unevenly the items
    fall; with one process it is `total / count`. No items at all give zero.
    """
    state = PartialState()
    counted = torch.as_tensor(count, dtype=torch.float32, device=total.device)
    if state.num_processes > 1:
        counted = counted.clone()
        torch.distributed.all_reduce(counted)
    mean: torch.Tensor = total * (state.num_processes / counted.clamp(min=1.0))
    return mean


def is_first_process() -> bool:
    """Whether this process is the one that writes; the others only compute."""
    return bool(PartialState().is_main_process)


def of_process(items: list[int]) -> list[int]:
    """This process's part of a batch's rows, the same that `rows_of_process` takes."""
    return items[_own_rows(PartialState())]


def rows_of_process(batch: Any, accelerator: Accelerator) -> Any:
    """This process's rows of a batch (every num_processes-th), on its device.

    Tensors with a row dimension and lists are cut; mappings, tuples and dataclasses are walked through; everything else
    is kept whole.
    """
    rows = _own_rows(accelerator)

    def place(leaf: Any) -> Any:
        if isinstance(leaf, torch.Tensor):
            return (leaf[rows] if leaf.ndim and accelerator.num_processes > 1 else leaf).to(accelerator.device)
        return leaf[rows] if isinstance(leaf, list) and accelerator.num_processes > 1 else leaf

    return _walk(batch, place)


def _own_rows(processes: Accelerator | PartialState) -> slice:
    return slice(processes.process_index, None, processes.num_processes)


def _walk(node: Any, leaf: Callable[[Any], Any]) -> Any:
    if isinstance(node, Mapping):
        return {key: _walk(value, leaf) for key, value in node.items()}
    if isinstance(node, tuple):
        values = [_walk(value, leaf) for value in node]
        return type(node)(*values) if hasattr(node, "_fields") else tuple(values)
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = {field.name: _walk(getattr(node, field.name), leaf) for field in dataclasses.fields(node)}
        return dataclasses.replace(node, **fields)
    return leaf(node)


def average_gradients(parameters: Sequence[torch.nn.Parameter], accelerator: Accelerator) -> None:
    """Average the gradients over processes in one message; a parameter that no process used keeps none."""
    if accelerator.num_processes == 1:
        return
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    used = torch.tensor([float(p.grad is not None) for p in parameters], device=accelerator.device)
    flat = torch.cat([used, *(gradient.reshape(-1).float() for gradient in gradients)])
    sizes = [len(parameters), *(p.numel() for p in parameters)]
    used, *averaged = accelerator.reduce(flat, reduction="mean").split(sizes)
    for parameter, part, share in zip(parameters, averaged, used.tolist(), strict=True):
        parameter.grad = part.view_as(parameter).to(parameter.dtype) if share > 0 else None


def average_scalars(values: Mapping[str, torch.Tensor], accelerator: Accelerator) -> dict[str, float]:
    """Scalars averaged over processes, as plain numbers; this waits for the device."""
    stacked = torch.stack([value.detach().float() for value in values.values()])
    if accelerator.num_processes > 1:
        stacked = accelerator.reduce(stacked, reduction="mean")
    return dict(zip(values, stacked.tolist(), strict=True))


def agreed(accelerator: Accelerator, decision: bool) -> bool:
    """The main process's decision, the same in every process."""
    if accelerator.num_processes == 1:
        return decision
    decisions = [decision]
    broadcast_object_list(decisions, from_process=0)
    return decisions[0]
