"""What the backbone's own LM head says: an answer where no tool serves, a reason where one does."""

import re
from collections.abc import Sequence
from typing import Any

from tomas.backbone.greedy import continued
from tomas.backbone.loading import Backbone
from tomas.backbone.lora import without_adapters
from tomas.domain.plan import Plan
from tomas.domain.tools import ToolRegistry

MAX_PROMPT_TOKENS = 448
BATCH = 32
"""Prompts generated from at once: keys and values of thousands would not fit into memory."""
ENDS = (".", "!", "?", "。", "！", "？")
ANSWER = "Answer in one or two short sentences."
REASON = "You say in one short sentence why a tool was chosen for a request."
EXAMPLES = (
    ("read this letter aloud", "text to speech", "Speaks a written text", "to hear a letter."),
    ("把这段录音里的噪声去掉", "audio denoising", "Takes noise out of a recording", "for a recording without noise."),
    ("who speaks when in our meeting?", "speaker diarization", "Tells voices apart", "who speaks when in a meeting."),
)
"""Requests, tools, what these do, and what was asked: shown only rules and facts, a small model invents the rest."""


class Words:
    """Bounded, greedy generation by the frozen model, without the planner's adapters."""

    def __init__(self, backbone: Backbone, layers: Sequence[Any], tools: ToolRegistry) -> None:
        self.backbone, self.layers, self.tools = backbone, layers, tools

    def answers(self, texts: Sequence[str]) -> list[str]:
        """An answer to each request that no tool serves."""
        said = self._generate([self._prompt(ANSWER, text) for text in texts])
        return [whole_sentences(answer) for answer in said]

    def explanations(self, texts: Sequence[str], plans: Sequence[Plan]) -> list[str]:
        """Why each plan: a line of facts that is always right, then why this tool in the model's own words."""
        tools = [self.tools[str(plan.tool_name)] for plan in plans]
        begins = [begun(spoken(tool.name)) for tool in tools]
        prompts = [
            self._prompt(REASON, *SHOWN, _case(text, spoken(tool.name), tool.description)) + begin
            for text, tool, begin in zip(texts, tools, begins, strict=True)
        ]
        more = self._generate(prompts)
        reasons = [whole_sentences(begin + end) for begin, end in zip(begins, more, strict=True)]
        told = [reason if reason.endswith(ENDS) else "" for reason in reasons]
        return [f"{facts(plan)} {reason}".strip() for plan, reason in zip(plans, told, strict=True)]

    def _generate(self, prompts: Sequence[str]) -> list[str]:
        batches = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
        return [said for batch in batches for said in self._generate_batch(batch)]

    def _generate_batch(self, prompts: Sequence[str]) -> list[str]:
        tokenizer = self.backbone.tokenizer
        tokens = [ids[-MAX_PROMPT_TOKENS:] for ids in tokenizer(prompts, add_special_tokens=False)["input_ids"]]
        with without_adapters(self.layers):
            said = continued(self.backbone, tokens)
        return list(tokenizer.batch_decode(said, skip_special_tokens=True))

    def _prompt(self, system: str, *turns: str) -> str:
        """What the model is asked: user and assistant speak in turn, the user last."""
        if self.backbone.tokenizer.chat_template is None:
            return "".join(f"{turn}\n\n" for turn in (system, *turns))
        roles = ("system", *("user", "assistant") * len(turns))
        chat = [{"role": role, "content": said} for role, said in zip(roles, (system, *turns), strict=False)]
        return str(self.backbone.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def spoken(name: str) -> str:
    """A tool's name as people write it."""
    return name.replace("_", " ")


def begun(tool: str) -> str:
    """How a reason begins, so that it is one."""
    return f"{tool[:1].upper()}{tool[1:]} was chosen because the request asks"


def _case(text: str, tool: str, description: str) -> str:
    does = re.split("[.:。：]", description)[0]
    return f"Request: {text}\nTool: {tool}. {does}."


SHOWN = [turn for *asked, end in EXAMPLES for turn in (_case(*asked), f"{begun(asked[1])} {end}")]
"""The examples, as a talk of user and assistant."""


def facts(plan: Plan) -> str:
    """What the plan says, in one sentence."""
    if plan.resource_config is None or plan.start_ms is None or plan.expected_latency_ms is None:
        return plan.explanation or "No tool serves this request."
    r = plan.resource_config
    when = "as soon as planning is done" if plan.status == "ready" else "when enough is free"
    return (
        f"{plan.tool_name} runs with {r.cpu_core:g} CPU cores, {r.cpu_mem_gb:g} GB memory, "
        f"{r.gpu_sm:g} % of the GPU's SMs and {r.gpu_mem_gb:g} GB GPU memory, "
        f"starts {when} at {plan.start_ms:g} ms and takes {plan.expected_latency_ms:g} ms."
    )


def whole_sentences(text: str) -> str:
    """The text up to its last finished sentence, or all of it where none is finished."""
    text = " ".join(text.split())
    end = max((text.rfind(mark) for mark in (". ", "! ", "? ", "。", "！", "？")), default=-1)
    if text.endswith(ENDS) or end < 0:
        return text
    return text[: end + 1]
