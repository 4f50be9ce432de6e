"""What is kept of a person: to be shown to them, and to be forgotten."""

import time
from typing import Any

from fastapi import APIRouter

from tastemaker.errors import DataError
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import Service

LONGEST = 512
"""Characters of an id."""


def routes(service: Service) -> APIRouter:
    router = APIRouter(tags=["users"])
    admin = needs(Role.ADMIN)

    @router.get("/v1/users/{user_id:path}", openapi_extra=admin)
    async def export(user_id: str) -> Any:
        """Everything that is kept of a person: events and answers in the store, and the history that the live
        model was made with."""
        _check(user_id)
        person = await service.store.person(user_id)
        past = await service.store.past(user_id, 1)
        recommender = service.live.standing.live.recommender
        log, catalogue = recommender.bundle.histories, recommender.catalogue
        user = log.user(user_id)
        learnt = [] if user is None else catalogue.id_list(log.of(user))
        return Json(
            {
                "user_id": user_id,
                "events": [each._asdict() for each in person.events],
                "answers": [_answer(each) for each in person.answers],
                "learnt_from": learnt,
                "erased_at": past.erased_at,
            }
        )

    @router.delete("/v1/users/{user_id:path}", openapi_extra=admin)
    async def erase(user_id: str) -> Any:
        """Forget a person: what the store holds is deleted, and what a model made before now was taught of
        them is never used again. The next model is made without it, being trained from the store."""
        _check(user_id)
        count = await service.store.erase(user_id, time.time())
        service.answering.forget(user_id)
        return Json({"user_id": user_id, "erased": count})

    return router


def _answer(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = answer._asdict()
    told.pop("features")  # numbers made of the rest
    told["items"] = [each._asdict() for each in answer.items]
    return told


def _check(user_id: str) -> None:
    if not 0 < len(user_id) <= LONGEST or "\0" in user_id:
        raise DataError(f"An id has 1 to {LONGEST} characters, none of them NUL.")
