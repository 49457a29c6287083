"""The gate's verdicts: what is refused, cautioned, accepted, and how a film is righted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrtriage.film.box import PixelBox
from cxrtriage.film.codes import GATE_CODES, SENTENCES
from cxrtriage.film.film import Film
from cxrtriage.film.read import read_film
from cxrtriage.film.synthetic import draw_film
from cxrtriage.gate.gate import GATE, GATE_FINE, Gate, Look, measured_codes, mended, righted
from cxrtriage.gate.surround import Side, Surround
from cxrtriage.nets.gate import KINDS, SIGNS, GateNet
from cxrtriage.weights import WEIGHTS_FOLDER, Card, WeightsError, read_card, save_net, write_card
from tests.gate.marked_gate import SIDE, MarkedGate, marked_film
from tests.gate.test_surround import on_a_plate

EXAMPLES = Path(__file__).parents[2] / "cxrtriage" / "examples"
shipped = pytest.mark.skipif(
    not (WEIGHTS_FOLDER / f"{GATE}.json").is_file(), reason="no gate is in the folder of weights"
)


def film_of(pixels: np.ndarray, **facts: object) -> Film:
    return Film(pixels=pixels.astype(np.float32), bits=8, sha256="0" * 64, format="png", **facts)


@pytest.mark.parametrize(
    ("film", "verdict", "codes"),
    [
        (marked_film(), "accepted", ()),
        (marked_film("lateral_chest"), "refused", ("lateral",)),
        (marked_film("part_of_chest"), "refused", ("cropped",)),
        (marked_film("ct"), "refused", ("not_frontal_chest",)),
        (marked_film("photograph_of_film"), "cautioned", ("photograph",)),
        (marked_film(sign="mirrored"), "cautioned", ("mirrored",)),
        (marked_film(sign="child"), "cautioned", ("child",)),
        (marked_film(age_years=9.0), "cautioned", ("child",)),
        (marked_film(sign="child", age_years=40.0), "accepted", ()),
        (marked_film(view="lateral"), "refused", ("lateral",)),
        (marked_film(turns=1), "refused", ("rotated_90",)),
        (marked_film(turns=3), "refused", ("rotated_90",)),
        (marked_film(turns=2), "refused", ("rotated_180",)),
    ],
)
def test_verdicts(film, verdict, codes):
    result = MarkedGate().check(film)
    assert (result.verdict, result.codes) == (verdict, codes)
    assert set(codes) <= set(SENTENCES)
    assert result.rightable == any(code.startswith("rotated") for code in codes)


def test_the_view_is_that_of_the_tag_or_else_by_look():
    gate = MarkedGate()
    assert gate.check(marked_film(sign="AP")).view == "AP"
    assert gate.check(marked_film(sign="AP", view="PA")).view == "PA"
    assert gate.check(marked_film()).view == "PA"
    assert gate.check(marked_film("ct")).view is None
    assert gate.check(marked_film("lateral_chest")).view == "lateral"


def test_an_unsure_look_says_no_view():
    gate = MarkedGate()
    gate.thresholds = replace(gate.thresholds, view=1.0)
    assert gate.check(marked_film(sign="AP")).view is None
    assert gate.check(marked_film(sign="AP")).verdict == "accepted"
    assert gate.check(marked_film(sign="AP", view="PA")).view == "PA"


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_righted_film_is_as_it_was_and_says_so(turns):
    film, gate = marked_film(spacing_mm=None), MarkedGate()
    turned = replace(film, pixels=np.ascontiguousarray(np.rot90(film.pixels, turns)))
    upright = righted(turned, gate.check(turned))
    np.testing.assert_array_equal(upright.pixels, film.pixels)
    assert upright.notes == ("righted",)
    assert gate.check(upright).verdict == "accepted"


def plated(film: Film) -> Film:
    return replace(film, pixels=on_a_plate(film.pixels, 0.97))


def test_a_film_cut_out_of_a_picture_of_it_is_as_it_was_and_says_so():
    deep = SIDE // 10
    film, gate = plated(marked_film(spacing_mm=(0.1, 0.2))), MarkedGate()
    result = gate.check(film)
    assert (result.verdict, result.codes, result.rightable) == ("cautioned", ("photograph",), False)
    film = replace(film, blanked=(PixelBox(deep - 5, deep + 4, deep + 9, deep + 8), PixelBox(0, 0, 5, 5)))
    cut = mended(film, result)
    assert abs(cut.rows - SIDE) <= 3
    assert abs(cut.columns - SIDE) <= 3
    assert cut.notes == ("cut_out",)
    assert cut.spacing_mm == (0.1, 0.2)
    (box,) = cut.blanked  # of the other nothing is left
    left, top = result.film_at.left, result.film_at.top
    assert box == PixelBox(0, deep + 4 - top, deep + 9 - left, deep + 8 - top)
    assert gate.check(cut).verdict == "accepted"
    assert mended(cut, gate.check(cut)) is cut


def test_only_a_film_of_which_it_is_cautioned_as_a_photograph_is_cut_out():
    gate = MarkedGate()
    assert gate.check(plated(marked_film("ct"))).film_at is None
    assert gate.check(marked_film("photograph_of_film")).film_at is None
    assert gate.check(marked_film(sign="child")).film_at is None
    assert mended(marked_film("ct"), gate.check(marked_film("ct"))).notes == ()


def test_what_would_be_refused_is_not_cut_out(monkeypatch):
    gate, picture = MarkedGate(), plated(marked_film())
    for box, offered in ((PixelBox(12, 12, 132, 132), True), (PixelBox(12, 12, 60, 60), False)):
        monkeypatch.setattr("cxrtriage.gate.gate.film_in", lambda _, box=box: box)
        assert gate.check(picture).verdict == "cautioned"
        assert gate.check(picture).film_at == (box if offered else None)


@shipped
def test_the_shipped_gate_cuts_a_shipped_film_out_of_its_plate():
    gate, film = Gate.load(), read_film(EXAMPLES / "shenzhen-00010.webp")
    picture = plated(film)
    result = gate.check(picture)
    assert (result.verdict, result.codes) == ("cautioned", ("photograph",))
    cut = mended(picture, result)
    assert gate.check(cut).verdict == "accepted"
    assert abs(cut.rows - film.rows) <= 0.015 * picture.rows
    assert abs(cut.columns - film.columns) <= 0.015 * picture.columns


@pytest.mark.parametrize("turns", range(4))
def test_what_lies_around_a_film_is_looked_for_the_right_way_up(turns, monkeypatch):
    seen = []
    monkeypatch.setattr("cxrtriage.gate.gate.surround_of", lambda pixels: seen.append(pixels) or Surround())
    MarkedGate().check(marked_film(turns=turns))
    np.testing.assert_array_equal(seen[0], marked_film().pixels)


def test_turning_takes_the_spacing_along():
    film = marked_film(turns=1, spacing_mm=(0.1, 0.2))
    assert righted(film, MarkedGate().check(film)).spacing_mm == (0.2, 0.1)


@pytest.mark.parametrize(
    ("pixels", "codes"),
    [
        (np.full((200, 200), 0.5), ("flat",)),
        (np.full((200, 200), 1.0), ("too_bright",)),
        (np.zeros((200, 200)), ("too_dark",)),
        (np.random.default_rng(1).random((20, 30)), ("too_small",)),
        (np.random.default_rng(1).random((150, 600)), ("not_frontal_chest",)),
        (np.random.default_rng(1).random((200, 240)), ()),
    ],
)
def test_plain_measurements_need_no_net(pixels, codes):
    assert measured_codes(film_of(pixels)) == codes
    if codes:
        result = MarkedGate().check(film_of(pixels))
        assert (result.verdict, result.codes, result.frontal_chest) == ("refused", codes, 0.0)


def test_a_thumbnail_of_something_else_is_that_first():
    gate = MarkedGate()
    for kind, code in (("frontal_chest", "too_small"), ("ct", "not_frontal_chest")):
        film = marked_film(kind)
        small = replace(film, pixels=np.ascontiguousarray(film.pixels[::2, ::2]))
        assert gate.check(small).codes == (code,)


def test_every_code_has_its_sentence():
    assert {"not_frontal_chest", "lateral", "cropped", "photograph", "child", "mirrored"} <= GATE_CODES
    assert {"righted", "cut_out", "read_anyway"} <= set(SENTENCES)


@shipped
def test_the_shipped_gate_accepts_the_shipped_films():
    gate = Gate.load()
    films = [read_film(path) for path in sorted(EXAMPLES.glob("*.webp")) + sorted(EXAMPLES.glob("*.dcm"))]
    assert [gate.check(film).verdict for film in films] == ["accepted"] * len(films)
    assert [gate.check(draw_film(seed)).verdict for seed in (1, 2)] == ["accepted", "accepted"]


@shipped
@pytest.mark.parametrize(("turns", "invert", "code"), [
    (0, True, "inverted"), (1, False, "rotated_90"), (2, False, "rotated_180"), (3, False, "rotated_90"),
])  # fmt: skip
def test_the_shipped_gate_rights_a_shipped_film(turns, invert, code):
    gate, film = Gate.load(), read_film(EXAMPLES / "shenzhen-00010.webp")
    pixels = np.rot90(film.pixels, turns)
    turned = replace(film, pixels=np.ascontiguousarray(1 - pixels if invert else pixels))
    result = gate.check(turned)
    assert (result.verdict, result.codes) == ("refused", (code,))
    np.testing.assert_allclose(righted(turned, result).pixels, film.pixels, atol=1e-6)


@shipped
def test_the_shipped_gate_cautions_of_a_film_on_a_light_box_but_not_of_an_inverted_dark_margin():
    gate, film = Gate.load(), read_film(EXAMPLES / "shenzhen-00010.webp")
    result = gate.check(replace(film, pixels=on_a_plate(film.pixels, 0.97)))
    assert (result.verdict, result.codes) == ("cautioned", ("photograph",))
    dark = replace(film, pixels=on_a_plate(film.pixels, 0.0))
    assert gate.check(dark).verdict == "accepted"
    assert gate.check(replace(dark, pixels=1 - dark.pixels)).codes == ("inverted",)


@shipped
@pytest.mark.slow
def test_the_shipped_gate_on_real_pictures(data_folder):
    """Pictures of the table that it did not learn from: none is read."""
    import csv

    gate, place = Gate.load(), data_folder / "gate"
    with (place / "gate.csv").open(newline="", encoding="utf-8") as stream:
        names = [row["file"] for row in csv.DictReader(stream) if row["split"] == "test"]
    passed = [name for name in names if gate.check(read_film(place / name)).verdict == "accepted"]
    assert len(passed) <= 0.02 * len(names), passed


def test_a_mirror_image_is_told_from_its_film_and_else_alike(monkeypatch):
    torch.manual_seed(3)
    net = GateNet(directions=8).eval()
    for head in (net.kind, net.turn, net.sign):
        torch.nn.init.normal_(head.weight, std=1.0)
    torch.nn.init.normal_(net.directions)
    # Means of the columns, which a mirror turns round, stand for features.
    columns = torch.nn.ConstantPad1d((0, net.kind.in_features - 96), 0.0)
    monkeypatch.setattr(net, "features", lambda films: columns(films[:, 0].mean(dim=1)))
    gate = Gate(Card(GATE, "", KINDS, GATE, {}, {"size": 96}, "", ""), net)
    picture = np.random.default_rng(1).integers(0, 256, (96, 96)).astype(np.uint8)
    one, other = gate.looks([picture, np.ascontiguousarray(picture[:, ::-1])])
    assert one.kinds == pytest.approx(other.kinds, abs=1e-5)
    assert one.distance == pytest.approx(other.distance, abs=1e-4)
    assert one.turns == pytest.approx([other.turns[n] for n in (0, 3, 2, 1)], abs=1e-5)
    assert np.ptp(one.turns) > 0.05
    for sign in ("inverted", "AP", "child"):
        assert one.signs[sign] == pytest.approx(other.signs[sign], abs=1e-5)
    assert one.signs["mirrored"] == pytest.approx(1 - other.signs["mirrored"], abs=1e-5)
    assert abs(one.signs["mirrored"] - 0.5) > 0.01


def small_gates(folder: Path) -> Gate:
    """Two untrained nets of different size in a folder, the second beside the first."""
    cards = []
    for seed, (name, size) in enumerate(((GATE, 64), (GATE_FINE, 96))):
        torch.manual_seed(seed)
        net = GateNet(directions=8).eval()
        torch.nn.init.normal_(net.kind.weight, std=1.0)
        torch.nn.init.normal_(net.directions)
        sha256 = save_net(net, folder / f"{name}.safetensors")
        cards.append(Card(name, "", KINDS, GATE, {"directions": 8}, {"size": size}, sha256, ""))
    write_card(replace(cards[0], settings={"beside": {GATE_FINE: cards[1].sha256}}), folder)
    write_card(cards[1], folder)
    return Gate.load(folder)


def test_nets_beside_each_other_speak_in_the_mean_of_their_chances(tmp_path):
    gate = small_gates(tmp_path)
    assert [card.name for card, _ in gate.nets] == [GATE, GATE_FINE]
    picture = gate.picture(draw_film(1, rows=300, columns=280).pixels)
    one, other = (Gate(card, net).look(picture) for card, net in gate.nets)
    both = gate.look(picture)
    assert one.kinds != pytest.approx(other.kinds, abs=1e-3)
    for kind in KINDS:
        assert both.kinds[kind] == pytest.approx((one.kinds[kind] + other.kinds[kind]) / 2, abs=1e-6)
    for said, first, second in zip(both.turns, one.turns, other.turns, strict=True):
        assert said == pytest.approx((first + second) / 2, abs=1e-6)
    for sign in SIGNS:
        assert both.signs[sign] == pytest.approx((one.signs[sign] + other.signs[sign]) / 2, abs=1e-6)
    assert both.distance == pytest.approx((one.distance + other.distance) / 2, rel=1e-5)


def test_a_net_beside_that_is_another_or_missing_is_refused(tmp_path):
    small_gates(tmp_path)
    torch.manual_seed(7)
    card = read_card(GATE_FINE, tmp_path)
    sha256 = save_net(GateNet(directions=8), tmp_path / f"{GATE_FINE}.safetensors")
    write_card(replace(card, sha256=sha256), tmp_path)
    with pytest.raises(WeightsError, match="not of these weights gate_fine"):
        Gate.load(tmp_path)
    (tmp_path / f"{GATE_FINE}.json").unlink()
    with pytest.raises(WeightsError, match=r"gate_fine\.json is not in"):
        Gate.load(tmp_path)


@pytest.mark.parametrize(
    ("chances", "code"),
    [
        # Alone a part of a chest is likeliest; together what shows no single film is.
        ({"part_of_chest": 0.36, "several_films": 0.34, "ct": 0.04, "other_scan": 0.04}, "not_frontal_chest"),
        ({"part_of_chest": 0.5, "several_films": 0.4}, "cropped"),
        # A form, a leg: what may well be no film of a chest is no part and no photograph of one.
        ({"part_of_chest": 0.7, "not_medical": 0.2}, "not_frontal_chest"),
        ({"part_of_chest": 0.7, "other_xray": 0.04}, "cropped"),
        ({"photograph_of_film": 0.9, "not_medical": 0.08}, "not_frontal_chest"),
        ({"photograph_of_film": 0.9, "not_medical": 0.03}, "photograph"),
        ({"lateral_chest": 0.6, "ct": 0.3}, "lateral"),
        # However much it looks like a film: a CT scout.
        ({"ct": 0.11}, "not_frontal_chest"),
    ],
)
def test_kinds_that_have_one_code_count_together(chances, code, monkeypatch):
    kinds = dict.fromkeys(KINDS, 0.0) | {"frontal_chest": 1 - sum(chances.values())} | chances
    look = Look(kinds, (1.0, 0.0, 0.0, 0.0), dict.fromkeys(SIGNS, 0.0), 1.0)
    gate = MarkedGate()
    monkeypatch.setattr(gate, "look", lambda picture: look)
    assert gate.check(marked_film()).codes == (code,)


@pytest.mark.parametrize(
    ("share", "foreign", "code"),
    [(0.7, 0.07, "photograph"), (0.7, 0.09, "not_frontal_chest"), (0.3, 0.07, "not_frontal_chest")],
)
def test_a_film_whose_sides_are_seen_may_have_words_around_it(share, foreign, code, monkeypatch):
    kinds = dict.fromkeys(KINDS, 0.0) | {"photograph_of_film": 1 - foreign, "not_medical": foreign}
    look = Look(kinds, (1.0, 0.0, 0.0, 0.0), dict.fromkeys(SIGNS, 0.0), 1.0)
    gate = MarkedGate()
    monkeypatch.setattr(gate, "look", lambda picture: look)
    sides = (Side(), *(Side(share, 0.9) for _ in range(3)))
    monkeypatch.setattr("cxrtriage.gate.gate.surround_of", lambda pixels: Surround(sides))
    assert gate.check(marked_film()).codes == (code,)
