"""`tastemaker ope`: what another policy would have come to, from logs that left something to chance."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from tastemaker.data.interactions import Interactions
    from tastemaker.evaluation.off_policy.policies import Policy
    from tastemaker.recommend import Recommender

UNIFORM = "uniform"


def ope(
    logs: Annotated[
        Path,
        typer.Argument(
            help="What was shown, with the chance of each place (propensity) and what came of it.",
            show_default=False,
        ),
    ],
    policy: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="The policy to ask about: what a bundle would show.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="uniform|LOGS",
            help="Or everything evenly, or the policy that other logs were written by.",
        ),
    ] = None,
    interactions: Annotated[
        Path | None, typer.Option(help="What people did, for --policy; else what the bundle knows.")
    ] = None,
    reward: Annotated[str, typer.Option(help="What is counted: click or watch_time.")] = "click",
    windows: Annotated[
        int,
        typer.Option(help="Parts of time in which the policy of --target LOGS is held to be steady.", min=1),
    ] = 1,
    clip: Annotated[
        float | None, typer.Option(help="Cut larger weights to this; biased, but steadier.")
    ] = None,
    resamples: Annotated[int, typer.Option(help="Draws behind an interval.", min=100)] = 1000,
    seed: Annotated[int, typer.Option(help="Of all that is drawn.", min=0)] = 1,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw the estimates.")] = None,
    as_json: options.Json = False,
) -> None:
    """Estimate what a policy would have come to, from logs of another; status 1 where they can't tell."""
    if (policy is None) == (target is None):
        raise TastemakerError("Say which policy to ask about: --policy BUNDLE, or --target uniform or LOGS.")
    if interactions is not None and policy is None:
        raise TastemakerError("--interactions tell a bundle of people: they go with --policy.")
    if windows > 1 and (target is None or target == UNIFORM):
        raise TastemakerError("--windows are of a policy that is known by its logs: give --target LOGS.")
    if clip is not None and not clip > 0:
        raise TastemakerError(f"--clip is {clip:g}: the largest weight allowed is a number above 0.")
    options.check_out(plot, "--plot", (".svg",))
    if plot is not None:
        from tastemaker.pages import style

        style.check()

    import numpy as np

    from tastemaker.cli.show import console, progress
    from tastemaker.evaluation.off_policy.answer import off_policy
    from tastemaker.evaluation.off_policy.logs import read_logs

    recommender: Recommender | None = None
    if policy is not None:
        from tastemaker.recommend import Recommender as Opened

        recommender = Opened.load(policy)
    known = None if recommender is None else recommender.recipe.data.columns
    shown = read_logs(logs, known, reward)
    history = None
    if recommender is not None and interactions is not None:
        history = options.log_for(recommender, interactions)
    asked = _policy(recommender, history, policy, target, windows, reward)
    with progress() as told:
        found = off_policy(
            shown, asked, np.random.default_rng(seed), most=clip, resamples=resamples, report=told
        )
    section = found.section(pictures=plot is not None)
    if plot is not None and section.pictures:
        plot.write_text(section.pictures[0].svg, encoding="utf-8")
        typer.echo(f"The estimates are drawn in {plot}", err=True)
    elif plot is not None:
        typer.echo("Nothing could be estimated, so nothing is drawn.", err=True)
    if as_json:
        typer.echo(json.dumps(section.as_json(), ensure_ascii=False, indent=1))
    else:
        console().print(section)
    if not found.can_answer:
        raise typer.Exit(1)


def _policy(
    recommender: "Recommender | None",
    history: "Interactions | None",
    policy: Path | None,
    target: str | None,
    windows: int,
    reward: str,
) -> "Policy":
    from tastemaker.evaluation.off_policy.policies import LoggedPolicy, Uniform

    if recommender is not None and policy is not None:
        from tastemaker.evaluation.off_policy.bundles import BundlePolicy

        return BundlePolicy(recommender, history, policy.resolve().name)
    if target == UNIFORM:
        return Uniform()
    from tastemaker.evaluation.off_policy.logs import read_logs

    path = Path(str(target))
    return LoggedPolicy(read_logs(path, None, reward), f"the policy of {path.name}", windows)
