"""`python -m train compare STUDY`: the tables of the papers, on our splits, at one budget.

A study is a base configuration, changes made to it for all rows, and rows: by name, further changes as
dotted keys. Every row is trained once a seed. What a table says of a row is the mean over its seeds; its
interval comes from resampling the films' patients, and the seeds' own figures stand beside it, since with
little training the seed matters as much as the films.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from cxrtriage import nets
from cxrtriage.reading.member import Member, sigmoid
from train.figures import Counts, drawn_aurocs, draws, interval
from train.films import Labelled, labelled
from train.fit import Pictures, fit
from train.levers import changed
from train.manifest import data_folder, read_films
from train.scores import LEAST
from train.settings import Settings, SettingsError, settings_from_dict
from train.study_results import kept_rows, write_study

CONFIGS = Path(__file__).parent / "configs"
_BATCH = 32
_SHARES = ("accuracy", "precision", "recall", "f1")


def studies(folder: Path = CONFIGS) -> dict[str, Path]:
    """Every study of the folder of configurations, by the name the command takes."""
    return {
        path.stem.removeprefix("compare_").removesuffix("_cpu").replace("_", "-"): path
        for path in sorted(folder.glob("compare_*_cpu.yaml"))
    }


def compare(config: Path, runs: Path, results: Path, *, only: Sequence[str] = ()) -> None:
    """Train and measure what has no run yet; write `compare_STUDY.json` and `compare_STUDY.md`.

    A row that says `impossible` is not trained: its sentence stands in the table. Figures of runs that are
    no longer on this machine are kept.
    """
    study = read_study(config)
    name = config.stem.removesuffix("_cpu")
    rows = kept_rows(results / f"{name}.json", ("seeds", "test", "left_out"))
    for row, settings_of_seeds in study["settings"].items():
        if only and row not in only:
            continue
        said = study["rows"][row]
        for settings in settings_of_seeds:
            run = runs / settings.run
            done = rows.get(row, {}).get("seeds", {}).get(str(settings.seed))
            trained = (run / f"{settings.run}.json").is_file()
            if done and not trained:
                continue
            if not trained:
                fit(settings, runs)
            rows.setdefault(row, {"seeds": {}})["seeds"][str(settings.seed)] = _measure(settings, runs)
            films = labelled(read_films(data_folder()), settings)
            figures = _together(rows[row]["seeds"], films, settings, study.get("views", ()))
            rows[row].update(figures, change=said.get("change", {}))
            write_study(results, name, rows, table(study, rows))
            print(row, settings.seed, rows[row]["test"]["auroc"], flush=True)


def read_study(config: Path) -> dict[str, Any]:
    """A study with the `settings` of each row and seed; SettingsError names what is wrong."""
    try:
        study = yaml.safe_load(config.read_text(encoding="utf-8"))
        base = yaml.safe_load((config.parent / study["base"]).read_text(encoding="utf-8"))
        study["rows"] = {row: said or {} for row, said in study["rows"].items()}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"{config} is no study: {error}") from error
    prefix = config.stem.removesuffix("_cpu").removeprefix("compare_")
    study["settings"] = {}
    for row, said in study["rows"].items():
        if "impossible" in said:
            continue
        study["settings"][row] = [
            settings_from_dict(
                changed(
                    base,
                    {
                        **study.get("changes", {}),
                        **said.get("change", {}),
                        "name": f"{prefix}_{row}_{seed}",
                        "seed": seed,
                    },
                ),
                f"{config}: {row}",
            )
            for seed in said.get("seeds", study.get("seeds", [1]))
        ]
    return study


def _measure(settings: Settings, runs: Path) -> dict[str, Any]:
    """Logits of one run on the test films and on those of the sources it left out, and its speed."""
    member = Member.load(settings.run, runs / settings.run)
    pictures = Pictures(settings, read_films(data_folder()), runs)
    return {
        "sha256": member.card.sha256,
        **{
            part: _logits(member, films, pictures) for part, films in _parts(pictures.films, settings).items()
        },
        "parameters": sum(weight.numel() for weight in member.net.parameters()),
        **_seconds(settings),
    }


def _parts(films: Labelled, settings: Settings) -> dict[str, Labelled]:
    """The films a row is judged by: the test split, and all of the sources left out."""
    quoted = films.where(lambda row: row.source not in settings.unquoted_sources)
    return {
        "test": quoted.where(lambda row: row.source not in settings.leave_out).split("test"),
        "left_out": quoted.of_sources(settings.leave_out),
    }


def _logits(member: Member, films: Labelled, pictures: Pictures) -> list[list[float]]:
    """(films, classes), rounded to what the figures need."""
    images = pictures.of(films.rows)
    logits = [np.zeros((0, len(member.outputs)))]
    for start in range(0, len(images), _BATCH):
        logits.append(member.logits(np.asarray(images[start : start + _BATCH])))
    scores: list[list[float]] = np.round(np.concatenate(logits)[:, : len(member.card.classes)], 3).tolist()
    return scores


def _seconds(settings: Settings) -> dict[str, float]:
    """Of a training step (forward, backward; the batch and precision of the settings) and of a reading."""
    net = nets.build(
        settings.architecture,
        classes=len(settings.classes),
        findings=len(settings.findings),
        **settings.options,
    ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in the stubs
    size = settings.input.size
    films = torch.randn(settings.batch, 1, size, size).to(memory_format=torch.channels_last)
    half = settings.precision.startswith("bf16")

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            logits = net(films)
        logits.float().sum().backward()

    def read() -> None:
        with torch.inference_mode():
            net(films[:1])

    net.train()
    a_step = _median_seconds(step, 3)
    net.eval()
    return {"seconds_a_step": a_step, "seconds_a_reading": _median_seconds(read, 9)}


def _median_seconds(work: Any, times: int) -> float:
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(float(np.median(taken)), 4)


def _together(
    seeds: dict[str, dict[str, Any]], films: Labelled, settings: Settings, views: Sequence[str] = ()
) -> dict[str, Any]:
    """Figures of a row from the scores of its seeds; `views` are looked at one by one besides."""
    parts = _parts(films, settings)
    logits = {part: [np.array(seed[part]) for seed in seeds.values()] for part in parts}
    main = settings.classes[0]
    against = _Against.of(parts["test"], main)
    left_out: dict[str, Any] = {}
    for name in settings.classes:
        # Each hospital alone for the first class, whose films it may show beside normal ones.
        groups = [(source,) for source in settings.leave_out] if name == main else []
        for sources in [*groups, settings.leave_out]:
            unseen = _Against.of(parts["left_out"], name, sources=sources)
            if unseen.enough and not (len(groups) == 1 and sources is settings.leave_out):
                said = " ".join(sources) if len(sources) == 1 else "all left out"
                number = settings.classes.index(name)
                left_out[f"{name} v normal, {said}"] = unseen.auroc(logits["left_out"], number)
    by_view = {view: _Against.of(parts["test"], main, view=view) for view in views}
    return {
        "test": {"auroc": against.auroc(logits["test"], 0), **against.shares(logits["test"])},
        "views": {view: of.auroc(logits["test"], 0) for view, of in by_view.items()},
        "left_out": left_out,
        **{
            key: float(np.median([seed[key] for seed in seeds.values()]))
            for key in ("parameters", "seconds_a_step", "seconds_a_reading")
        },
    }


@dataclass(frozen=True, eq=False)
class _Against:
    """Which of some films show a class or are normal (`kept`), and of these which show it (`truths`)."""

    kept: np.ndarray
    truths: np.ndarray
    patients: list[str]

    @classmethod
    def of(
        cls, films: Labelled, name: str, *, sources: Sequence[str] = (), view: str | None = None
    ) -> _Against:
        rows = films.rows
        kept = [
            number
            for number, row in enumerate(rows)
            if row.label in (name, "normal")
            and (not sources or row.source in sources)
            and (view is None or row.view == view)
        ]
        truths = np.array([rows[number].label == name for number in kept], bool)
        return cls(np.array(kept, int), truths, [rows[number].patient for number in kept])

    @property
    def enough(self) -> bool:
        return bool(min(self.truths.sum(), (~self.truths).sum()) >= LEAST)

    def auroc(self, seeds: Sequence[np.ndarray], number: int) -> dict[str, Any] | None:
        """Mean over the seeds with its interval over patients, and each seed's own value."""
        if not self.enough:
            return None
        weights = np.concatenate([np.ones((1, len(self.kept))), draws(self.truths, self.patients)])
        drawn = np.stack([drawn_aurocs(seed[self.kept, number], self.truths, weights) for seed in seeds])
        mean = interval(float(drawn[:, 0].mean()), drawn[:, 1:].mean(axis=0), self.truths)
        return {**mean.to_dict(), "by_seed": [round(float(value), 4) for value in drawn[:, 0]]}

    def shares(self, seeds: Sequence[np.ndarray]) -> dict[str, float | None]:
        """Mean accuracy, precision, recall and F1 of the first class where the net's own score is half."""
        counts = [Counts.of(sigmoid(seed[self.kept, 0]) >= 0.5, self.truths).to_dict() for seed in seeds]
        means: dict[str, float | None] = {}
        for share in _SHARES:
            values = [count[share] for count in counts if count[share] is not None]
            means[share] = round(float(np.mean(values)), 4) if values else None
        return means


def table(study: dict[str, Any], rows: dict[str, Any]) -> str:
    """The study as Markdown: what was asked, our rows, the paper's own beside them."""
    left_out = list(dict.fromkeys(name for row in rows.values() for name in row["left_out"]))
    views = study.get("views", ())
    heads = [
        "row", "seeds", "accuracy", "precision", "recall", "F1", "AUROC, test films",
        *(f"AUROC, {view} test films" for view in views), *(f"AUROC, {name}" for name in left_out),
        "by seed", "weights", "s a step", "s a reading",
    ]  # fmt: skip
    against = study["settings"][next(iter(study["settings"]))][0].classes[0]
    lines = [
        f"# {study['title']}",
        "",
        "Made by `python -m train compare`. " + " ".join(study["about"].split()),
        "",
        f"Base: `{study['base']}`, for all rows changed by {json.dumps(study.get('changes', {}))}.",
        f"{against.capitalize()} against normal films; accuracy to F1 where the net's own score is one",
        "half. Figures are means over the seeds, in brackets the 95 % bootstrap interval over patients.",
        "",
        f"| {' | '.join(heads)} |",
        "|" + "---|" * len(heads),
    ]
    for name, said in study["rows"].items():
        label = said.get("label", name)
        if "impossible" in said:
            lines.append(f"| {label} | – | {said['impossible']} |" + " |" * (len(heads) - 3))
        elif name not in rows:
            lines.append(f"| {label} | – | not run yet |" + " |" * (len(heads) - 3))
        else:
            lines.append(f"| {label} | {' | '.join(_cells(rows[name], views, left_out))} |")
    return "\n".join([*lines, "", *paper_lines(study)]) + "\n"


def _cells(row: dict[str, Any], views: Sequence[str], left_out: Sequence[str]) -> list[str]:
    test = row["test"]
    # What decides is the hospital that was left out, where one was.
    deciding = row["left_out"].get(left_out[0]) if left_out else test["auroc"]
    return [
        str(len(row["seeds"])),
        *("–" if test[share] is None else f"{test[share]:.3f}" for share in _SHARES),
        _interval(test["auroc"]),
        *(_interval(row["views"].get(view)) for view in views),
        *(_interval(row["left_out"].get(name)) for name in left_out),
        ", ".join(f"{value:.3f}" for value in deciding["by_seed"]) if deciding else "–",
        f"{row['parameters'] / 1e6:.1f} M",
        f"{row['seconds_a_step']:.2f}",
        f"{row['seconds_a_reading']:.3f}",
    ]


def _interval(figure: dict[str, Any] | None) -> str:
    if figure is None:
        return "–"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def paper_lines(study: dict[str, Any]) -> list[str]:
    """What the paper itself says, as far as the study quotes it."""
    paper = study.get("paper")
    if not paper:
        return []
    lines = ["## The paper's own", "", " ".join(paper["source"].split())]
    if "columns" in paper:
        lines += ["", f"| {' | '.join(paper['columns'])} |", "|" + "---|" * len(paper["columns"])]
        lines += [f"| {' | '.join(map(str, row))} |" for row in paper["rows"]]
    return lines
