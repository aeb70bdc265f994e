"""How long does a plan take, against the same model writing it as JSON by function calling?

`python -m benchmarks.function_calling` prints one JSON object. In turns, request by request, on copies of one backbone:
`plan` is Planner.plan; `function_call` is greedy generation with a cache of keys and values, from a prompt that holds
the tools as JSON schemas, the request and the timeline's first rows, to as many tokens as the shortest right call has;
`function_call_cached_prompt` is the same with the keys and values of the tools' part computed before the clock starts.
No profile stands in the prompt, so the model could not even know what to write: this measures time alone.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import medians_ms, parameters, ratio, read_options, report, take_turns
from benchmarks.inputs import read_inputs
from benchmarks.plan_latency import one_by_one
from benchmarks.untrained import write_untrained
from tomas.backbone.loading import Backbone, load_backbone
from tomas.backbone.prefix import KeyValues, as_cache, prefill
from tomas.domain.plan import Plan
from tomas.domain.request import Request
from tomas.domain.resources import RESOURCES, TIMELINE_COLUMNS
from tomas.domain.tools import ToolRegistry
from tomas.planner import Planner

TIMELINE_ROWS = 8
"""Rows of the timeline that the prompt shows; ours sees all of them."""
TASK = "Answer with one call of one of these functions, as JSON, that fits what is free while it runs:"


@dataclass(frozen=True)
class Call:
    """What is asked of the model, and how long its answer is."""

    prompt: list[int]
    num_new: int


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    params = parameters(options)
    count, rounds = (4, 2) if options.quick else (32, 15)
    inputs = read_inputs(params, 2 * count)
    with tempfile.TemporaryDirectory() as folder:
        planner = Planner.load(write_untrained(params, inputs.catalogue, Path(folder) / "planner"))
    asked = inputs.asked[:count]
    bare = load_backbone(params.backbone)
    calls = [make_call(bare, inputs.catalogue.tools, request, planner.plan(request)) for request in asked]
    shared = shared_length([call.prompt for call in calls])
    prefix = prefill(bare, torch.tensor([calls[0].prompt[:shared]], device=bare.model.device))
    seconds = take_turns(
        {
            "plan": one_by_one(planner.plan, asked),
            "function_call": one_by_one(lambda call: write(bare, call), calls),
            "function_call_cached_prompt": one_by_one(lambda call: write(bare, call, prefix), calls),
        },
        rounds,
    )
    figures = {
        "rounds": rounds,
        "prompt_tokens_median": float(np.median([len(call.prompt) for call in calls])),
        "prompt_tokens_shared": shared,
        "answer_tokens_median": float(np.median([call.num_new for call in calls])),
        "ms": medians_ms(seconds),
        "ratio": ratio(seconds, "function_call", "plan"),
        "ratio_cached_prompt": ratio(seconds, "function_call_cached_prompt", "plan"),
    }
    return report("function_calling", options, params, figures)


def make_call(backbone: Backbone, tools: ToolRegistry, request: Request, plan: Plan) -> Call:
    """The prompt for a request, and the length of the call that says its plan."""
    system = f"{TASK}\n{json.dumps([schema(tool) for tool in tools.tools], ensure_ascii=False)}"
    user = f"{request.text}\n\nFree from now on:\n{rows_of(request)}"
    tokenizer = backbone.tokenizer
    if tokenizer.chat_template is None:
        text = f"{system}\n\n{user}\n\n"
    else:
        chat = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    prompt, answer = tokenizer([text, right_call(plan)], add_special_tokens=False)["input_ids"]
    return Call(prompt, len(answer))


def schema(tool: Any) -> dict[str, Any]:
    """A tool as a function that takes resources and a start."""
    numbers = {name: {"type": "number"} for name in (*RESOURCES, "start_ms")}
    parameters = {"type": "object", "properties": numbers, "required": list(numbers)}
    return {"name": tool.name, "description": tool.description, "parameters": parameters}


def rows_of(request: Request) -> str:
    """The first rows of the request's timeline as CSV."""
    rows = [] if request.timeline is None else request.timeline.to_rows()[:TIMELINE_ROWS]
    lines = [",".join(f"{row[name]:g}" for name in TIMELINE_COLUMNS) for row in rows]
    return "\n".join([",".join(TIMELINE_COLUMNS), *lines])


def right_call(plan: Plan) -> str:
    """The shortest JSON that says the plan."""
    resources = {} if plan.resource_config is None else json.loads(plan.resource_config.model_dump_json())
    call = {"name": plan.tool_name, "arguments": {**resources, "start_ms": plan.start_ms}}
    return json.dumps(call, separators=(",", ":"))


def shared_length(prompts: Sequence[list[int]]) -> int:
    """Tokens that all prompts begin with."""
    shortest = min(map(len, prompts))
    same = [len({prompt[place] for prompt in prompts}) == 1 for place in range(shortest)]
    return same.index(False) if False in same else shortest - 1


@torch.inference_mode()
def write(backbone: Backbone, call: Call, prefix: KeyValues | None = None) -> None:
    """Greedy generation of exactly as many tokens as the right call has."""
    tokens = torch.tensor([call.prompt], device=backbone.model.device)
    backbone.model.generate(
        input_ids=tokens, attention_mask=torch.ones_like(tokens), do_sample=False, use_cache=True,
        past_key_values=None if prefix is None else as_cache(prefix),
        min_new_tokens=call.num_new, max_new_tokens=call.num_new, pad_token_id=backbone.tokenizer.pad_token_id or 0,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
