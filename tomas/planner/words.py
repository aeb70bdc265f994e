"""What the backbone's own LM head says: an answer where no tool serves, a reason where one does."""

from collections.abc import Sequence
from typing import Any

from tomas.backbone.greedy import continued
from tomas.backbone.loading import Backbone
from tomas.backbone.lora import without_adapters
from tomas.domain.plan import Plan

MAX_PROMPT_TOKENS = 448
BATCH = 32
"""Prompts generated from at once: keys and values of thousands would not fit into memory."""
ANSWER = "Answer in one or two short sentences."
REASON = "Explain this plan to the user in one or two short sentences. Use only the facts given."


class Words:
    """Bounded, greedy generation by the frozen model, without the planner's adapters."""

    def __init__(self, backbone: Backbone, layers: Sequence[Any]) -> None:
        self.backbone, self.layers = backbone, layers

    def answers(self, texts: Sequence[str]) -> list[str]:
        """An answer to each request that no tool serves."""
        return self._generate([(ANSWER, text) for text in texts])

    def explanations(self, texts: Sequence[str], plans: Sequence[Plan]) -> list[str]:
        """Why each plan: a line of facts that is always right, then the model's own words."""
        lines = [facts(plan) for plan in plans]
        prompts = [(REASON, f"Request: {text}\nFacts: {line}") for text, line in zip(texts, lines, strict=True)]
        return [f"{line} {said}".strip() for line, said in zip(lines, self._generate(prompts), strict=True)]

    def _generate(self, prompts: Sequence[tuple[str, str]]) -> list[str]:
        batches = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
        return [said for batch in batches for said in self._generate_batch(batch)]

    def _generate_batch(self, prompts: Sequence[tuple[str, str]]) -> list[str]:
        tokenizer = self.backbone.tokenizer
        texts = [self._prompt(system, user) for system, user in prompts]
        tokens = [ids[-MAX_PROMPT_TOKENS:] for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
        with without_adapters(self.layers):
            said = continued(self.backbone, tokens)
        return [whole_sentences(text) for text in tokenizer.batch_decode(said, skip_special_tokens=True)]

    def _prompt(self, system: str, user: str) -> str:
        if self.backbone.tokenizer.chat_template is None:
            return f"{system}\n\n{user}\n\n"
        chat = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        return str(self.backbone.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


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
    if text.endswith((".", "!", "?", "。", "！", "？")) or end < 0:
        return text
    return text[: end + 1]
