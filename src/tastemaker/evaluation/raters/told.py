"""A reading as people read it: a sentence, tables, a picture and notes."""

from typing import TYPE_CHECKING, Any

import numpy as np

from tastemaker.evaluation.report import Mark
from tastemaker.pages.section import Picture, Section, Table, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tastemaker.evaluation.raters.reading import Reading

LOW_RATERS = 3
"""With fewer, little is known of what another rater would say."""


def told(reading: "Reading", with_picture: bool = False) -> Section:
    a, b = reading.key.a, reading.key.b
    verdict: Verdict = "unclear" if reading.finding not in ("a", "b") else "good"
    if any(rater.doubts for rater in reading.raters):
        verdict = "alarm"
    return Section(
        key="raters",
        title="What raters said",
        lead=_lead(reading),
        values=reading.as_json(),
        verdict=verdict,
        tables=[_shares(reading, a, b), _agreement(reading), _raters(reading)],
        pictures=[_picture(reading)] if with_picture else (),
        notes=_notes(reading),
    )


def _lead(reading: "Reading") -> str:
    key, share = reading.key, reading.share
    count = len(reading.raters)
    who = f"{count} {'rater' if count == 1 else 'raters'}, {reading.questions} questions"
    if share.mean is None:
        return f"Nobody said which is better ({who})."
    figures = (
        f"{key.a} was preferred in {_per_cent(share)} of {reading.answers} answers, ties as a half ({who})"
    )
    better, other = (key.a, key.b) if reading.finding == "a" else (key.b, key.a)
    if reading.finding in ("a", "b"):
        return f"{better} is better than {other}: {figures}."
    return f"{reading.finding[0].upper()}{reading.finding[1:]} between {key.a} and {key.b}: {figures}."


def _shares(reading: "Reading", a: str, b: str) -> Table:
    wins, total = reading.wins, max(1, sum(reading.wins.values()))
    rows = [
        [a, f"{wins['a']}", f"{wins['a'] / total:.0%}", _per_cent(reading.irrelevant["a"])],
        [b, f"{wins['b']}", f"{wins['b'] / total:.0%}", _per_cent(reading.irrelevant["b"])],
        *(
            [name, f"{wins[kind]}", f"{wins[kind] / total:.0%}", ""]
            for kind, name in (
                ("both", "equally good"),
                ("neither", "equally bad"),
                ("unknown", "don't know"),
            )
        ),
    ]
    return Table("Which list is better", ["", "answers", "share", "titles that don't belong"], rows)


def _agreement(reading: "Reading") -> Table:
    rows = [
        [
            what,
            "–" if each.alpha.mean is None else f"{each.alpha.mean:.3f}",
            "–" if each.alpha.mean is None else f"{each.alpha.low:.3f} to {each.alpha.high:.3f}",
            "–" if each.same is None else f"{each.same:.0%}",
            each.words,
        ]
        for what, each in zip(
            ("which of four answers", f"{reading.key.b} < tie < {reading.key.a}"),
            reading.agreement,
            strict=True,
        )
    ]
    head = ["agreement on", "Krippendorff's alpha", "95 % interval", "same answer", "is"]
    return Table("How far raters agree", head, rows, words=[4])


def _raters(reading: "Reading") -> Table:
    rows = [
        [
            rater.name,
            f"{rater.answered}",
            "–" if rater.of_a is None else f"{rater.of_a:.0%}",
            f"{rater.kept} of {rater.repeats}",
            f"{rater.passed} of {rater.checks}",
            _per_cent(rater.left),
            f"{rater.seconds:.0f}",
            "; ".join(rater.doubts) or "–",
        ]
        for rater in reading.raters
    ]
    head = ["rater", "answers", f"for {reading.key.a}", "same again", "checks", "left", "seconds", "doubt"]
    strong = [n for n, rater in enumerate(reading.raters) if rater.doubts]
    return Table("Who answered", head, rows, strong=strong, words=[7])


def _notes(reading: "Reading") -> list[str]:
    notes = []
    if reading.chance is not None:
        notes.append(
            "Were the two alike, sides changed for whole questions would differ so much "
            f"{reading.chance:.2%} of the time."
        )
    if reading.could_show is not None and reading.finding not in ("a", "b"):
        notes.append(
            f"A study like this one shows a share of {0.5 + min(reading.could_show, 0.5):.0%} or more four "
            "times of five."
        )
        notes.append(_more(reading))
    if len(reading.raters) < LOW_RATERS:
        notes.append(
            "It holds for this rater alone."
            if len(reading.raters) == 1
            else "Two raters say little of what a third would: the interval is wide, or narrow by chance."
        )
    left = reading.left
    if left.low is not None and left.high is not None and not left.low <= 0.5 <= left.high:
        notes.append(
            f"Position bias: left was chosen in {_per_cent(left)} of the choices, though each model stood "
            "there equally often."
        )
    doubtful = [rater.name for rater in reading.raters if rater.doubts]
    if doubtful:
        notes.append(
            f"Look at {', '.join(doubtful)} before you believe this; leave a file out, and say so, to read "
            "it without."
        )
    if reading.key.identical:
        notes.append(
            f"{reading.key.identical} more questions were not asked, because both gave the same list."
        )
    more = reading.irrelevant_more
    if more.low is not None and more.high is not None and not more.low <= 0 <= more.high:
        less, by = (reading.key.a, more.mean) if more.high < 0 else (reading.key.b, more.mean)
        notes.append(
            f"{less} has fewer titles that don't belong, by {abs(100 * (by or 0)):.0f} of a hundred."
        )
    return notes


def _more(reading: "Reading") -> str:
    if reading.questions_needed is None:
        return (
            "No number of questions to as many raters would show what was seen here: it takes more raters, "
            "or there is nothing to show."
        )
    more = reading.questions_needed - reading.questions
    if more <= 0:
        return "Asked again, a study like this would show what was seen four times of five."
    return f"To show what was seen here, it would take about {more} more questions to as many raters."


def _picture(reading: "Reading") -> Picture:
    from tastemaker.pages import style

    return Picture(
        style.svg(drawing(reading)), _lead(reading), "Share of each rater and of all, ties as a half."
    )


def drawing(reading: "Reading") -> "Figure":
    """Shares of all and of each rater about the half, and what was answered."""
    from tastemaker.pages import style

    names = ["all", *(rater.name for rater in reading.raters)]
    figure, (shares, answers) = style.figure(8.5, 1.9 + 0.32 * len(names), columns=2)
    places = np.arange(len(names))[::-1]
    shares.axvline(0.5, color=style.RIVAL, linewidth=1)
    values: list[Any] = [reading.share.mean, *(rater.of_a for rater in reading.raters)]
    if reading.share.low is not None and reading.share.high is not None:
        shares.plot([reading.share.low, reading.share.high], [places[0]] * 2, color=style.OURS, linewidth=3)
    for place, value, name in zip(places, values, names, strict=True):
        if value is not None:
            shares.plot([value], [place], "o", color=style.OURS if name == "all" else style.RIVAL)
    shares.set_yticks(places, [_plain(name) for name in names])
    shares.set_xlim(-0.02, 1.02)
    shares.set_ylim(-0.6, len(names) - 0.4)
    shares.set_xlabel(_plain(f"← {reading.key.b} better · {reading.key.a} better →"))
    shares.set_title("Preferred, ties as a half")
    kinds = [
        ("a", reading.key.a),
        ("both", "equally good"),
        ("neither", "equally bad"),
        ("b", reading.key.b),
        ("unknown", "don't know"),
    ]
    counts = [reading.wins[kind] for kind, _ in kinds]
    colours = [style.PALETTE[0], style.PALETTE[5], style.QUIET, style.PALETTE[1], "#e3e5e8"]
    rows = np.arange(len(kinds))[::-1]
    bars = answers.barh(rows, counts, color=colours)
    answers.bar_label(bars, padding=3, fontsize=9)
    answers.set_yticks(rows, [_plain(name) for _, name in kinds])
    answers.set_xlim(0, 1.12 * max([*counts, 1]))
    answers.set_title("Answers")
    answers.grid(axis="y", visible=False)
    return figure


def _plain(text: str) -> str:
    """matplotlib takes what stands between dollars for a formula."""
    return text.replace("$", r"\$")


def _per_cent(mark: Mark) -> str:
    if mark.mean is None:
        return "–"
    return f"{mark.mean:.0%}" + ("" if mark.low is None else f" ({mark.low:.0%} to {mark.high:.0%})")
