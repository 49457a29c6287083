"""`python -m train evaluate gate`: thresholds on validation films, then what passes and what is refused, by
kind.

A gate is judged by hospitals it was not taught: where a run without some sources is there
(`python -m train gate --exclude ...`), its figures on these sources stand beside those of the shipped net.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from cxrtriage.film.film import Film, FilmError
from cxrtriage.film.read import read_film
from cxrtriage.gate.gate import GATE, GATE_FINE, Gate, GateResult, Thresholds
from cxrtriage.gate.side_marker import SIDE_MARKER, SideMarkers
from cxrtriage.nets.side_marker import SideMarkerNet
from cxrtriage.reading.cut_lungs import with_cut_lungs
from cxrtriage.reading.lung_finder import LungFinder
from cxrtriage.weights import Card, load_net, read_card, write_card
from train import gate_pictures as made
from train.gate import KIND_OF
from train.manifest import FilmRow, data_folder, read_films
from train.settings import SettingsError
from train.severity_truths import SEVERITY_TABLE, read_severity

# Of validation films that are frontal, this share may fail a threshold.
_LOST = 0.001
_SEVERE = 6.0
# Of the films that are counted by their source already.
_SEVERE_NAME, _PADDED_NAME = "severe (extent 6 or more)", "between two even bands"
# A view is said where, of validation films, at least this share of those said is right, and where the net is
# at least so sure: of validation films any that is said is right, of films of hospitals left out 0.81.
_VIEW_RIGHT, _VIEW_SURE = 0.97, (0.998, 0.999, 0.9995)
# Films of the tables that are mirrored themselves stand among the validation films, up to so many.
_MIRRORED = 0.02
# Of parts and photographs of validation films, this share may look foreign.
_FOREIGN_LOST = 0.01
_MOST = 1500  # films of a figure, drawn evenly
# AP or PA as films of Cohen and Figure 1 bear it themselves (portable, mobile, in bed, supine: AP), seen by
# one person on all their frontal films. Of the views in the tables more than a quarter differ from these.
VIEWS_WRITTEN = Path(__file__).with_name("views_written.csv")
_RIGHT_CODE = {"lateral_chest": "lateral"}

Check = Callable[[Film], GateResult]
"""What the program says of a film before it is read: the gate's net, then whether the lungs are cut."""


def evaluate_gate(runs: Path, weights: Path, results: Path) -> dict[str, Any]:
    """Thresholds onto the card; `gate.json` and `gate.md`."""
    rows = [row for row in read_films(data_folder()) if row.view != "lateral"]
    if not rows:
        raise SettingsError("there are no films to judge the gate by.")
    beside = [GATE_FINE] if (weights / f"{GATE_FINE}.json").is_file() else []
    marked = (weights / f"{SIDE_MARKER}.json").is_file()
    markers = weights / SIDE_MARKER if marked else None
    gate = _with_thresholds(_gate_of(weights, GATE, [weights / name for name in beside], markers), rows)
    figures = {"thresholds": asdict(gate.thresholds), "shipped": _figures(gate, rows, "test", weights)}
    for folder in sorted(runs.glob(f"{GATE}-without-*")):
        name = folder.name
        if not (folder / f"{name}.json").is_file():
            continue
        parts = [*beside, *([SIDE_MARKER] if marked else [])]
        others = [runs / name.replace(GATE, one, 1) for one in parts]
        if missing := [one.name for one in others if not (one / f"{one.name}.json").is_file()]:
            raise SettingsError(f"{runs}: {name} is there without {', '.join(missing)}; train it too.")
        files = [one / one.name for one in others]
        other = _gate_of(folder, name, files[: len(beside)], files[-1] if marked else None)
        sources = set(other.card.settings["exclude"])
        other = _with_thresholds(other, [row for row in rows if row.source not in sources])
        unseen = [row for row in rows if row.source in sources]
        figures[", ".join(sorted(sources))] = _figures(other, unseen, None, weights)
    asked: dict[str, Any] = {"beside": {card.name: card.sha256 for card, _ in gate.nets[1:]}}
    if gate.markers:
        asked["markers"] = gate.markers.card.sha256
    for name, part in _left_out_before(gate.card, asked).items():
        figures.setdefault(name, {**part, "of_before": True})
    results.mkdir(parents=True, exist_ok=True)
    settings = {
        **gate.card.settings,
        "thresholds": asdict(gate.thresholds),
        **asked,
    }
    card = replace(gate.card, settings=settings, figures=figures)
    write_card(card, weights)
    (results / "gate.json").write_text(json.dumps(figures, indent=1) + "\n")
    (results / "gate.md").write_text(_tables(figures))
    return figures


def _left_out_before(card: Card, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What an earlier evaluation of these very nets said of gates left without some sources, whose runs may
    be gone since; nothing where other nets than then are `asked` beside the card's."""
    before = {name: card.settings[name] for name in ("beside", "markers") if name in card.settings}
    if {"beside": {}, **before} != {"beside": {}, **asked}:
        return {}
    return {name: part for name, part in card.figures.items() if name not in ("thresholds", "shipped")}


def _gate_of(folder: Path, name: str, beside: Sequence[Path], markers: Path | None) -> Gate:
    """A net, those that look beside it and what reads side markers, given as folder and name; none of them
    may know more sources."""
    card = read_card(name, folder)
    others = [(read_card(one.name, one.parent), one.parent) for one in beside]
    reader = None
    if markers:
        of_markers = read_card(markers.name, markers.parent)
        net = load_net(of_markers, markers.parent)
        assert isinstance(net, SideMarkerNet)
        reader = SideMarkers(of_markers, net)
    for other in [other for other, _ in others] + ([reader.card] if reader else []):
        if shown := set(card.settings.get("exclude", ())) - set(other.settings.get("exclude", ())):
            raise SettingsError(f"{other.name} was shown films of {', '.join(sorted(shown))}.")
    nets = [(other, load_net(other, place)) for other, place in others]
    return Gate(card, load_net(card, folder), nets, reader)


def _with_lungs(gate: Gate, weights: Path) -> Check:
    finder = LungFinder.load(str(gate.card.settings["lungs"]), weights)

    def check(film: Film) -> GateResult:
        result = gate.check(film)
        return result if result.verdict == "refused" else with_cut_lungs(result, finder.find(film))

    return check


def _film(path: Path) -> Film | None:
    try:
        return read_film(path)
    except FilmError:
        return None


def _drawn(rows: Sequence[FilmRow], most: int = _MOST) -> list[FilmRow]:
    if len(rows) <= most:
        return list(rows)
    return [rows[n] for n in np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _with_thresholds(gate: Gate, rows: Sequence[FilmRow]) -> Gate:
    """The gate with thresholds that all but a few validation films of adults pass, never laxer than the
    defaults where these are enough.

    Films of a hospital that the net does not know look less like films to it than validation films do: half
    of the evidence of the least sure of these is enough.
    """
    plain = Thresholds()
    val = _drawn([row for row in rows if row.split == "val" and row.adult is not False])
    looks = [gate.look(gate.picture(read_film(row.path).pixels)) for row in val]
    frontal = np.array([one.frontal + one.kinds["photograph_of_film"] for one in looks])
    doubted = gate.card.settings.get("views_doubted", ())
    views = [
        (one.signs["AP"], row.view)
        for one, row in zip(looks, val, strict=True)
        if row.view and row.source not in doubted
    ]
    limits = Thresholds(
        frontal=_half_as_sure(float(np.quantile(frontal, _LOST)), plain.frontal),
        photograph=_half_as_sure_not([one.photographed for one in looks], plain.photograph),
        inverted=_upper([one.signs["inverted"] for one in looks], plain.inverted),
        turned=_upper([1 - one.turns[0] for one in looks], plain.turned),
        mirrored=_upper([one.signs["mirrored"] for one in looks], plain.mirrored, _MIRRORED),
        child=_upper([one.signs["child"] for one in looks], plain.child),
        distance=round(float(np.max([one.distance for one in looks])) * 1.15, 3),
        view=_sure_of_view(views),
        foreign=_foreign(gate, val[::3], plain.foreign),
    )
    gate.thresholds = limits
    return gate


def _foreign(gate: Gate, rows: Sequence[FilmRow], least: float) -> float:
    """The chance of anything foreign that hardly any part or photograph of these films reaches."""
    random = np.random.default_rng(2)
    chances = []
    for row in rows:
        film = np.rint(255 * _square(read_film(row.path).pixels)).astype(np.uint8)
        ground = _ground(film.shape[0], random)
        for picture in (made.part_of(film, random), made.photographed(film, ground, random)):
            chances.append(gate.look(gate.picture(_of(picture).pixels)).foreign)
    return round(max(float(np.quantile(chances, 1 - _FOREIGN_LOST)), least), 3)


def _half_as_sure(chance: float, least: float) -> float:
    """The chance whose logit is half of this one's, and at least `least`."""
    logit = 0.5 * float(np.log(chance / (1 - chance)))
    return round(max(1 / (1 + float(np.exp(-logit))), least), 3)


def _half_as_sure_not(chances: Sequence[float], most: float) -> float:
    """The same of what these films are not, and at most `most`."""
    return round(1 - _half_as_sure(1 - float(np.quantile(chances, 1 - _LOST)), 1 - most), 3)


def _sure_of_view(looks: Sequence[tuple[float, str]]) -> float:
    """The least chance of a view from which on enough of those said are right; the greatest where none is."""
    for least in _VIEW_SURE:
        said = [
            (chance > 0.5) == (view == "AP") for chance, view in looks if max(chance, 1 - chance) >= least
        ]
        if said and np.mean(said) >= _VIEW_RIGHT:
            break
    return least


def _upper(values: Sequence[float], least: float, lost: float = _LOST) -> float:
    return round(float(np.clip(np.quantile(values, 1 - lost), least, 0.999)), 3)


def _figures(gate: Gate, rows: Sequence[FilmRow], split: str | None, weights: Path) -> dict[str, Any]:
    """Of the films of `rows` (of one split, or all), and of what is made of them; and of the other pictures
    here."""
    films = [row for row in rows if split is None or row.split == split]
    adults = _drawn([row for row in films if row.adult is not False])
    severe = _severe(data_folder())
    random = np.random.default_rng(1)
    check = _with_lungs(gate, weights)
    said: dict[str, list[bool]] = {}
    views: list[tuple[FilmRow, str | None]] = []
    turned: dict[str, list[bool]] = {"inverted": [], "rotated_90": [], "rotated_180": [], "righted": []}
    made_up: dict[str, list[tuple[str, bool]]] = {}
    mirrored: list[bool] = []
    small = [read_film(row.path) for row in adults]
    pictures = [np.rint(255 * _square(film.pixels)).astype(np.uint8) for film in small]
    for number, (row, film) in enumerate(zip(adults, small, strict=True)):
        result = check(film)
        said.setdefault(row.source, []).append(result.verdict == "accepted")
        if row.file in severe:
            said.setdefault(_SEVERE_NAME, []).append(result.verdict == "accepted")
        if result.verdict == "accepted":
            views.append((row, result.view))
        if number % 3 == 0:
            _turned(gate, film, turned)
            flipped = replace(film, pixels=np.ascontiguousarray(film.pixels[:, ::-1]), view=None)
            mirrored.append("mirrored" in gate.check(flipped).codes)
        if number % 3 == 1:
            for name, code, picture in _made(pictures, number, random):
                made_up.setdefault(name, []).append(_right(check(_of(picture)), code))
        if number % 3 == 2:
            between = check(_of(made.padded(pictures[number], random)))
            said.setdefault(_PADDED_NAME, []).append(between.verdict == "accepted")
    children = _drawn([row for row in films if row.adult is False], 300)
    found = ["child" in gate.check(read_film(row.path)).codes for row in children]
    twice = (_SEVERE_NAME, _PADDED_NAME)
    everyone = [one for name, each in said.items() if name not in twice for one in each]
    return {
        "films": len(adults),
        "accepted": round(float(np.mean(everyone)), 4),
        "accepted_by_source": {
            name: [round(float(np.mean(each)), 4), len(each)] for name, each in said.items()
        },
        **view_figures(views, read_views_written()),
        "recognised": {
            name: [round(float(np.mean(each)), 4), len(each)] for name, each in turned.items() if each
        },
        "mirrored_seen": _share(mirrored),
        "children_seen": _share(found),
        "made_up": _told(made_up),
        "others": _others(check),
    }


def _severe(folder: Path) -> set[str]:
    """Files of films that are scored as severe; none where nothing is scored."""
    if not (folder / SEVERITY_TABLE).is_file():
        return set()
    return {truth.row.file for truth in read_severity(folder, read_films(folder)) if truth.extent >= _SEVERE}


def read_views_written(path: Path = VIEWS_WRITTEN) -> dict[str, str]:
    """The view that is written on a film, by its file."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {cells["file"]: cells["view"] for cells in csv.DictReader(stream)}


def view_figures(
    views: Sequence[tuple[FilmRow, str | None]], written: Mapping[str, str]
) -> dict[str, list[float] | dict[str, list[float] | None] | None]:
    """Share and number of right views, of films with what is said of them (None: nothing): by the tables; by
    what is written on films, where it is; by this over the tables. And how often the tables say the same."""
    tabled = [(row, said) for row, said in views if row.view in ("AP", "PA")]
    told = [(row, said) for row, said in tabled if said]
    inscribed = [(row, said) for row, said in views if row.file in written]
    return {
        "view_right": _share([said == row.view for row, said in told]),
        "view_said": _share([said is not None for _, said in tabled]),
        "view_right_by_source": {
            source: _share([said == row.view for row, said in told if row.source == source])
            for source in dict.fromkeys(row.source for row, _ in tabled)
        },
        "view_right_written": _share([said == written[row.file] for row, said in inscribed if said]),
        "view_right_written_first": _share([said == written.get(row.file, row.view) for row, said in told]),
        "table_right_written": _share(
            [row.view == written[row.file] for row, _ in inscribed if row.view in ("AP", "PA")]
        ),
    }


def _share(right: Sequence[bool]) -> list[float] | None:
    """Share and number; None of nothing."""
    return [round(float(np.mean(right)), 4), len(right)] if right else None


def _square(pixels: np.ndarray) -> np.ndarray:
    return made.resized(np.asarray(pixels, np.float32), 320)


def _of(picture: np.ndarray) -> Film:
    """A picture of uint8 as a film without any tag."""
    return Film(pixels=picture.astype(np.float32) / np.float32(255), bits=8, sha256="", format="png")


def _turned(gate: Gate, film: Film, turned: dict[str, list[bool]]) -> None:
    film = replace(film, view=None)
    inverted = gate.check(replace(film, pixels=np.float32(1.0) - film.pixels))
    turned["inverted"].append(inverted.codes[:1] == ("inverted",))
    turned["righted"].append(inverted.invert and not inverted.turns)
    for turns, code in ((1, "rotated_90"), (2, "rotated_180"), (3, "rotated_90")):
        result = gate.check(replace(film, pixels=np.ascontiguousarray(np.rot90(film.pixels, turns))))
        turned[code].append(result.codes[:1] == (code,))
        turned["righted"].append(result.turns == (4 - turns) % 4 and not result.invert)


def _made(
    pictures: Sequence[np.ndarray], number: int, random: np.random.Generator
) -> list[tuple[str, str, np.ndarray]]:
    """Name, right code and picture."""
    film = pictures[number]
    size = film.shape[0]

    def draw() -> np.ndarray:
        return pictures[int(random.integers(len(pictures)))]

    ground = _ground(size, random)
    return [
        ("half of a film", "cropped", made.part_of(film, random)),
        ("several films", "not_frontal_chest", made.several(draw, random)),
        ("photograph of a film", "photograph", made.photographed(film, ground, random)),
        ("film on a light box", "photograph", made.on_light_box(film, random)),
        ("film on a screen", "photograph", made.on_screen(film, random)),
        ("film on a page", "photograph", made.on_page(film, random)),
        ("sketch after a film", "not_frontal_chest", made.sketch(film, random)),
        ("drawn chest", "not_frontal_chest", made.drawn_chest(size, random)),
        ("form", "not_frontal_chest", made.form_sheet(size, random, film)),
        ("nothing", "not_frontal_chest", made.nothing(size, random)),
    ]


def _ground(size: int, random: np.random.Generator) -> np.ndarray:
    """What a film is photographed on."""
    return (255 * made.cloud(size, random, size / 8)).astype(np.uint8)


def _right(result: GateResult, code: str) -> tuple[str, bool]:
    """Whether it was kept from being read, and whether for the right reason."""
    if result.verdict == "accepted":
        return "accepted", False
    # A blank sheet is refused for being blank.
    even = result.codes[0] in ("flat", "too_bright", "too_dark")
    return result.verdict, result.codes[0] == code or (even and code == "not_frontal_chest")


def _told(said: dict[str, list[tuple[str, bool]]]) -> dict[str, Any]:
    return {
        name: {
            "number": len(each),
            "not_accepted": round(float(np.mean([verdict != "accepted" for verdict, _ in each])), 4),
            "right_code": round(float(np.mean([right for _, right in each])), 4),
        }
        for name, each in said.items()
    }


def _others(check: Check) -> dict[str, Any]:
    """The pictures of the gate's table that it did not learn from."""
    said: dict[str, list[tuple[str, bool]]] = {}
    table = data_folder() / "gate" / "gate.csv"
    if not table.is_file():
        return {}
    with table.open(newline="", encoding="utf-8-sig") as stream:
        for cells in csv.DictReader(stream):
            film = _film(table.parent / cells["file"])
            if cells["split"] != "test" or film is None:
                continue
            code = _RIGHT_CODE.get(KIND_OF[cells["kind"]], "not_frontal_chest")
            said.setdefault(cells["kind"], []).append(_right(check(film), code))
    told = _told(said)
    everything = [one for each in said.values() for one in each]
    return {"all": _told({"all": everything})["all"], **told} if everything else {}


def _tables(figures: dict[str, Any]) -> str:
    lines = [
        "# The gate",
        "",
        "Made by `python -m train evaluate gate`. Accepted: read without a question. Thresholds were set on",
        "validation films: "
        + ", ".join(f"{name} {value}" for name, value in figures["thresholds"].items())
        + ".",
        "A name of sources stands for a net that was never shown them, measured on all their films.",
    ]
    if any("of_before" in part for part in figures.values()):
        lines += [
            "What is of before was measured by an earlier evaluation, of nets that are not at hand any more,",
            "with the rules beside the nets that the gate had then.",
        ]
    for name, part in figures.items():
        if name == "thresholds":
            continue
        lines += [
            "",
            "## The shipped net, test films"
            if name == "shipped"
            else f"## Never shown {name}{', of before' if 'of_before' in part else ''}",
            "",
            f"Frontal films of adults accepted: {part['accepted']:.4f} of {part['films']}.",
            "",
            "| films | accepted | number |",
            "|---|---|---|",
        ]
        lines += [
            f"| {source} | {share:.3f} | {count} |"
            for source, (share, count) in part["accepted_by_source"].items()
        ]
        lines += ["", "| recognised | share | number |", "|---|---|---|"]
        views = {f"view of {name}, where said": of for name, of in part["view_right_by_source"].items()}
        signs = {**part["recognised"], "view AP or PA, where said": part["view_right"], **views,
                 "view, where said and written on the film": part["view_right_written"],
                 "view, where said, what is written over the tables": part["view_right_written_first"],
                 "the tables' view, where one is written": part["table_right_written"],
                 "view said at all": part["view_said"], "mirrored": part["mirrored_seen"],
                 "child": part["children_seen"]}  # fmt: skip
        lines += [f"| {sign} | {of[0]:.3f} | {of[1]} |" for sign, of in signs.items() if of]
        lines += ["", "| other pictures | not accepted | right code | number |", "|---|---|---|---|"]
        for kind, of in {**part["made_up"], **part["others"]}.items():
            lines.append(f"| {kind} | {of['not_accepted']:.3f} | {of['right_code']:.3f} | {of['number']} |")
    return "\n".join(lines) + "\n"
