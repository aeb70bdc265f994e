"""The encoder saves all it needs, its table's statistics too, and loads without running anything."""

from pathlib import Path

import pytest
import torch

from tests.backbone.small import tiny
from tests.encoder.small import CATALOGUE, encoder
from tomas.encoder.export import configuration_vectors, export_config_weights
from tomas.encoder.model import ResourceEncoder
from tomas.encoder.resource import ResourceStream, scaled

TABLE_N6 = torch.tensor(CATALOGUE.vector6(), dtype=torch.float32)


@pytest.mark.parametrize("fusion", ["gated", "attention", "concat"])
def test_a_saved_encoder_comes_back_and_holds_plain_tensors_only(tmp_path: Path, fusion: str) -> None:
    made = encoder(tiny(), fusion).eval()
    made.save(tmp_path / "encoder.pt")
    assert torch.load(tmp_path / "encoder.pt", weights_only=True)["spec"] == {"fusion": fusion, "d_resource": 16}
    loaded = ResourceEncoder.load(tmp_path / "encoder.pt")
    assert not loaded.training
    assert torch.equal(configuration_vectors(loaded, CATALOGUE), configuration_vectors(made, CATALOGUE))


def test_the_statistics_are_those_of_the_table_and_are_saved(tmp_path: Path) -> None:
    made = encoder(tiny())
    made.save(tmp_path / "encoder.pt")
    for held in (made, ResourceEncoder.load(tmp_path / "encoder.pt")):
        z = (scaled(TABLE_N6) - held.resources.mean) / held.resources.std
        moving = torch.tensor([True, True, False, True, True, True])  # all rows have the same memory
        torch.testing.assert_close(z.mean(dim=0), torch.zeros(6), atol=1e-5, rtol=0)
        torch.testing.assert_close(z.std(dim=0, correction=0)[moving], torch.ones(int(moving.sum())), atol=1e-5, rtol=0)
        assert z[:, ~moving].abs().max() < 1e-5


def test_jitter_on_a_number_that_never_changes_stays_small() -> None:
    for same in (0.3, 64.0, 1e6):
        table = torch.tensor([[1.0, same, same, 50.0, same, same]]).expand(5, 6)
        stream = ResourceStream(table, width=8)
        z = (scaled(table * 1.05) - stream.mean) / stream.std
        assert z.abs().max() < 0.1


def test_numbers_are_scaled_as_a_machine_grows() -> None:
    row = torch.tensor([[2.0, 7.0, 0.0, 100.0, 15.0, 1.0]])
    assert scaled(row)[0].tolist() == pytest.approx([2.0, 3.0, 0.0, 6.658211, 4.0, 0.0])


def test_the_meaning_of_the_tools_is_not_trained() -> None:
    made = encoder(tiny())
    assert "semantics" in made.state_dict()
    assert all(name.startswith(("fusion.", "resources.")) for name, _ in made.named_parameters())


def test_the_resource_stream_is_as_wide_as_the_backbone_unless_told(tmp_path: Path) -> None:
    made = ResourceEncoder(torch.randn(3, 64), TABLE_N6, "gated", None)
    assert made.resources(TABLE_N6).shape == (len(TABLE_N6), 64)
    made.save(tmp_path / "encoder.pt")
    assert ResourceEncoder.load(tmp_path / "encoder.pt").spec == {"fusion": "gated", "d_resource": 64}


def test_vectors_are_exported_in_the_order_of_config_ids(tmp_path: Path) -> None:
    made = encoder(tiny(), alpha=0.7)
    made.save(tmp_path / "encoder.pt")
    assert export_config_weights(tmp_path / "encoder.pt", CATALOGUE, tmp_path / "weights.pt") == (81, 64)
    weights = torch.load(tmp_path / "weights.pt", weights_only=True)
    for config_id in (0, 1, 13, 40, 80):
        row = CATALOGUE.row(config_id)
        numbers = [("small", "medium", "large").index(row["input_size"]), *list(row.values())[2:]]
        with torch.no_grad():
            alone = made(torch.tensor([CATALOGUE.tools.index(row["tool"])]), torch.tensor([numbers]))
        torch.testing.assert_close(weights[config_id], alone[0])


def test_inputs_go_to_where_the_weights_are() -> None:
    """On the meta device every tensor that is left behind is an error, as it would be on a GPU."""
    made = encoder(tiny()).to("meta")
    assert made(torch.tensor([0, 2]), TABLE_N6[:2]).device.type == "meta"
