"""The command line of reading: films in, one JSON object a film out."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from cxrtriage import __version__

if TYPE_CHECKING:
    from cxrtriage.film.film import Film
    from cxrtriage.reading.assessment import Assessment
    from cxrtriage.reading.saliency import Saliency
    from cxrtriage.reading.triage import Triage

ALL_READ, WRONG_USAGE, SOME_REFUSED = 0, 2, 3

CAUTION = "For research and teaching; not a medical device. A score is not a diagnosis."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all films were read, 3 when some were refused, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    return int(options.run(options))


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
    assess.add_argument("--out", type=Path, help="write the lines here instead of standard output")
    assess.add_argument("--models", help="read with these nets only, by name, with commas between")
    assess.add_argument(
        "--operating-point",
        metavar="NAME",
        help="hold scores against these thresholds, such as sensitivity_0.90, specificity_0.70 or youden",
    )
    maps = assess.add_mutually_exclusive_group()
    maps.add_argument(
        "--maps",
        type=Path,
        metavar="DIR",
        help="write <stem>.<class>.png overlays here: for each class the mean of the nets' maps",
    )
    maps.add_argument("--no-saliency", action="store_true", help="make no maps (so it is without --maps)")
    assess.set_defaults(run=_assess)
    return parser


def _assess(options: argparse.Namespace) -> int:
    missing = [path for path in options.paths if not path.exists()]
    if missing:
        print(f"There is no file or folder {missing[0]}.", file=sys.stderr)
        return WRONG_USAGE
    from cxrtriage.reading.triage import Triage
    from cxrtriage.weights import WeightsError

    try:
        triage = Triage.load(
            models=options.models.split(",") if options.models else None,
            operating_point=options.operating_point,
        )
    except WeightsError as error:
        print(error.message, file=sys.stderr)
        return WRONG_USAGE
    films = list(_walk(options.paths))
    out = options.out.resolve() if options.out else None
    # A table that is being written into a folder that is being read is no film.
    films = [path for path in films if path.resolve() != out]
    try:
        if options.maps:
            options.maps.mkdir(parents=True, exist_ok=True)
        with options.out.open("w", encoding="utf-8") if options.out else nullcontext(sys.stdout) as stream:
            refused = _assess_all(films, triage, stream, options.maps)
    except OSError as error:
        print(f"The result cannot be written: {error}.", file=sys.stderr)
        return WRONG_USAGE
    return SOME_REFUSED if refused else ALL_READ


def _walk(paths: Sequence[Path]) -> Iterator[Path]:
    """Files as they are named, folders walked in sorted order; hidden files are left out."""
    for path in paths:
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts):
                    yield file
        else:
            yield path


def _assess_all(films: Sequence[Path], triage: Triage, stream: TextIO, maps: Path | None) -> int:
    """Write a row a film as soon as it is read, so that a row once written survives what follows."""
    refusals: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for number, path in enumerate(films, start=1):
        if sys.stderr.isatty():
            print(f"\r{number}/{len(films)} {path.name[:60]:60}", end="", file=sys.stderr)
        assessment, film, found = _assess_one(path, triage, maps is not None)
        print(assessment.to_json(), file=stream, flush=True)
        if assessment.status == "refused":
            refusals[assessment.codes[0]] += 1
        if maps is not None and film is not None:
            names[path.stem] += 1
            # Films of the same name from different folders do not overwrite each other's maps.
            stem = path.stem if names[path.stem] == 1 else f"{path.stem}-{names[path.stem]}"
            _write_maps(film, found, maps, stem)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    refused = sum(refusals.values())
    reasons = ", ".join(f"{code} {count}" for code, count in refusals.most_common())
    print(
        f"{len(films) - refused} read, {refused} refused{f' ({reasons})' if reasons else ''}. {CAUTION}",
        file=sys.stderr,
    )
    return refused


def _assess_one(path: Path, triage: Triage, maps: bool) -> tuple[Assessment, Film | None, list[Saliency]]:
    import time
    from dataclasses import replace

    from cxrtriage.film.film import FilmError
    from cxrtriage.film.read import read_film

    began = time.perf_counter()
    try:
        film = read_film(path)
    except FilmError as error:
        return triage.refusal(error, file=str(path)), None, []
    read = round(time.perf_counter() - began, 4)
    assessment, found = triage.read(film, file=str(path), maps=maps)
    return replace(assessment, seconds={**assessment.seconds, "read": read}), film, found


def _write_maps(film: Film, found: Sequence[Saliency], folder: Path, stem: str) -> None:
    """One overlay a class: the mean of the nets' maps."""
    from PIL import Image

    from cxrtriage.reading.saliency import mean_saliency
    from cxrtriage.show.overlay import overlay

    for class_name in dict.fromkeys(saliency.class_name for saliency in found):
        mean = mean_saliency([saliency for saliency in found if saliency.class_name == class_name])
        Image.fromarray(overlay(film, mean.map)).save(folder / f"{stem}.{class_name}.png")
