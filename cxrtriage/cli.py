"""The command line of reading: films or CT series in, one JSON object each out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cxrtriage import __version__
from cxrtriage.rows import RowFile, rows_to, save_picture, save_text, whole_lines

if TYPE_CHECKING:
    from cxrtriage.ct.lesion_finder import LesionFinder
    from cxrtriage.ct.reading import CtReading
    from cxrtriage.ct.rule import Rule
    from cxrtriage.ct.series import Series
    from cxrtriage.film.film import Film
    from cxrtriage.reading.assessment import Assessment, Diagnosis
    from cxrtriage.reading.map_methods import MapMethod
    from cxrtriage.reading.saliency import Saliency
    from cxrtriage.reading.site import Site
    from cxrtriage.reading.triage import Triage

ALL_READ, WRONG_USAGE, SOME_REFUSED, STOPPED = 0, 2, 3, 130

CAUTION = "For research and teaching; not a medical device. A score is not a diagnosis."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all films were read, 3 when some were refused, 2 for wrong usage or a result
    that cannot be written, 130 when the user stopped it."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except KeyboardInterrupt:
        print("\nStopped; rows that were written are whole.", file=sys.stderr)
        return STOPPED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cxrtriage", description=CAUTION)
    parser.add_argument("--version", action="version", version=f"cxrtriage {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    assess = commands.add_parser(
        "assess",
        help="score films; one JSON object a film",
        description=f"Score films and write one JSON object a film, a line each. {CAUTION}",
    )
    assess.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="film, or folder to walk")
    assess.add_argument(
        "--out",
        type=Path,
        help="write the lines here instead of standard output, each as soon as its film is read; "
        "a file of that name is begun anew",
    )
    assess.add_argument(
        "--go-on",
        action="store_true",
        help="keep the rows that --out holds and read only the films that are not among them: after a "
        "stop, or for a folder that grows",
    )
    assess.add_argument("--models", help="read with these nets only, by name, with commas between")
    assess.add_argument(
        "--operating-point",
        metavar="NAME",
        help="hold scores against these thresholds, such as sensitivity_0.90, specificity_0.70 or youden",
    )
    assess.add_argument(
        "--site",
        type=Path,
        metavar="FILE",
        help="hold scores against a hospital's own thresholds, from a file of the command thresholds; a "
        "class that has none there is held against the card's",
    )
    assess.add_argument(
        "--read-anyway",
        action="store_true",
        help="read films of which the gate cautions (refused ones never)",
    )
    assess.add_argument(
        "--fix",
        action="store_true",
        help="turn upright, invert back or cut out of a picture of it what needs to be, and read it",
    )
    maps = assess.add_mutually_exclusive_group()
    maps.add_argument(
        "--maps",
        type=Path,
        metavar="DIR",
        help="write <stem>.<class>.png overlays here: for each class the mean of the nets' maps",
    )
    assess.add_argument(
        "--map-method",
        choices=("grad-cam", "relevance"),
        default="grad-cam",
        help="how maps are made; relevance, which transformers alone have, writes "
        "<stem>.<class>.relevance.png",
    )
    maps.add_argument("--no-saliency", action="store_true", help="make no maps (so it is without --maps)")
    assess.add_argument(
        "--keep-writing",
        action="store_true",
        help="leave writing in the overlays of --maps, on your word that it is no name (else it is blanked)",
    )
    assess.set_defaults(run=_assess)
    ct = commands.add_parser(
        "ct",
        help="find lesions in CT series; one JSON object a series",
        description=f"Read CT series and write one JSON object a series, a line each. {CAUTION}",
    )
    ct.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="folder of slices, ZIP, NIfTI volume or one file"
    )
    ct.add_argument(
        "--out",
        type=Path,
        help="write the lines here instead of standard output, each as soon as its series is read; "
        "a file of that name is begun anew",
    )
    ct.add_argument(
        "--masks",
        type=Path,
        metavar="DIR",
        help="write each slice's lesion mask here, under the slice's name",
    )
    ct.add_argument(
        "--slices", type=_positive, metavar="N", help="slices in a row that make a series positive"
    )
    ct.add_argument(
        "--min-area",
        type=_positive,
        metavar="PIXELS",
        help="smallest lesion that counts, in pixels of a slice",
    )
    ct.set_defaults(run=_ct)
    thresholds = commands.add_parser(
        "thresholds",
        help="set a hospital's own thresholds from scores of its own films",
        description="Hold scores beside what the films truly showed: what the cards' thresholds give there, "
        f"and thresholds of the hospital's own. {CAUTION}",
    )
    thresholds.add_argument("scores", type=Path, help="rows of films, as assess wrote them")
    thresholds.add_argument(
        "truths",
        type=Path,
        help="CSV with a column file, one a class (tuberculosis, covid19, other_infection) with 1, 0 or "
        "nothing, and patient where there are several films of one: the first of each counts",
    )
    thresholds.add_argument("--site", metavar="NAME", help="the hospital's name, for --out")
    thresholds.add_argument(
        "--out", type=Path, metavar="FILE", help="write the hospital's own thresholds here, for assess --site"
    )
    for rate, usual in (("sensitivity", 0.9), ("specificity", 0.7)):
        thresholds.add_argument(
            f"--{rate}",
            type=_share,
            nargs="+",
            default=[usual],
            metavar="SHARE",
            help=f"set a threshold for this {rate} (default {usual:.2f})",
        )
    thresholds.set_defaults(run=_thresholds)
    return parser


def _share(words: str) -> float:
    try:
        share = float(words)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"{words!r} must lie between 0 and 1, such as 0.90")
    return share


def _positive(words: str) -> int:
    if not words.isdecimal() or int(words) < 1:
        raise argparse.ArgumentTypeError(f"{words!r} must be a whole number from 1 on")
    return int(words)


def _assess(options: argparse.Namespace) -> int:
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        print(f"There is no file or folder {missing[0]}.", file=sys.stderr)
        return WRONG_USAGE
    if options.go_on and options.out is None:
        print("--go-on needs --out, the file of rows to go on with.", file=sys.stderr)
        return WRONG_USAGE
    from cxrtriage.film.read import start_reader

    start_reader()  # while the nets are loaded
    from cxrtriage.reading.site import read_site
    from cxrtriage.reading.triage import Triage
    from cxrtriage.weights import WeightsError

    try:
        site = read_site(options.site) if options.site else None
        triage = Triage.load(models=options.models.split(",") if options.models else None)
        held = Held(triage, site, options.operating_point)
    except WeightsError as error:
        print(error.message, file=sys.stderr)
        return WRONG_USAGE
    if options.maps and not any(_method(options) in ways for ways in triage.map_methods.values()):
        print(
            f"None of {', '.join(triage.members)} is a transformer, so none has maps by relevance.",
            file=sys.stderr,
        )
        return WRONG_USAGE
    for said in _missing_parts(triage):
        print(said, file=sys.stderr)
    films = list(_walk(options.paths))
    out = options.out.resolve() if options.out else None
    # A table that is being written into a folder that is being read is no film.
    films = [path for path in films if path.resolve() != out]
    rows = None
    try:
        known = _rows_known(options.out, held) if options.go_on else {}
        if options.maps:
            options.maps.mkdir(parents=True, exist_ok=True)
        with rows_to(options.out, go_on=options.go_on) as rows:
            refused = _assess_all(films, held, rows, options, known)
    except ValueError as error:
        print(error, file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:
        print(_not_written(error, rows), file=sys.stderr)
        return WRONG_USAGE
    return SOME_REFUSED if refused else ALL_READ


class Held:
    """The nets, and the thresholds that their scores are held against."""

    def __init__(self, triage: Triage, site: Site | None, operating_point: str | None) -> None:
        """Raises WeightsError where the site's thresholds are of other nets, or there is no such point."""
        self.triage, self._site = triage, site
        points = triage.points_with(site)
        self._point = operating_point or (points[0] if site else triage.operating_point)
        triage.needs_point(self._point, site)

    def against(self, assessment: Assessment) -> Assessment:
        """The assessment with its scores against these thresholds."""
        return self.triage.held_against(assessment, self._point, self._site)

    def were(self, row: Assessment) -> bool:
        """Whether a row was read by these nets and held against these thresholds."""
        if row.versions != self.triage.versions:
            return False
        if row.diagnosis is None:
            return True
        try:
            again = self.against(row).diagnosis
        except (LookupError, TypeError, ValueError, ArithmeticError):  # a row that somebody wrote by hand
            return False
        return again is not None and _thresholds_of(again) == _thresholds_of(row.diagnosis)


def _thresholds_of(diagnosis: Diagnosis) -> dict[str, tuple[str, str, float]]:
    """By class, at which point it was held against whose threshold."""
    return {
        name: (one.operating_point, one.threshold_source, one.threshold)
        for name, one in diagnosis.classes.items()
    }


def _not_written(error: OSError, rows: RowFile | None) -> str:
    kept = f" Rows written before it are whole: {rows.written}." if rows and rows.written else ""
    return f"The result cannot be written: {error}.{kept}"


def _missing_parts(triage: Triage) -> Iterator[str]:
    """A sentence for each part that reading does without."""
    for error in triage.problems.values():
        yield f"{error.message} The rest is read without it."
    if not triage.has_gate:
        yield "No gate is installed, so nothing checks that these are frontal chest films."
    if triage.severity_card is None and "severity" not in triage.problems:
        yield "No severity nets are installed, so zones and scales are not read."


def _rows_known(path: Path, held: Held) -> dict[tuple[str, str | None], str]:
    """Status by file and checksum of the rows in a file; ValueError with a sentence where they are not rows
    of these nets and thresholds, since one file would then hold numbers that cannot be compared."""
    from cxrtriage.reading.assessment import Assessment

    known: dict[tuple[str, str | None], str] = {}
    for line in whole_lines(path) if path.exists() else []:
        try:
            row = Assessment.from_json(line.decode("utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} holds lines that are no rows of films; name another file.") from error
        if not held.were(row):
            raise ValueError(f"{path} holds rows of other nets or thresholds; name another file.")
        known[row.file, row.sha256] = row.status
    return known


def _checksum(path: Path) -> str | None:
    from cxrtriage.weights import checksum

    try:
        return checksum(path)
    except OSError:
        return None


def _walk(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named, folders walked in sorted order; hidden files are left out."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts):
                    yield file
        else:
            yield path


def _assess_all(
    films: Sequence[Path],
    held: Held,
    rows: RowFile,
    options: argparse.Namespace,
    known: dict[tuple[str, str | None], str],
) -> int:
    """Write a row a film as soon as it is read, so that a row once written survives what follows.

    `known`: films whose row is there already. Maps come before their row: what has a row has its maps.
    """
    from cxrtriage.film.writing import CODE

    refusals: Counter[str] = Counter()
    kept = written = 0
    names: Counter[str] = Counter()
    maps: Path | None = options.maps
    for number, path in enumerate(films, start=1):
        if sys.stderr.isatty():
            print(f"\r{number}/{len(films)}", end="", file=sys.stderr)  # no name: a file's may be a patient's
        status = known.get((str(path), _checksum(path))) if known else None
        if status is not None:
            kept += 1
            names[path.stem] += status == "read"
            continue
        assessment, film, found = _assess_one(path, held.triage, options)
        assessment = held.against(assessment)
        written += CODE in assessment.codes
        if assessment.status == "refused":
            refusals[assessment.codes[0]] += 1
        if maps is not None and film is not None and found:
            names[path.stem] += 1
            # Films of the same name from different folders do not overwrite each other's maps.
            stem = path.stem if names[path.stem] == 1 else f"{path.stem}-{names[path.stem]}"
            _write_maps(film, found, maps, stem)
        rows.write(assessment.to_json())
    if sys.stderr.isatty():
        print(file=sys.stderr)
    refused = sum(refusals.values())
    reasons = ", ".join(f"{code} {count}" for code, count in refusals.most_common())
    if written:
        print(f"{written} with writing on them ({CODE}): it may be a name.", file=sys.stderr)
    print(
        f"{len(films) - refused - kept} read, {refused} refused{f' ({reasons})' if reasons else ''}"
        f"{f', {kept} kept as they were' if kept else ''}. {CAUTION}",
        file=sys.stderr,
    )
    return refused


def _assess_one(
    path: Path, triage: Triage, options: argparse.Namespace
) -> tuple[Assessment, Film | None, list[Saliency]]:
    """The row, the film for its overlays (without its writing, unless that is to be kept), and the maps."""
    import time
    from dataclasses import replace

    from cxrtriage.film.blanking import blanked
    from cxrtriage.film.film import FilmError
    from cxrtriage.film.read import read_film
    from cxrtriage.film.writing import with_writing_noted
    from cxrtriage.weights import WeightsError

    began = time.perf_counter()
    try:
        film = read_film(path)
    except FilmError as error:
        return replace(triage.refusal(error, file=str(path)), sha256=_checksum(path)), None, []
    read = round(time.perf_counter() - began, 4)
    amiss: tuple[str, ...] = ()
    try:
        if options.fix:
            film, amiss = _fixed(film, triage)
        film, lines = with_writing_noted(film)
        assessment, found = triage.read(
            film,
            file=str(path),
            maps=options.maps is not None,
            method=_method(options),
            read_anyway=options.read_anyway,
        )
    except WeightsError as error:  # a net gave no number for this film; another film may have one
        return triage.refusal(error, file=str(path), film=film), None, []
    codes = tuple(dict.fromkeys((*amiss, *assessment.codes)))
    assessment = replace(assessment, codes=codes, seconds={**assessment.seconds, "read": read})
    shown = film if options.keep_writing else blanked(film, [line.box for line in lines])
    return assessment, shown, found


def _fixed(film: Film, triage: Triage) -> tuple[Film, tuple[str, ...]]:
    """The film as the gate says that it can be read, and what was amiss with it; a film that was turned may
    still have to be cut out."""
    from cxrtriage.gate.gate import mended

    amiss: tuple[str, ...] = ()
    for _ in range(2):
        checked = triage.checked(film)
        better = mended(film, checked) if checked is not None else film
        if checked is None or better is film:
            break
        film, amiss = better, (*amiss, *checked.codes)
    return film, amiss


def _method(options: argparse.Namespace) -> MapMethod:
    from cxrtriage.reading.map_methods import GRAD_CAM, RELEVANCE

    return RELEVANCE if options.map_method == "relevance" else GRAD_CAM


def _write_maps(film: Film, found: Sequence[Saliency], folder: Path, stem: str) -> None:
    """One overlay a class: the mean of the nets' maps."""
    from PIL import Image

    from cxrtriage.reading.map_methods import GRAD_CAM
    from cxrtriage.reading.saliency import mean_saliency
    from cxrtriage.show.overlay import overlay

    for class_name in dict.fromkeys(saliency.class_name for saliency in found):
        mean = mean_saliency([saliency for saliency in found if saliency.class_name == class_name])
        method = "" if mean.method == GRAD_CAM else f".{mean.method.lower()}"
        picture = Image.fromarray(overlay(film, mean.map))
        save_picture(picture, folder / f"{stem}.{class_name}{method}.png")


def _thresholds(options: argparse.Namespace) -> int:
    if (options.out is None) != (options.site is None):
        print("--out needs --site, the hospital's name, and --site needs --out.", file=sys.stderr)
        return WRONG_USAGE
    if options.out and options.out.resolve() in (options.scores.resolve(), options.truths.resolve()):
        print(f"--out {options.out} would replace what it is made from; name another file.", file=sys.stderr)
        return WRONG_USAGE
    from cxrtriage.desk.threshold_bench import (
        BenchError,
        Nets,
        bench,
        bench_lines,
        matched,
        scores_of,
        site_of,
        truths_of,
    )
    from cxrtriage.weights import WeightsError

    try:
        rows = scores_of(options.scores.read_bytes())
        nets = Nets.installed(rows)
        truths = truths_of(options.truths.read_bytes(), list(nets.readers))
    except (BenchError, WeightsError) as error:
        print(error.message, file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:
        print(f"The films' scores or truths cannot be read: {error}.", file=sys.stderr)
        return WRONG_USAGE
    try:
        pairs = matched(rows, truths)
        found = bench(pairs, nets, options.sensitivity, options.specificity)
        print(f"{len(pairs)} of {len(truths)} films of the table were read.")
        for line in bench_lines(found):
            print(line)
        if options.out:
            save_text(site_of(options.site, found, nets).to_json(), options.out)
    except BenchError as error:
        print(error.message, file=sys.stderr)
        return WRONG_USAGE
    except OSError as error:
        print(_not_written(error, None), file=sys.stderr)
        return WRONG_USAGE
    print(CAUTION, file=sys.stderr)
    return ALL_READ


def _ct(options: argparse.Namespace) -> int:
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        print(f"There is no file or folder {missing[0]}.", file=sys.stderr)
        return WRONG_USAGE
    from dataclasses import replace

    from cxrtriage.film.read import start_reader

    start_reader()  # while the net is loaded
    from cxrtriage.ct.lesion_finder import LesionFinder
    from cxrtriage.weights import WeightsError

    try:
        finder = LesionFinder.load()
    except WeightsError as error:
        print(error.message, file=sys.stderr)
        return WRONG_USAGE
    rule = finder.rule
    rule = replace(rule, slices=options.slices or rule.slices, min_area=options.min_area or rule.min_area)
    rows = None
    try:
        with rows_to(options.out) as rows:
            said = list(_read_series(options.paths, finder, rule, rows, options.masks))
    except OSError as error:
        print(_not_written(error, rows), file=sys.stderr)
        return WRONG_USAGE
    counts = Counter(said)
    words = ", ".join(f"{count} {word}" for word, count in counts.items())
    print(f"{words}. {CAUTION}", file=sys.stderr)
    return SOME_REFUSED if counts["refused"] else ALL_READ


def _read_series(
    paths: Sequence[Path], finder: LesionFinder, rule: Rule, rows: RowFile, masks: Path | None
) -> Iterator[str]:
    """Write a row a series as soon as it is read; gives what is decided of each."""
    from cxrtriage.ct.read import read_series
    from cxrtriage.ct.reading import refusal
    from cxrtriage.ct.series import SeriesError

    for path in paths:
        try:
            found = read_series(path)
        except SeriesError as error:
            rows.write(refusal(path.name, error).to_json())
            yield "refused"
            continue
        several = len(found) > 1 or len(paths) > 1
        for one in found:
            folder = masks / _folder_name(one.name) if masks and several else masks
            reading = _read_one(one, finder, rule, folder)
            rows.write(reading.to_json())
            yield reading.decision or reading.status


def _read_one(series: Series, finder: LesionFinder, rule: Rule, masks: Path | None) -> CtReading:
    """Read a series; its masks are written slice by slice as they are found."""
    import numpy as np
    from PIL import Image

    from cxrtriage.ct.reading import SeriesReader, refusal
    from cxrtriage.ct.series import SeriesError
    from cxrtriage.weights import WeightsError

    reader = SeriesReader(series, finder, rule)
    names: Counter[str] = Counter()
    try:
        for number, (one, found) in enumerate(reader.steps(), start=1):
            if sys.stderr.isatty():
                print(f"\r{number}/{len(series.slices)}", end="", file=sys.stderr)
            if masks is not None:
                masks.mkdir(parents=True, exist_ok=True)
                names[one.name] += 1
                # Slices of one name, from files that differ in their ending, do not overwrite each other.
                name = one.name if names[one.name] == 1 else f"{one.name}-{names[one.name]}"
                save_picture(Image.fromarray(found.lesion.astype(np.uint8) * 255), masks / f"{name}.png")
    except (SeriesError, WeightsError) as error:
        return refusal(series.name, error)
    finally:
        if sys.stderr.isatty():
            print(file=sys.stderr)
    return reader.reading()


def _folder_name(series: str) -> str:
    """The name of a series as a folder of its own."""
    return "".join(letter if letter.isalnum() or letter in "-_. " else "-" for letter in series)
