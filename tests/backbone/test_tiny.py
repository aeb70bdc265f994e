"""The test model is the same everywhere, disturbs nothing, and its tokenizer can say anything."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tomas.backbone.tiny import SPECIAL, tiny_model, tiny_tokenizer

texts = st.text(max_size=60).filter(lambda text: not any(special in text for special in SPECIAL))


def test_every_call_gives_the_same_model_and_leaves_the_random_generator_alone() -> None:
    torch.manual_seed(1)
    first = tiny_model("sdpa", torch.float32)
    torch.manual_seed(2)
    expected = torch.randn(3)
    torch.manual_seed(2)
    second = tiny_model("sdpa", torch.float32)
    assert torch.equal(torch.randn(3), expected)
    state = second.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.state_dict().items())


def test_another_number_format_holds_the_same_numbers_rounded() -> None:
    fine, coarse = tiny_model("sdpa", torch.float32), tiny_model("sdpa", torch.bfloat16)
    state = coarse.state_dict()
    assert all(torch.equal(value.bfloat16(), state[name]) for name, value in fine.state_dict().items())


@settings(deadline=None)
@given(texts)
def test_any_text_is_one_token_a_byte_and_comes_back(text: str) -> None:
    tokenizer = tiny_tokenizer()
    tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert len(tokens) == len(text.encode())
    assert tokenizer.decode(tokens) == text
