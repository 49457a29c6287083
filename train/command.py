"""The command line of training."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxrtriage.weights import Card

RUNS = Path("runs")
RESULTS = Path("train/results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when done, 2 with a sentence on standard error when it cannot be."""
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    fit = commands.add_parser("fit", help="train a net as a configuration says")
    fit.add_argument("--config", type=Path, required=True)
    fit.add_argument(
        "--leave-out", nargs="+", default=[], metavar="SOURCE", help="sources training never sees"
    )
    fit.add_argument(
        "--init",
        metavar="START",
        help="another start: scratch, findings, imagenet, xrv, distilled; or one of them with =NAME",
    )
    fit.add_argument("--restart", action="store_true", help="forget the checkpoints of an earlier run")
    fit.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
    fit.add_argument("--epochs", type=int, help="another number of epochs than the configuration's")
    fit.add_argument("--name", help="another name than the configuration's")
    fit.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    fit.set_defaults(run=_fit)

    distil = commands.add_parser("distil", help="give a net a start from another's feature maps")
    distil.add_argument("--config", type=Path, required=True)
    distil.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
    distil.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    distil.set_defaults(run=_distil)

    simclr = commands.add_parser("simclr", help="give a net a start from films alone, without labels")
    simclr.add_argument("--config", type=Path, required=True)
    simclr.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
    simclr.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    simclr.set_defaults(run=_simclr)

    lungs = commands.add_parser("lungs", help="train the lung net")
    lungs.add_argument("--config", type=Path, required=True)
    lungs.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
    lungs.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    lungs.set_defaults(run=_lungs)

    severity = commands.add_parser("severity", help="train the severity nets, one a fold of patients")
    severity.add_argument("--config", type=Path, required=True)
    severity.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
    severity.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    severity.set_defaults(run=_severity)

    ct = commands.add_parser("ct", help="train the net that finds lesions on CT slices")
    ct.add_argument("--config", type=Path, required=True)
    ct.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
    ct.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    ct.set_defaults(run=_ct)

    for name, trained, run in (
        ("gate", "train the net that tells frontal chest films from the rest", _gate),
        ("side-marker", "train the net that tells L from R on films' markers", _side_marker),
        ("opacities", "train the net that marks opacities of the lungs", _opacities),
    ):
        one = commands.add_parser(name, help=trained)
        one.add_argument("--config", type=Path, required=True)
        one.add_argument(
            "--exclude", nargs="+", default=[], metavar="SOURCE", help="sources training never sees"
        )
        one.add_argument("--steps", type=int, help="end after so many steps, to try the whole path")
        one.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
        one.set_defaults(run=run)

    writing = commands.add_parser("writing", help="fit and measure the finder of writing burned into films")
    writing.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    writing.set_defaults(run=_writing)

    levers = commands.add_parser("levers", help="measure each lever against shortcuts on left-out sources")
    levers.add_argument("--config", type=Path, default=Path("train/configs/levers_cpu.yaml"))
    levers.add_argument("--only", nargs="+", metavar="LEVER", help="these levers alone")
    levers.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    levers.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    levers.set_defaults(run=_levers)

    sources = commands.add_parser("sources", help="turn a public set into rows of the manifest")
    sources.add_argument("name", help="name of the set, which becomes its source")
    sources.add_argument("path", type=Path, help="the folder it was downloaded and unpacked to")
    sources.add_argument(
        "--out", type=Path, help="data folder to add to (default: CXRTRIAGE_DATA, else data)"
    )
    sources.set_defaults(run=_sources)

    compare = commands.add_parser("compare", help="write a table of the papers on our splits")
    compare.add_argument(
        "study",
        help="name of a study (a configuration compare_STUDY_cpu.yaml), or its file; saliency, which trains "
        "nothing and asks the nets of the folder of weights; severity; severity-pooling; thresholds, of nets "
        "(--only) that were fitted with --leave-out",
    )
    compare.add_argument("--only", nargs="+", default=[], metavar="ROW", help="these rows (nets) alone")
    compare.add_argument("--weights", type=Path, help="folder of weights asked (default: the shipped one)")
    compare.add_argument(
        "--config", type=Path, help="of severity and severity-pooling: another size than that of one core"
    )
    compare.add_argument("--results", type=Path, default=RESULTS, help="folder of results")
    compare.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    compare.set_defaults(run=_compare)

    evaluate = commands.add_parser("evaluate", help="measure nets, set their thresholds, write their cards")
    evaluate.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help="names of weights, or a task: lungs, severity, ct_lesion, gate",
    )
    evaluate.add_argument("--all", action="store_true", help="every classifier of the folder of weights")
    evaluate.add_argument("--weights", type=Path, help="folder of weights (default: the shipped one)")
    evaluate.add_argument(
        "--results", type=Path, default=RESULTS, help="folder of results (default: train/results)"
    )
    evaluate.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    evaluate.set_defaults(run=_evaluate)

    take = commands.add_parser("take", help="take the weights of finished runs into the folder of weights")
    take.add_argument("names", nargs="+", metavar="NAME", help="names of runs")
    take.add_argument("--weights", type=Path, help="folder of weights (default: the shipped one)")
    take.add_argument("--runs", type=Path, default=RUNS, help="folder of runs (default: runs)")
    take.set_defaults(run=_take)

    options = parser.parse_args(arguments)
    from cxrtriage.weights import WeightsError
    from train.manifest import ManifestError
    from train.settings import SettingsError

    try:
        return int(options.run(options))
    except (ManifestError, SettingsError, WeightsError) as error:
        print(error.message if isinstance(error, WeightsError) else error, file=sys.stderr)
        return 2
    except OSError as error:  # a full disk, a folder that may not be written to
        if error.filename is None and error.errno is None:
            raise
        print(f"{error.filename or 'A file'} cannot be read or written: {error.strerror}.", file=sys.stderr)
        return 2


def _fit(options: argparse.Namespace) -> int:
    from train.fit import fit
    from train.settings import read_settings
    from train.start import with_init

    changes: dict[str, object] = {}
    if options.leave_out:
        changes["leave_out"] = options.leave_out
    if options.name:
        changes["name"] = options.name
    if options.epochs:
        changes["epochs"] = options.epochs
    settings = with_init(read_settings(options.config, **changes), options.init)
    card = fit(settings, options.runs, resume=not options.restart, steps=options.steps)
    print(f"{options.runs / card.name / card.name}.safetensors {card.sha256[:12]}")
    return 0


def _distil(options: argparse.Namespace) -> int:
    from train.distil import distil, read_distil_settings

    print(distil(read_distil_settings(options.config), options.runs, steps=options.steps))
    return 0


def _simclr(options: argparse.Namespace) -> int:
    from train.simclr import read_simclr_settings, simclr

    print(simclr(read_simclr_settings(options.config), options.runs, steps=options.steps))
    return 0


def _ct(options: argparse.Namespace) -> int:
    from train.ct_lesion import read_ct_settings, train_ct

    card = train_ct(read_ct_settings(options.config), options.runs, steps=options.steps)
    print(f"{options.runs / card.name / card.name}.safetensors {card.sha256[:12]}")
    return 0


def _gate(options: argparse.Namespace) -> int:
    from train.gate import read_gate_settings, train_gate

    return _trained(read_gate_settings, train_gate, options)


def _side_marker(options: argparse.Namespace) -> int:
    from train.side_marker import read_side_marker_settings, train_side_marker

    return _trained(read_side_marker_settings, train_side_marker, options)


def _opacities(options: argparse.Namespace) -> int:
    from train.opacity_finder import read_opacity_settings, train_opacities

    return _trained(read_opacity_settings, train_opacities, options)


def _trained(read: Callable[[Path], Any], train: Callable[..., Card], options: argparse.Namespace) -> int:
    """Train a net that sources can be kept from."""
    card = train(_excluding(read(options.config), options.exclude), options.runs, steps=options.steps)
    print(f"{options.runs / card.name / card.name}.safetensors {card.sha256[:12]}")
    return 0


def _excluding(settings: Any, sources: Sequence[str]) -> Any:
    """Settings of a run without these sources, named after them; as they are without any."""
    from dataclasses import replace

    from train.settings import name_without

    if not sources:
        return settings
    return replace(settings, name=name_without(settings.name, sources), exclude=tuple(sources))


def _writing(options: argparse.Namespace) -> int:
    from cxrtriage.film.writing import WEIGHTS
    from train.writing import train_writing

    train_writing(options.results)
    print(f"{WEIGHTS}; its figures are in {options.results / 'writing.md'}")
    return 0


def _lungs(options: argparse.Namespace) -> int:
    from train.lungs import read_lung_settings, train_lungs

    card = train_lungs(read_lung_settings(options.config), options.runs, steps=options.steps)
    print(f"{options.runs / card.name / card.name}.safetensors {card.sha256[:12]}")
    return 0


def _severity(options: argparse.Namespace) -> int:
    from cxrtriage.weights import WEIGHTS_FOLDER
    from train.severity import SeverityData, read_severity_settings, train_severity
    from train.zone_models import train_zone_model

    data = SeverityData(read_severity_settings(options.config), options.runs)
    cards = train_severity(data, options.runs, steps=options.steps)
    cards += [
        train_zone_model(data, trunk, options.runs, WEIGHTS_FOLDER) for trunk in data.settings.zone_models
    ]
    for card in cards:
        print(f"{options.runs / card.name / card.name}.safetensors {card.sha256[:12]}")
    return 0


def _levers(options: argparse.Namespace) -> int:
    from train.levers import study_levers

    study_levers(options.config, options.runs, options.results, only=options.only)
    return 0


def _sources(options: argparse.Namespace) -> int:
    from train.manifest import data_folder
    from train.sources import write_source

    out = options.out or data_folder()
    number = write_source(options.name, options.path, out)
    print(f"{number} films of {options.name} in {out / 'films.csv'}")
    return 0


def _compare(options: argparse.Namespace) -> int:
    from train.compare import compare, studies
    from train.settings import SettingsError

    # Studies of what is no classifier have a function of their own.
    measured = {
        "saliency": _compare_saliency,
        "severity": _compare_severity,
        "severity-pooling": _compare_severity_pooling,
        "thresholds": _compare_thresholds,
    }
    if options.study in measured:
        return measured[options.study](options)
    known = studies()
    config = known.get(options.study, Path(options.study))
    if not config.is_file():
        raise SettingsError(f"there is no study {options.study}; known are {', '.join([*known, *measured])}.")
    compare(config, options.runs, options.results, only=options.only)
    return 0


def _compare_saliency(options: argparse.Namespace) -> int:
    from cxrtriage.weights import WEIGHTS_FOLDER
    from train.saliency_study import study_saliency

    study_saliency(options.results, options.weights or WEIGHTS_FOLDER, only=options.only)
    return 0


def _compare_severity(options: argparse.Namespace) -> int:
    from cxrtriage.weights import WEIGHTS_FOLDER
    from train.severity_study import CONFIG, study_severity

    weights, config = options.weights or WEIGHTS_FOLDER, options.config or CONFIG
    study_severity(options.runs, options.results, weights, config, only=options.only)
    return 0


def _compare_severity_pooling(options: argparse.Namespace) -> int:
    from train.severity_pooling import CONFIG, study_pooling

    study_pooling(options.config or CONFIG, options.runs, options.results, only=options.only)
    return 0


def _compare_thresholds(options: argparse.Namespace) -> int:
    from cxrtriage.weights import WEIGHTS_FOLDER
    from train.own_thresholds import study_own_thresholds

    study_own_thresholds(options.runs, options.results, options.weights or WEIGHTS_FOLDER, only=options.only)
    return 0


# Nets that are measured together, by their architecture.
_EVALUATED_AS = {
    "lung_unet": "lungs", "severity": "severity", "zone_model": "severity", "opacity_finder": "severity",
    "ct_lesion": "ct_lesion", "gate": "gate", "side_marker": "gate",
}  # fmt: skip


def _take(options: argparse.Namespace) -> int:
    import shutil

    from cxrtriage.weights import WEIGHTS_FOLDER, read_card

    folder = options.weights or WEIGHTS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        card = read_card(name, options.runs / name)
        for ending in ("safetensors", "json"):
            shutil.copyfile(options.runs / name / f"{name}.{ending}", folder / f"{name}.{ending}")
        asked = _EVALUATED_AS.get(card.architecture, name)
        print(f"{folder / name}.safetensors {card.sha256[:12]}; now run: python -m train evaluate {asked}")
    return 0


def _evaluate(options: argparse.Namespace) -> int:
    from cxrtriage.weights import WEIGHTS_FOLDER
    from train.ct_figures import evaluate_ct
    from train.evaluate import classifier_names, evaluate
    from train.gate_figures import evaluate_gate
    from train.lung_figures import evaluate_lungs
    from train.settings import SettingsError
    from train.severity_figures import evaluate_severity

    folder = options.weights or WEIGHTS_FOLDER
    names = classifier_names(folder) if options.all else list(dict.fromkeys(options.names))
    if not names:
        raise SettingsError(f"Nothing to evaluate: name weights of {folder}, or take some and give --all.")
    tasks = {
        "lungs": evaluate_lungs,
        "severity": evaluate_severity,
        "ct_lesion": evaluate_ct,
        "gate": evaluate_gate,
    }
    for name in [name for name in names if name in tasks]:
        tasks[name](options.runs, folder, options.results)
    names = [name for name in names if name not in tasks]
    if names:
        evaluate(names, options.runs, folder, options.results)
    return 0
