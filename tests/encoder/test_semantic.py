"""A tool's vector is what the frozen model makes of its description, centred, as long as a token embedding."""

import pytest
import torch

from tests.backbone.small import tiny
from tests.domain.cases import registry
from tests.encoder.small import CATALOGUE, TOOLS
from tomas.encoder import sentences
from tomas.encoder.semantic import tool_semantics
from tomas.encoder.sentences import sentence_vectors
from tomas.encoder.template import sentence


def mean_state(text: str) -> torch.Tensor:
    backbone = tiny()
    tokens = torch.tensor([backbone.tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return backbone.body(input_ids=tokens, use_cache=False).last_hidden_state[0].mean(dim=0)  # type: ignore[no-any-return]


def centred(texts: list[str]) -> torch.Tensor:
    means = torch.stack([mean_state(text) for text in texts])
    return torch.nn.functional.normalize(means - means.mean(dim=0), dim=1) * tiny().embedding_norm


def test_tools_are_read_as_their_name_and_description() -> None:
    expected = centred([f"Tool: {tool.name}\nDescription: {tool.description}" for tool in CATALOGUE.tools.tools])
    torch.testing.assert_close(tool_semantics(tiny(), CATALOGUE.tools), expected, rtol=1e-4, atol=1e-5)


def test_tools_are_told_apart_although_their_raw_means_are_almost_parallel() -> None:
    raw = torch.stack([mean_state(f"Tool: {name}\nDescription: does {name}") for name in TOOLS])
    cosine = torch.nn.functional.cosine_similarity
    made = tool_semantics(tiny(), registry(TOOLS))
    assert float(cosine(raw[0], raw[1], dim=0)) > 0.9
    assert float(cosine(made[0], made[1], dim=0)) < 0.5


def test_a_single_tool_has_a_vector_too() -> None:
    made = tool_semantics(tiny(), registry(["alone"]))
    assert float(made.norm()) == pytest.approx(tiny().embedding_norm)


def test_sentence_vectors_do_not_depend_on_what_they_are_padded_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "MAX_TOKENS", 200)  # a byte is a token here
    texts = [
        sentence(CATALOGUE.tools[int(tool)].name, int(row[0]), row[1:].tolist()).text
        for tool, row in zip(CATALOGUE.tool_id, CATALOGUE.vector6(), strict=True)
    ]
    assert len({len(text) for text in texts}) > 1  # some are padded
    torch.testing.assert_close(sentence_vectors(tiny(), CATALOGUE), centred(texts), rtol=1e-4, atol=1e-5)
