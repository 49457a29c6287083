"""The reading page by Streamlit's AppTest, with a reading that needs no weights."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import cxrtriage.reading
from cxrtriage.film.adjustment import Adjustment, FractionBox
from cxrtriage.film.box import PixelBox
from cxrtriage.film.film import Film
from cxrtriage.film.writing import CODE, WrittenLine
from cxrtriage.gate.gate import Gate, GateResult
from cxrtriage.reading.assessment import Assessment, ClassScore, Diagnosis, FilmFacts, Versions
from cxrtriage.reading.call import class_score, strongest_class
from cxrtriage.reading.ensemble import read_ensemble
from cxrtriage.reading.map_methods import MapFigures, Pointing, Share
from cxrtriage.reading.saliency import Saliency
from cxrtriage.reading.site import Site, SitePoint
from cxrtriage.ui import opening
from cxrtriage.ui.map_choice import method_help
from cxrtriage.ui.texts import Texts
from cxrtriage.weights import Card, WeightsError, read_card
from tests.gate.marked_gate import MarkedGate, marked_film
from tests.gate.test_surround import on_a_plate

APP = str(Path(__file__).parents[2] / "app.py")
MEMBERS = ("tb_one", "tb_two")
# What is added to the film's mean for each class.
CLASSES = {"tuberculosis": 0.0, "covid19": -0.6, "other_infection": -0.3}
THRESHOLDS = {"sensitivity_0.90": 0.4, "youden": 0.6}


def scored(score: float, operating_point: str) -> ClassScore:
    threshold = THRESHOLDS[operating_point]
    low, high = threshold - 0.1, threshold + 0.1
    call: Any = "uncertain" if low <= score <= high else "flagged" if score > threshold else "not_flagged"
    population = "the films of two hospitals"
    return ClassScore(score, threshold, (low, high), operating_point, "card", population, call, 0.9, 0.7)


class FakeTriage:
    """Scores a film by its mean; says which films it was given, and which maps it drew."""

    read_films: ClassVar[list[Film]] = []
    drawn: ClassVar[list[str]] = []
    score: ClassVar[float | None] = None
    codes: ClassVar[tuple[str, ...]] = ()
    findings: ClassVar[dict[str, float] | None] = None
    gate: ClassVar[Gate | None] = None
    operating_point = "sensitivity_0.90"
    operating_points = tuple(THRESHOLDS)
    map_methods: ClassVar[dict[str, tuple[str, ...]]] = {
        "tb_one": ("Grad-CAM",),
        "tb_two": ("Grad-CAM", "Relevance"),  # a transformer
    }
    cards: ClassVar[dict[str, Card]] = {
        name: Card(name, "task", tuple(CLASSES), "made up", {}, {}, "f" * 64, "none") for name in MEMBERS
    }

    @classmethod
    def load(cls) -> FakeTriage:
        return cls()

    def checked(self, film: Film) -> GateResult | None:
        return self.gate.check(film) if self.gate else None

    def read(
        self,
        film: Film,
        *,
        file: str = "",
        maps: str | tuple[str, ...] = "strongest",
        read_anyway: bool = False,
        gated: bool = True,
    ) -> tuple[Assessment, list[Saliency]]:
        result = self.checked(film) if gated else None
        if result and (result.verdict == "refused" or (result.verdict == "cautioned" and not read_anyway)):
            return Assessment(
                file=file, sha256=film.sha256, status="refused", film=FilmFacts.of(film), codes=result.codes,
                message="no", gate=result.to_dict(), versions=Versions("0.1.0", {}),
            ), []  # fmt: skip
        mean = float(film.pixels.mean()) if self.score is None else self.score
        scores = {name: min(max(mean + shift, 0.0), 1.0) for name, shift in CLASSES.items()}
        assessment = Assessment(
            file=file, sha256=film.sha256, status="read", film=FilmFacts.of(film), codes=self.codes,
            diagnosis=self.diagnosis(scores, self.operating_point), findings=self.findings,
            versions=Versions("0.1.0", dict.fromkeys(MEMBERS, "0123456789ab")), seconds={"diagnosis": 0.4},
            gate=result.to_dict() if result else None,
        )  # fmt: skip
        if maps == "strongest":
            self.read_films.append(film)
            assert assessment.diagnosis is not None
            class_name = strongest_class(assessment.diagnosis.classes)
        else:
            (class_name,) = maps
        self.drawn.append(class_name)
        ones = np.ones_like(film.pixels)
        return assessment, [
            Saliency(ones, "Grad-CAM", "tb_one", class_name, False),
            Saliency(0 * ones, "Grad-CAM", "tb_two", class_name, True),
        ]

    def read_with_lesions(self, film: Film, **asked: Any) -> tuple[Assessment, list[Saliency], None]:
        return *self.read(film, **asked), None

    def saliency(self, film: Film, member: str, class_name: str, method: Any) -> Saliency:
        self.drawn.append(f"{member}.{class_name}.{method}")
        return Saliency(0.5 * np.ones_like(film.pixels), method, member, class_name, False)

    @staticmethod
    def diagnosis(scores: dict[str, float], operating_point: str) -> Diagnosis:
        return Diagnosis(
            {name: scored(score, operating_point) for name, score in scores.items()},
            {
                "tb_one": {name: score - 0.05 for name, score in scores.items()},
                "tb_two": {name: score + 0.05 for name, score in scores.items()},
            },
            uncertain=False,
        )

    def points_with(self, site: Site | None) -> tuple[str, ...]:
        return (*site.operating_points, *self.operating_points) if site else self.operating_points

    def held_against(
        self, assessment: Assessment, operating_point: str, site: Site | None = None
    ) -> Assessment:
        assert assessment.diagnosis is not None
        scores = {name: one.probability for name, one in assessment.diagnosis.classes.items()}
        known = operating_point if operating_point in THRESHOLDS else self.operating_point
        diagnosis = self.diagnosis(scores, known)
        if site is not None and operating_point in site.operating_points:
            own = site.points["tuberculosis"][operating_point]
            point = own.as_operating_point(site.name, "tuberculosis", 0.4)
            members = [of["tuberculosis"] for of in diagnosis.members.values()]
            held = class_score(members, operating_point, point, source=site.source)
            diagnosis = replace(diagnosis, classes={**diagnosis.classes, "tuberculosis": held})
        return replace(assessment, diagnosis=diagnosis)


@pytest.fixture
def triage(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeTriage]]:
    st.cache_resource.clear()
    FakeTriage.read_films, FakeTriage.drawn, FakeTriage.score = [], [], None
    FakeTriage.codes, FakeTriage.findings, FakeTriage.gate = (), None, None
    monkeypatch.setattr(cxrtriage.reading, "Triage", FakeTriage, raising=False)
    yield FakeTriage
    st.cache_resource.clear()


@pytest.fixture
def page(triage: type[FakeTriage]) -> AppTest:
    return AppTest.from_file(APP, default_timeout=30).run()


def words(page: AppTest) -> str:
    """Everything that the page says in HTML of ours."""
    return " ".join(str(element.proto.body) for element in page.get("html"))


def png(grey: int = 200, side: int = 96) -> bytes:
    file = io.BytesIO()
    pixels = np.full((side, side), grey, np.uint8)
    pixels[::2, ::3] -= 20
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def opened(page: AppTest, data: bytes, name: str = "film.png") -> AppTest:
    page.file_uploader[0].upload(name, data, "application/octet-stream")
    return page.run()


def test_without_a_film_the_page_says_what_to_do_and_reads_nothing(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    assert not page.exception
    assert "Open a film, and the scores appear here." in words(page)
    assert triage.read_films == []


def test_the_caution_is_there_from_the_start(page: AppTest) -> None:
    assert "Research and teaching. Not a medical device. Nothing leaves this machine." in words(page)


def row(page: AppTest, name: str) -> str:
    """The HTML of a class's row in the scores' card."""
    _, _, rest = words(page).partition(f"<b>{name}</b>")
    return rest.partition('<div class="cx-score')[0]


def test_a_film_is_read_once_and_every_class_names_threshold_point_and_source(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    triage.score = 0.81
    opened(page, png())
    for name, number, call in [
        ("Tuberculosis", "0.81", "Above the threshold 0.40 (sensitivity 0.90)."),
        ("COVID-19", "0.21", "Below the threshold 0.40 (sensitivity 0.90)."),
        ("Other infection", "0.51", "Above the threshold 0.40 (sensitivity 0.90)."),
    ]:
        said = row(page, name)
        assert f">{number}<" in said
        assert call in said
        assert "Threshold 0.40 (sensitivity 0.90): set on the films of two hospitals." in said
    assert "Models 0.76 to 0.86" in row(page, "Tuberculosis")
    page.run()
    assert len(triage.read_films) == 1


def test_every_class_says_what_it_asks_and_none_is_called_normal(page: AppTest) -> None:
    said = words(opened(page, png()))
    assert "films of tuberculosis, compared with films without it" in said
    assert "films of COVID-19 pneumonia, compared with films without it" in said
    assert "neither tuberculosis nor COVID-19" in said
    assert said.count("can raise the score too") == 3
    assert said.lower().count("normal") == said.count("No score says that a film is normal.") == 1


@pytest.mark.parametrize(
    ("score", "call", "why"),
    [
        (0.10, "Below the threshold 0.40", ""),
        (0.42, "Uncertain at threshold 0.40", "a score from 0.30 to 0.50 could fall on either side"),
    ],
)
def test_a_score_below_or_near_the_threshold_says_what_that_means(
    page: AppTest, triage: type[FakeTriage], score: float, call: str, why: str
) -> None:
    triage.score = score
    said = row(opened(page, png()), "Tuberculosis")
    assert call in said
    assert why in said


def test_other_thresholds_call_anew_and_read_nothing_anew(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.score = 0.55
    assert "Above the threshold 0.40" in row(opened(page, png()), "Tuberculosis")
    choice = page.selectbox(key="operating_point")
    assert choice.options == ["Sensitivity 0.90", "Youden's index"]
    choice.select("youden").run()
    said = row(page, "Tuberculosis")
    assert ">0.55<" in said
    assert "threshold 0.60 (Youden&#x27;s index)" in said
    assert len(triage.read_films) == 1
    opened(page, png(120))  # the choice outlives the film
    assert "threshold 0.60" in row(page, "Tuberculosis")


def clinic(threshold: float = 0.7) -> Site:
    """A hospital's own thresholds, bound to the nets that are shipped."""
    ensemble = read_ensemble()
    cards = {name: read_card(name) for name in ensemble.members}
    return Site(
        "Clinic A",
        {name: card.sha256 for name, card in cards.items()},
        {name: card.calibration_sha256 for name, card in cards.items()},
        {"tuberculosis": ensemble.readers["tuberculosis"]},
        {
            "tuberculosis": {
                "sensitivity_0.95": SitePoint(threshold, 0.95, (0.9, 0.98), 0.6, (0.5, 0.7), 40, 60)
            }
        },
    )


def site_box(page: AppTest) -> Any:
    return next(box for box in page.file_uploader if box.label == "Open thresholds")


def test_a_hospitals_own_thresholds_are_opened_and_left_again_and_nothing_is_read_anew(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    triage.score = 0.55
    assert "Thresholds set elsewhere may flag far too many" in words(opened(page, png()))
    site_box(page).upload("clinic.json", clinic().to_json().encode(), "application/json").run()
    (own,) = (box for box in page.selectbox if box.label == "Thresholds of Clinic A")
    assert own.value == "sensitivity_0.95"
    said = row(page, "Tuberculosis")
    assert "Below the threshold 0.70 (sensitivity 0.95)." in said
    assert "set on films of Clinic A: 40 with tuberculosis, 60 without it" in said
    assert "Threshold 0.40 (sensitivity 0.90): set on the films of two hospitals." in row(page, "COVID-19")
    everything = words(page)
    assert "sensitivity 0.95 (0.90 to 0.98), specificity 0.60 (0.50 to 0.70)" in everything
    assert "as expected of further films like these: films of Clinic A" in everything
    opened(page, png(120))  # they outlive the film
    assert "threshold 0.70" in row(page, "Tuberculosis")
    another = opened(AppTest.from_file(APP, default_timeout=30).run(), png())  # of another reader
    assert "threshold 0.40" in row(another, "Tuberculosis")
    page.button(key="site_leave").click().run()
    assert "threshold 0.40" in row(page, "Tuberculosis")
    assert page.selectbox(key="operating_point").label == "Thresholds"
    assert len(triage.read_films) == 3
    assert not page.exception


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"{}", "no file of a hospital&#x27;s thresholds"),
        (replace(clinic(), weights={"tb_other": "0"}).to_json().encode(), "set with other models"),
    ],
)
def test_what_are_no_thresholds_for_these_nets_change_nothing(
    page: AppTest, triage: type[FakeTriage], data: bytes, sentence: str
) -> None:
    triage.score = 0.55
    opened(page, png())
    site_box(page).upload("clinic.json", clinic(0.8).to_json().encode(), "application/json").run()
    site_box(page).upload("other.json", data, "application/json").run()
    assert sentence in words(page)
    assert "threshold 0.80" in row(page, "Tuberculosis")
    page.button(key="site_leave").click().run()
    assert sentence not in words(page)


def test_the_server_begins_every_session_with_the_thresholds_it_was_given(
    triage: type[FakeTriage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    triage.score = 0.55
    file = tmp_path / "clinic.json"
    file.write_text(clinic().to_json(), encoding="utf-8")
    monkeypatch.setenv("CXRTRIAGE_SITE", str(file))
    page = opened(AppTest.from_file(APP, default_timeout=30).run(), png())
    assert "threshold 0.70" in row(page, "Tuberculosis")
    file.unlink()
    page = opened(AppTest.from_file(APP, default_timeout=30).run(), png())
    assert "cannot be read" in words(page)
    assert "threshold 0.40" in row(page, "Tuberculosis")


def test_a_film_without_lungs_says_that_it_was_read_whole(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.codes = ("no_lungs",)
    said = words(opened(page, png()))
    assert "No lungs were found, so the whole film was read" in said


def test_findings_are_bars_under_their_own_names_and_never_that_there_is_none(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    names = ("opacity", "effusion", "edema", "hernia", "nodule_mass", "emphysema", "no_finding")
    triage.findings = {name: 0.9 - 0.1 * i for i, name in enumerate(names)}
    said = words(opened(page, png()))
    assert "Findings as NIH&#x27;s labels name them, 0 to 1. Not a diagnosis." in said
    assert said.index("Opacity") < said.index("Pleural effusion") < said.index("1 less likely ones")
    assert said.index("1 less likely ones") < said.index("Emphysema")
    assert "no finding" not in said.lower()


def test_without_findings_there_is_no_card_of_them(page: AppTest) -> None:
    assert "What the film shows" not in words(opened(page, png()))


def test_what_a_positive_means_is_told_in_people_with_the_films_it_rests_on(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    triage.score = 0.81
    said = words(opened(page, png()))
    assert "Of 1,000 such people, 100 have tuberculosis." in said
    assert "360 lie above the threshold 0.40; 90 of them have tuberculosis (25 %)." in said
    assert "640 lie below it; 10 of them have tuberculosis all the same (1.6 %)." in said
    assert "sensitivity 0.90 and specificity 0.70, as measured on the films of two hospitals." in said
    page.number_input(key="prevalence_tuberculosis").set_value(0.1).run()
    assert "Of 10,000 such people, 10 have tuberculosis." in words(page)


def test_each_disease_has_its_own_prevalence_and_an_empty_one_is_asked_for(page: AppTest) -> None:
    opened(page, png())
    page.number_input(key="prevalence_tuberculosis").set_value(2.0).run()
    disease = next(box for box in page.selectbox if box.label == "Disease")
    disease.select("covid19").run()
    assert "Put in how many of 100 people you film have COVID-19." in words(page)
    page.number_input(key="prevalence_covid19").set_value(50.0).run()
    assert "Of 1,000 such people, 500 have COVID-19." in words(page)
    disease = next(box for box in page.selectbox if box.label == "Disease")
    disease.select("tuberculosis").run()
    assert "Of 1,000 such people, 20 have tuberculosis." in words(page)


def test_without_a_gate_the_page_says_that_nothing_checks_the_kind_of_film(page: AppTest) -> None:
    said = words(opened(page, png()))
    assert "View not stated in the file" in said
    assert "nothing checks that this is a frontal chest film" in said


def test_a_bad_file_gets_one_sentence_with_its_code_and_no_score(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    said = words(opened(page, b"<!doctype html><html></html>", "film.dcm"))
    assert said.count("(code: ") == 1
    assert "Traceback" not in said
    assert not page.exception
    assert triage.read_films == []
    assert ">0." not in words(opened(page, b"", "empty.png"))


def test_missing_weights_are_a_sentence_and_the_film_stays_open(
    page: AppTest, triage: type[FakeTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> FakeTriage:
        raise WeightsError("weights_missing", "The weights are not there; fetch them again.")

    monkeypatch.setattr(triage, "load", missing)
    st.cache_resource.clear()  # the empty page has loaded the nets already
    said = words(opened(page, png()))
    assert "The weights are not there; fetch them again. (code: weights_missing)" in said
    assert "View not stated in the file" in said
    assert not page.exception


def test_the_switch_reads_the_adjusted_film_and_says_how_the_score_moved(
    page: AppTest, triage: type[FakeTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(page, png(200))
    assert len(triage.read_films) == 1
    cropped = Adjustment(crop=FractionBox(0.25, 0.25, 0.75, 0.75), invert=True)
    monkeypatch.setattr("cxrtriage.ui.viewer.current_adjustment", lambda film: cropped)
    page.run()
    assert len(triage.read_films) == 1  # the switch is off
    page.toggle(key="read_adjusted").set_value(True).run()
    assert [film.rows for film in triage.read_films] == [96, 48]
    assert "As filed 0.77, adjusted 0.23 (−0.5" in words(page)
    page.toggle(key="read_adjusted").set_value(False).run()
    page.toggle(key="read_adjusted").set_value(True).run()
    assert len(triage.read_films) == 2  # both are kept


def map_boxes(page: AppTest) -> tuple[Any, Any]:
    """The two boxes that choose a map: class and net."""
    return tuple(
        next(box for box in page.selectbox if box.label == label) for label in ("Map of the score", "Model")
    )


def test_the_map_starts_with_the_strongest_class_and_the_mean_of_the_nets(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    opened(page, png())
    class_box, net_box = map_boxes(page)
    assert class_box.options == ["Tuberculosis", "COVID-19", "Other infection"]
    assert class_box.value == "tuberculosis"
    assert net_box.options == ["Mean of the models", "tb_one", "tb_two"]
    assert net_box.value == "mean"
    assert triage.drawn == ["tuberculosis"]


def test_another_class_is_drawn_when_asked_for_and_once(page: AppTest, triage: type[FakeTriage]) -> None:
    opened(page, png())
    map_boxes(page)[0].select("covid19").run()
    map_boxes(page)[1].select("tb_two").run()
    map_boxes(page)[0].select("tuberculosis").run()
    assert map_boxes(page)[1].value == "tb_two"
    assert triage.drawn == ["tuberculosis", "covid19"]
    assert len(triage.read_films) == 1
    opened(page, png(120))  # another film starts with its own strongest class, in the net chosen before
    assert [box.value for box in map_boxes(page)] == ["tuberculosis", "tb_two"]


def test_the_mean_of_the_maps_leaves_out_nets_without_evidence(page: AppTest) -> None:
    opened(page, png())
    mean, one, two = next(iter(page.session_state["maps"].values()))
    assert (mean.net, one.net, two.net) == (None, "tb_one", "tb_two")
    assert two.values is None
    assert mean.values.min() == 1


def methods(page: AppTest) -> Any:
    """The choice of the method, None where there is none."""
    return next((one for one in page.get("button_group") if one.proto.label == "Map made by"), None)


def test_the_method_can_be_chosen_for_a_transformer_alone_and_is_drawn_once(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    opened(page, png())
    assert methods(page) is None  # the mean of the models is by what all of them have
    map_boxes(page)[1].select("tb_one").run()
    assert methods(page) is None
    map_boxes(page)[1].select("tb_two").run()
    group = methods(page)
    assert [option.content for option in group.proto.options] == ["Grad-CAM", "Relevance"]
    assert "was not measured for these weights" in group.proto.help
    page.button_group(key="map_method").set_value("Relevance").run()
    assert not page.exception
    assert triage.drawn == ["tuberculosis", "tb_two.tuberculosis.Relevance"]
    page.button_group(key="map_method").set_value("Grad-CAM").run()
    page.button_group(key="map_method").set_value("Relevance").run()
    assert len(triage.drawn) == 2  # both are kept
    assert len(triage.read_films) == 1
    # The choice is still there after a net without it was looked at.
    map_boxes(page)[1].select("tb_one").run()
    map_boxes(page)[1].select("tb_two").run()
    assert page.button_group(key="map_method").value == "Relevance"


def test_the_help_on_methods_says_what_was_measured_of_these_weights() -> None:
    def pointing(value: float) -> Pointing:
        share = Share(value, value - 0.1, value + 0.1)
        return Pointing(20, 13, share, share)

    said = method_help(
        Texts(), MapFigures({"Grad-CAM": pointing(0.6), "Relevance": pointing(0.35)}, pointing(0.385))
    )
    assert "On 20 test films of 13 patients" in said
    assert "on 60 (50–70) by Grad-CAM, 35 (25–45) by Relevance of 100 films" in said
    assert said.endswith("a place taken at random in the lungs would on 38.")
    assert "not measured" in method_help(Texts(), MapFigures({}, None))


def test_the_synthetic_example_says_that_it_is_drawn(page: AppTest, triage: type[FakeTriage]) -> None:
    example = page.selectbox(key="opening_example")
    synthetic = next(i for i, title in enumerate(example.options) if title.startswith("Synthetic"))
    example.select_index(synthetic).run()
    assert "drawn by a program" in words(page)
    assert triage.read_films[0].notes == ("synthetic",)


def test_another_way_of_opening_replaces_the_film_and_none_closes_it(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    opened(page, png())
    page.selectbox(key="opening_example").select_index(0).run()
    assert len(triage.read_films) == 2
    opened(page, png(120))
    assert page.selectbox(key="opening_example").value is None
    assert len({film.sha256 for film in triage.read_films}) == 3


def test_the_download_is_the_assessment(page: AppTest) -> None:
    opened(page, png())
    assert len(page.get("download_button")) == 1
    reading = next(iter(page.session_state["readings"].values()))
    assert json.loads(reading.to_json())["file"] == "film.png"


def test_films_and_scores_are_kept_in_the_session_only(page: AppTest, triage: type[FakeTriage]) -> None:
    opened(page, png())
    other = AppTest.from_file(APP, default_timeout=30).run()
    assert "readings" not in other.session_state
    opened(other, png())
    assert len(triage.read_films) == 2


def marked(**said: Any) -> bytes:
    file = io.BytesIO()
    pixels = marked_film(**said).pixels
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def labels(page: AppTest) -> list[str]:
    return [button.label for button in page.button]


def test_an_accepted_film_is_read_and_its_view_told_by_look(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.gate = MarkedGate()
    said = words(opened(page, marked()))
    assert "Frontal chest film" in said
    assert "PA by look" in said
    assert len(triage.read_films) == 1


def test_what_is_no_chest_film_is_not_read_and_no_word_opens_the_gate(
    page: AppTest, triage: type[FakeTriage]
) -> None:
    triage.gate = MarkedGate()
    said = words(opened(page, marked(kind="ct")))
    assert not page.exception
    assert "This does not look like a frontal chest film" in said
    assert "Not read; see above." in said
    assert triage.read_films == []
    assert "Read anyway" not in labels(page)
    assert "Turn it upright and read it" not in labels(page)


def test_a_cautioned_film_is_read_on_the_readers_word(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.gate = MarkedGate()
    opened(page, marked(sign="child"))
    assert "The patient seems to be a child" in words(page)
    assert triage.read_films == []
    next(button for button in page.button if button.label == "Read anyway").click()
    page.run()
    assert not page.exception
    assert len(triage.read_films) == 1
    assert "The patient seems to be a child" in words(page)


def test_a_film_on_its_side_is_righted_with_one_click(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.gate = MarkedGate()
    opened(page, marked(turns=1))
    assert "The film seems to lie on its side" in words(page)
    next(button for button in page.button if button.label == "Turn it upright and read it").click()
    page.run()
    assert not page.exception
    (film,) = triage.read_films
    assert film.notes == ("righted",)
    np.testing.assert_allclose(film.pixels, marked_film().pixels, atol=0.003)
    assert "The film was turned or inverted to stand upright" in words(page)


def test_a_film_on_a_plate_is_cut_out_with_one_click(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.gate = MarkedGate()
    picture, file = on_a_plate(marked_film().pixels, 0.97), io.BytesIO()
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(file, "PNG")
    opened(page, file.getvalue())
    assert "This is a photo or screenshot of a film" in words(page)
    assert "Read anyway" in labels(page)
    next(button for button in page.button if button.label == "Cut the film out and read it").click()
    page.run()
    assert not page.exception
    (film,) = triage.read_films
    assert film.notes == ("cut_out",)
    assert film.rows < picture.shape[0]
    assert film.columns < picture.shape[1]
    assert "The film was cut out of a photo or screenshot" in words(page)
    assert not {"Cut the film out and read it", "Read anyway"} & set(labels(page))


def test_writing_that_stayed_around_a_film_is_not_said_to_come_from_the_file(
    page: AppTest, triage: type[FakeTriage], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = WrittenLine(PixelBox(2, 2, 40, 10), 0.9, False)
    monkeypatch.setattr(opening, "with_writing_noted", lambda film: (film.noted(CODE), (line,)))
    monkeypatch.setattr(opening, "find_writing", lambda pixels: ())
    triage.gate = MarkedGate()
    picture, file = on_a_plate(marked_film().pixels, 0.97), io.BytesIO()
    Image.fromarray(np.rint(picture * 255).astype(np.uint8)).save(file, "PNG")
    opened(page, file.getvalue())
    assert "Look at the writing (1)" in {one.label for one in page.expander}
    next(button for button in page.button if button.label == "Cut the film out and read it").click()
    page.run()
    assert not page.exception
    assert "There was writing on the picture that the film was cut out of" in words(page)
    assert "The file says so itself" not in words(page)
    assert "It is no name" in labels(page)  # which nobody has said yet


def test_a_photographed_film_without_a_plate_is_not_cut_out(page: AppTest, triage: type[FakeTriage]) -> None:
    triage.gate = MarkedGate()
    opened(page, marked(kind="photograph_of_film"))
    assert "Read anyway" in labels(page)
    assert "Cut the film out and read it" not in labels(page)
