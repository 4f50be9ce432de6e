"""`tastemaker train`: files in, a bundle out, or a model into a registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tastemaker.cli import options
from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from tastemaker.recommend import Recommender
    from tastemaker.registry import Reference, Registry
    from tastemaker.training.promotion import Judge


def train(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file (TOML).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle to write.")] = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Add the model to this registry, and let it go live if it beats the live one. Exit status 1 "
            "where it doesn't.",
        ),
    ] = None,
    items: options.Items = None,
    interactions: options.Interactions = None,
    users: options.Users = None,
    impressions: options.Impressions = None,
    store: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Where a service kept its events, an SQLite file or postgresql://…: instead of "
            "--interactions and --impressions.",
        ),
    ] = None,
    settings: options.Settings = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="An older bundle to go on from, on newer data.", show_default=False)
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, even after an interruption.")] = False,
    tensorboard: Annotated[Path | None, typer.Option(help="Write curves for TensorBoard here.")] = None,
    mlflow: Annotated[str | None, typer.Option(help="Log to MLflow at this tracking address.")] = None,
    as_json: options.Json = False,
) -> None:
    """Train a model from files and write it as a bundle, into a registry, or both.

    When it is cut off, the same command goes on where it stood.
    """
    import json
    import shutil

    from tastemaker.bundle import check_target
    from tastemaker.cli.show import console, progress
    from tastemaker.data import read
    from tastemaker.evaluation.report import Report
    from tastemaker.progress import Trail
    from tastemaker.recipe import Recipe
    from tastemaker.recommend import Recommender
    from tastemaker.training import check_ready
    from tastemaker.training import train as learn

    if out is None and registry is None:
        raise TastemakerError(
            "Give --out, where the bundle goes, or --registry, the models it joins, or both."
        )
    chosen = Recipe.read(recipe, settings or ())
    if out is not None:
        check_target(out)
    check_ready(chosen)
    models = None if registry is None else _Models.opened(registry, chosen)
    older = None if warm_start is None else Recommender.load(warm_start)
    if store is None:
        data = read(items, interactions, users, chosen.data, impressions)
    else:
        from tastemaker.serve.store.export import gathered

        if interactions is not None or impressions is not None:
            raise TastemakerError("Give either --store, or --interactions and --impressions.")
        kept = gathered(store)
        if not kept.interactions.height:
            raise TastemakerError(f"Nobody has chosen anything yet in the store {store}.")
        data = read(
            items,
            kept.interactions.drop("watch_time", "recommendation_id"),
            users,
            chosen.data,
            kept.impressions if kept.impressions.height else None,
        )
    screen = console()
    if not as_json:
        screen.print(data.report)
    beside = registry / "model" if out is None and registry is not None else Path(str(out))
    checkpoints = beside.absolute().parent / f".{beside.name}.training"
    if fresh:
        shutil.rmtree(checkpoints, ignore_errors=True)
    with progress() as report:
        trail = Trail(checkpoints, tensorboard, mlflow)
        recommender = learn(data, chosen, report, trail, older, None if models is None else models.judge)
    if out is not None:
        recommender.save(out)
    settled = None if models is None else models.settled(recommender)
    shutil.rmtree(checkpoints, ignore_errors=True)
    bundle = recommender.bundle
    if as_json:
        told: dict[str, Any] = bundle.manifest.model_dump(
            mode="json", include={"kind", "data", "training", "metrics"}
        )
        told |= {"bundle": None if out is None else str(out), "evaluation": bundle.evaluation}
        told |= {} if settled is None else {"promotion": settled}
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        if bundle.evaluation is not None:
            screen.print(Report.from_json(bundle.evaluation))
        if out is not None:
            if bundle.rejected is not None and bundle.rejected.height:
                screen.print(f"{bundle.rejected.height:,} refused rows are in {out / 'rejected.csv'}")
            screen.print(f"Wrote {out}: {bundle.manifest.kind} model of {bundle.catalogue.size:,} items.")
        if settled is not None:
            became = "is live now" if settled["is_promoted"] else "was not promoted"
            screen.print(f"{settled['version']} {became}. {settled['reason']}", markup=False)
    if settled is not None and not settled["is_promoted"]:
        raise typer.Exit(1)


class _Models:
    """A registry, and who is to be beaten in it."""

    def __init__(self, registry: "Registry", reference: "Reference", judge: "Judge | None") -> None:
        self._registry, self._reference, self.judge = registry, reference, judge

    @classmethod
    def opened(cls, path: Path, recipe: Any) -> "_Models":
        """Raises: RegistryError; BundleError where what is live is damaged: there is no rival then."""
        from tastemaker.recommend import Recommender
        from tastemaker.registry import Registry
        from tastemaker.training.promotion import Judge

        registry = Registry.opened(path, create=True)
        reference = registry.reference()
        if reference.live is None:
            return cls(registry, reference, None)
        live = Recommender.load(registry.folder(reference.live))
        return cls(registry, reference, Judge(live, recipe.promotion, recipe.seed))

    def settled(self, recommender: "Recommender") -> dict[str, Any]:
        """Add the model, and promote it if it is better; what came of it."""
        import tempfile

        from tastemaker.training.promotion import Decision

        with tempfile.TemporaryDirectory(prefix=".adding-", dir=self._registry.root) as folder:
            recommender.save(Path(folder) / "bundle")
            version = self._registry.add(Path(folder) / "bundle", "train")
        if self.judge is None:
            decision = Decision(True, ("It is the first.",), dict(recommender.bundle.manifest.metrics))
        else:
            decision = self.judge.decide(recommender)
        if decision.is_better:
            self._registry.promote(version, decision.reason, "train", decision.measured, self._reference)
        else:
            self._registry.keep_out(version, decision.reason, "train", decision.measured)
        return {
            "version": version,
            "is_promoted": decision.is_better,
            "instead_of": self._reference.live,
            "reason": decision.reason,
            "measured": decision.measured,
        }
