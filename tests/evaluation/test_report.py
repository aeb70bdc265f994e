"""The report is one file that needs no network, shows every section, and lets no request's text become markup."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.evaluation.world import TOOLS, judged
from tomas.evaluation.charts import confusion_chart, learning_chart
from tomas.evaluation.evaluate import Results, measure
from tomas.evaluation.plots import write_plots
from tomas.evaluation.report import write_report
from tomas.evaluation.svg import WIDTH, Scale, duration, percent
from tomas.evaluation.worked import worked_examples

CURVES = {"step": range(20), "epoch": [0] * 20, "loss": np.linspace(3, 1, 20), "phase": [0] * 8 + [1] * 12}


def report_of(folder: Path, results: Results) -> str:
    plots = folder / "plots"
    write_plots(plots, results)
    pd.DataFrame(CURVES).to_csv(plots / "train.csv", index=False)
    write_report(folder / "report.html", measure(results), results, plots)
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return report_of(tmp_path_factory.mktemp("report"), judged(0.3))


def test_the_page_asks_no_host_for_anything(page):
    assert not re.findall(r"https?:|//[a-z]|\burl\(|@import|\bsrc=|\bhref=|<script|<link|<iframe", page)


def test_a_requests_text_stays_text(page):
    assert "<b>do</b>" not in page
    assert "&lt;b&gt;do&lt;/b&gt;" in page


def test_every_section_and_picture_is_there(page):
    for title in ("Against the baselines", "The choice of tool", "Latency regret", "By tool, source and situation",
                  "Where the errors are", "Worked examples", "Learning curves"):  # fmt: skip
        assert f"<h2>{title}</h2>" in page
    for name in ("largest feasible", "cheapest feasible", "random feasible", "snapshot greedy", "oracle", *TOOLS):
        assert name in page
    assert page.count("<article") == 6
    assert page.count("went wrong") == page.count("went well") == 3


def test_the_pictures_are_well_formed_and_stay_within_their_frame(page):
    pictures = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(pictures) == 4 + 6 + 2
    for picture in pictures:
        root = ElementTree.fromstring(picture)
        height = float(root.attrib["viewBox"].split()[3])
        for shape in root.iter("rect"):
            x, y, width, tall = (float(shape.attrib[name]) for name in ("x", "y", "width", "height"))
            assert -0.1 <= x <= x + width <= WIDTH + 0.1
            assert -0.1 <= y <= y + tall <= height + 0.1


def test_the_same_results_give_the_same_page(tmp_path, page):
    assert report_of(tmp_path, judged(0.3)) == page


def test_a_perfect_planner_has_a_report_too(tmp_path):
    text = report_of(tmp_path, judged(1.0))
    assert "went wrong" not in text
    assert "went well" in text


def test_no_case_is_worked_twice_and_failures_are_failures():
    results = judged(0.3)
    examples = worked_examples(results)
    assert len({example.text for example in examples}) == 6
    waiting = next(example for example in examples if "waits" in example.title)
    assert any(", the same as the oracle" in fact.name for fact in waiting.facts)


def test_plots_hold_every_case_and_shares_that_add_up(tmp_path):
    results = judged(0.3)
    write_plots(tmp_path, results)
    confusion = pd.read_csv(tmp_path / "confusion.csv")
    assert len(confusion) == len(results.cases)
    assert set(confusion["actual"]) == {*TOOLS, "no_tool"}
    shares = pd.read_csv(tmp_path / "regret.csv").groupby("planner")["share"].sum()
    assert shares.to_numpy() == pytest.approx(1, abs=1e-4)
    assert {"masked", "unmasked", "end_to_end", "snapshot_greedy"} <= set(shares.index)
    assert pd.read_csv(tmp_path / "reliability.csv")["cases"].sum() == (results.tool_id >= 0).sum()


def test_of_many_tools_the_confused_ones_are_drawn():
    names = [f"tool{number}" for number in range(40)]
    table = np.diag(np.full(41, 5))
    table[7, 31] = 3
    picture = confusion_chart(table, names)
    assert ">tool7<" in picture
    assert ">tool31<" in picture
    assert picture.count("tool") < 60


@pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [0.0, 5e-9], [-3.0, 2e6]])
def test_a_curve_of_any_range_can_be_drawn(values):
    picture = ElementTree.fromstring(learning_chart("loss", list(range(len(values))), values))
    places = [float(y) for point in picture.iter("polyline") for y in re.findall(r",([-\d.]+)", point.attrib["points"])]
    assert all(0 <= place <= 150 for place in places)


def test_ticks_are_round_and_inside():
    assert Scale(0, 1, 0, 100).ticks(5) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert Scale(13, 387, 0, 100).ticks(4) == [100, 200, 300]


def test_numbers_are_written_as_people_read_them():
    assert [percent(share) for share in (0, 0.0004, 0.0125, 0.5, 1)] == ["0 %", "0.04 %", "1.2 %", "50.0 %", "100 %"]
    assert [duration(ms) for ms in (0.5, 250, 5800, 200_000)] == ["0.5 ms", "250 ms", "5.8 s", "3.33 min"]
