"""Which model answers, which others there are, and why one was refused."""

import asyncio
import os
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from tastemaker.errors import RegistryError
from tastemaker.recipe.placements import NAME
from tastemaker.registry import Kind, Registry
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service
from tastemaker.serve.wire import PromoteIn, RollbackIn, TrialIn

VersionPath = Annotated[str, Path(pattern=r"^[0-9a-f]{12}$")]


def routes(service: Service) -> APIRouter:
    router, live = APIRouter(tags=["models"]), service.live
    admin = needs(Role.ADMIN)

    def registry() -> Registry:
        if live.registry is None:
            raise RegistryError("This service has one bundle, and no registry to take another from.")
        return live.registry

    def standing() -> dict[str, Any]:
        now = live.standing
        return {
            "live": now.live.version,
            "number": now.number,
            "trials": [trial.model_dump() for trial, _ in now.trials],
            "refused": live.refused,
            "worker": os.getpid(),
        }

    @router.get("/v1/models", openapi_extra=needs(Role.READ))
    async def models() -> Any:
        """The live model, those being tried, all others, and what was refused and why."""
        if live.registry is None:
            manifest = live.standing.live.recommender.bundle.manifest
            told = {"version": live.standing.live.version, "is_live": True, "kind": manifest.kind}
            return Json(
                {
                    **standing(),
                    "versions": [{**told, "created": manifest.created, "metrics": manifest.metrics}],
                }
            )
        held = live.registry
        versions = await asyncio.to_thread(held.versions)
        kept_out = await asyncio.to_thread(held.refused)
        return Json(
            {
                **standing(),
                "versions": [
                    asdict(each) | {"trials": [trial.model_dump() for trial in each.trials]}
                    for each in versions
                ],
                "kept_out": [
                    {"at": each.at, "version": each.version, "reason": each.reason} for each in kept_out[-20:]
                ],
            }
        )

    @router.get("/v1/models/{version}", openapi_extra=needs(Role.READ))
    async def model(version: VersionPath) -> Any:
        """One model: what it was made of, how, and how good it is."""
        bundle = live.standing.live.recommender.bundle
        if live.registry is not None:
            manifest = await asyncio.to_thread(live.registry.manifest, version)
        elif version == live.standing.live.version:
            manifest = bundle.manifest
        else:
            raise RegistryError(f"There is no model {version} here.")
        return Json({"version": version, **manifest.model_dump(mode="json", exclude={"files", "checksum"})})

    @router.post("/v1/models/promote", openapi_extra=admin)
    async def promote(asked: PromoteIn, request: Request) -> Any:
        """Let a model answer from now on: verified, asked its golden requests and warmed before it does."""
        by = request.scope["state"].get("key_id", "")
        await asyncio.to_thread(registry().promote, asked.version, asked.because, by)
        return await followed(asked.version)

    @router.post("/v1/models/rollback", openapi_extra=admin)
    async def rollback(asked: RollbackIn, request: Request) -> Any:
        """Let the model before answer again."""
        by = request.scope["state"].get("key_id", "")
        reference = await asyncio.to_thread(registry().rollback, asked.because, by)
        return await followed(str(reference.live))

    @router.put("/v1/models/trials", openapi_extra=admin)
    async def trial(asked: TrialIn, request: Request) -> Any:
        """Try a model beside the live one: a canary is shown to a share of people, a shadow to nobody."""
        by = request.scope["state"].get("key_id", "")
        told = (asked.placement, asked.kind, asked.version, asked.share, asked.because, by)
        await asyncio.to_thread(registry().trial, *told)
        await live.look()
        return Json(standing())

    @router.delete("/v1/models/trials", openapi_extra=admin)
    async def end(
        kind: Kind,
        request: Request,
        placement: Annotated[str, Query(pattern=f"^$|{NAME}", max_length=64)] = "",
    ) -> Any:
        """End a trial."""
        by = request.scope["state"].get("key_id", "")
        await asyncio.to_thread(registry().end_trial, placement, kind, "", by)
        await live.look()
        return Json(standing())

    async def followed(version: str) -> Json:
        await live.look()
        if live.standing.live.version != version:
            raise RegistryError(live.refused.get(version, "Another model was promoted meanwhile."))
        return Json(standing())

    return router
