"""What a backbone of another package must keep to."""

from typing import Any

from tomas.backbone.loading import Backbone
from tomas.config import Backbone as BackboneParams


def check_backbone(factory: Any, _options: Any) -> None:
    """A factory takes the section `backbone` of params.yaml and gives a frozen model that reads its tokenizer's IDs."""
    made = factory(BackboneParams(name="tiny", dtype="float32"))
    assert isinstance(made, Backbone), f"gave a {type(made).__name__}, not a tomas.backbone.loading.Backbone"
    assert not made.model.training, "is not in eval mode"
    assert not any(parameter.requires_grad for parameter in made.model.parameters()), "has trainable parameters"
    [ids] = made.tokenize(["make these photos sharper"], max_tokens=32)
    words_BTH = made.embed(made.model.get_input_embeddings().weight.new_tensor([ids]).long())
    assert words_BTH.shape == (1, len(ids), made.hidden_size), f"embeds {len(ids)} tokens as {tuple(words_BTH.shape)}"
    states_BTH = made.body(inputs_embeds=words_BTH, use_cache=False).last_hidden_state
    assert states_BTH.shape == words_BTH.shape, f"its states have shape {tuple(states_BTH.shape)}"
    assert states_BTH.isfinite().all(), "gave numbers that are none"
    assert made.num_layers > 0, "has no layers"
