"""What people did: kept for good before it is acknowledged."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import APIRouter

from tastemaker.data.catalogue import PAD
from tastemaker.recommend import Recommender
from tastemaker.serve.errors import Json
from tastemaker.serve.guard.roles import Role
from tastemaker.serve.routes.needs import needs
from tastemaker.serve.service import DAY_S, Service
from tastemaker.serve.store import Event, Meaning
from tastemaker.serve.wire import EventsIn, EventsOut


def routes(service: Service) -> APIRouter:
    router, settings = APIRouter(tags=["events"]), service.settings

    @router.post(
        "/v1/events", response_model=EventsOut, status_code=202, openapi_extra=needs(Role.WRITE_EVENTS)
    )
    async def add(given: EventsIn) -> Any:
        """Keep events. 202 says that those accepted would survive the loss of power, and count from the next
        answer on. The same `event_id` counts once, so whatever wasn't acknowledged can be sent again."""
        now = time.time()
        kept: list[Event] = []
        rejected: list[dict[str, Any]] = []
        for index, each in enumerate(given.events):
            event = each.event_at(now)
            wrong = _wrong(event, now, settings.ahead_s, settings.keep_days)
            if wrong is None:
                kept.append(event)
            else:
                rejected.append({"index": index, "reason": wrong})
        is_new = await service.store.add(kept) if kept else []
        accepted = sum(is_new)
        _learn(
            service.live.standing.live.recommender, [e for e, new in zip(kept, is_new, strict=True) if new]
        )
        service.metrics.events(accepted, len(kept) - accepted, len(rejected))
        return Json({"accepted": accepted, "duplicates": len(kept) - accepted, "rejected": rejected}, 202)

    return router


def _wrong(event: Event, now: float, ahead_s: float, keep_days: float | None) -> str | None:
    """Why an event can't be kept; None where it can."""
    if event.at > now + ahead_s:
        return f"its time lies {event.at - now:.0f} s ahead of ours, and {ahead_s:g} s are allowed"
    if keep_days is not None and event.at < now - keep_days * DAY_S:
        return f"it is older than the {keep_days:g} days that events are kept for"
    return None


def _learn(recommender: Recommender, events: Sequence[Event]) -> None:
    """Let rules that go by how often an item was tried hear of it, where there are such rules."""
    if "memory" not in recommender.__dict__:
        return
    clicked = [each.item_id for each in events if each.meaning is Meaning.TOUCH and each.recommendation_id]
    seen = [each.item_id for each in events if each.meaning is Meaning.IMPRESSION]
    for ids, clicks, shows in ((clicked, 1.0, 0.0), (seen, 0.0, 1.0)):
        rows = recommender.catalogue.rows(ids)
        rows = rows[rows != PAD]
        if len(rows):
            recommender.memory.tries.add(rows, clicks, np.full(len(rows), shows))
