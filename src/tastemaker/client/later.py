"""The client to be awaited: `now.py` word for word but for the waiting."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, Literal, Self, Unpack

import httpx

from tastemaker.client import calls, messages
from tastemaker.client.calls import Call
from tastemaker.client.errors import ClientError


class AsyncClient:
    """Asks a service; one for many tasks.

    Args:
        url: of the service, such as http://127.0.0.1:8000.
        key: an API key; None where the service runs with --no-auth.
        timeout: of one request, in seconds or as httpx has it.
    Raises: of every method, ClientError and its kinds.
    """

    def __init__(
        self, url: str, key: str | None = None, timeout: float | httpx.Timeout = calls.TIMEOUT
    ) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.AsyncClient(base_url=self.url, headers=calls.headers(key), timeout=timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, call: Call) -> httpx.Response:
        try:
            answer = await self._http.request(call.method, call.path, json=call.body, params=call.params)
        except httpx.TransportError as error:
            raise calls.unreachable(self.url, error) from None
        return calls.checked(answer)

    async def _json(self, call: Call) -> Any:
        return (await self._ask(call)).json()

    async def recommend(self, **asked: Unpack[messages.RecommendIn]) -> messages.AnswerOut:
        """What to show next to `user_id`, or to whoever has this `history`, or `liked` these."""
        answer: messages.AnswerOut = await self._json(Call("POST", "/v1/recommend", asked))
        return answer

    async def pages(self, **asked: Unpack[messages.RecommendIn]) -> AsyncIterator[messages.AnswerOut]:
        """A list of `recommend` and what follows it, page after page."""
        while True:
            answer = await self.recommend(**asked)
            yield answer
            if answer["cursor"] is None:
                return
            asked = {**asked, "cursor": answer["cursor"]}

    async def rank(self, **asked: Unpack[messages.RankIn]) -> messages.AnswerOut:
        """Your own `items` in the order that suits somebody."""
        answer: messages.AnswerOut = await self._json(Call("POST", "/v1/rank", asked))
        return answer

    async def similar(
        self,
        item_id: str,
        k: int | None = None,
        placement: str | None = None,
        filter: str | None = None,
        all_seasons: bool = False,
    ) -> messages.AnswerOut:
        """What is like an item."""
        params = calls.given(k=k, placement=placement, filter=filter, all_seasons=all_seasons or None)
        answer: messages.AnswerOut = await self._json(
            Call("GET", calls.items(item_id, "/similar"), params=params)
        )
        return answer

    async def item(self, item_id: str) -> messages.CatalogueItem:
        """What the catalogue says of an item."""
        answer: messages.CatalogueItem = await self._json(Call("GET", calls.items(item_id)))
        return answer

    async def put_item(self, item_id: str, columns: messages.Json) -> messages.ItemChanged:
        """Let an item be as described, new or known."""
        answer: messages.ItemChanged = await self._json(Call("PUT", calls.items(item_id), columns))
        return answer

    async def delete_item(self, item_id: str) -> messages.ItemChanged:
        """Let an item go."""
        answer: messages.ItemChanged = await self._json(Call("DELETE", calls.items(item_id)))
        return answer

    async def search(self, q: str, k: int | None = None) -> messages.SearchOut:
        """Titles that somebody may mean who types `q`."""
        answer: messages.SearchOut = await self._json(Call("GET", "/v1/search", params=calls.given(q=q, k=k)))
        return answer

    async def placements(self) -> dict[str, messages.Json]:
        """The places of a site, and what is said of each."""
        answer: dict[str, messages.Json] = await self._json(Call("GET", "/v1/placements"))
        return answer

    async def send_events(self, events: Iterable[messages.EventIn]) -> messages.EventsOut:
        """Have events kept for good, any number of them: in batches, each sent again where it wasn't
        acknowledged, which is safe because an event counts once.

        Raises: ClientError, whose `unacknowledged` are the events to send again later.
        """
        held = calls.named(events)
        total: messages.EventsOut = {"accepted": 0, "duplicates": 0, "rejected": []}
        for start, batch in calls.batches(held):
            tries = 0
            while True:
                tries += 1
                try:
                    calls.add(total, start, await self._json(Call("POST", "/v1/events", {"events": batch})))
                    break
                except ClientError as error:
                    if (wait := calls.wait_s(error, tries)) is None:
                        error.unacknowledged = held[start:]
                        raise
                await asyncio.sleep(wait)
        return total

    async def export_user(self, user_id: str) -> messages.Person:
        """Everything that is kept of a person."""
        answer: messages.Person = await self._json(Call("GET", calls.users(user_id)))
        return answer

    async def erase_user(self, user_id: str) -> messages.Erased:
        """Forget a person."""
        answer: messages.Erased = await self._json(Call("DELETE", calls.users(user_id)))
        return answer

    async def models(self) -> messages.Json:
        """The live model, those being tried, all others, and what was refused and why."""
        answer: messages.Json = await self._json(Call("GET", "/v1/models"))
        return answer

    async def model(self, version: str) -> messages.Json:
        """What a model was made of, how, and how good it is."""
        answer: messages.Json = await self._json(Call("GET", calls.models(version)))
        return answer

    async def promote(self, **asked: Unpack[messages.PromoteIn]) -> messages.Json:
        """Let a model answer from now on."""
        answer: messages.Json = await self._json(Call("POST", "/v1/models/promote", asked))
        return answer

    async def rollback(self, **asked: Unpack[messages.RollbackIn]) -> messages.Json:
        """Let the model before answer again."""
        answer: messages.Json = await self._json(Call("POST", "/v1/models/rollback", asked))
        return answer

    async def trial(self, **asked: Unpack[messages.TrialIn]) -> messages.Json:
        """Try a model beside the live one."""
        answer: messages.Json = await self._json(Call("PUT", "/v1/models/trials", asked))
        return answer

    async def end_trial(
        self, kind: Literal["canary", "shadow"], placement: str | None = None
    ) -> messages.Json:
        """End a trial."""
        params = calls.given(kind=kind, placement=placement)
        answer: messages.Json = await self._json(Call("DELETE", "/v1/models/trials", params=params))
        return answer

    async def live(self) -> messages.Health:
        """Whether the process is alive."""
        answer: messages.Health = await self._json(Call("GET", "/health/live"))
        return answer

    async def ready(self) -> messages.Health:
        """Whether it can answer; raises OverloadedError while it stops."""
        answer: messages.Health = await self._json(Call("GET", "/health/ready"))
        return answer

    async def metrics(self) -> str:
        """Counts and times, for Prometheus."""
        return (await self._ask(Call("GET", "/metrics"))).text
