"""What the service counts, for Prometheus. `docs/operating.md` lists it, `deploy/grafana/` draws it."""

import os
from collections.abc import Iterable
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.multiprocess import MultiProcessCollector

from tastemaker.serve.watch.shared import FOLDER

disable_created_metrics()  # type: ignore[no-untyped-call]  # half a page that nobody asks for

REQUEST_S = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
STAGE_S = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
"""Bounds of histograms, in seconds. A whole answer takes some 1 ms, a stage some 20 µs to 500 µs."""

Stage = Literal["retrieve", "rank", "rerank", "explain", "store", "encode"]
STAGES: tuple[Stage, ...] = ("retrieve", "rank", "rerank", "explain", "store", "encode")


class Metrics:
    """One process's counts; with `shared.prepare` called before, `render` tells those of all workers.

    Labels come from the code, never from a request: routes are templates, reasons are words of ours.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._is_shared = bool(os.environ.get(FOLDER))
        registry = self._registry
        if not self._is_shared:
            ProcessCollector(registry=registry)
        self._requests = Counter(
            "tastemaker_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self._request_s = Histogram(
            *("tastemaker_request_seconds", "From the first byte of a request to the last of its answer."),
            labelnames=["route"],
            buckets=REQUEST_S,
            registry=registry,
        )
        self._stage_s = Histogram(
            *("tastemaker_stage_seconds", "A stage of an answer."),
            labelnames=["stage"],
            buckets=STAGE_S,
            registry=registry,
        )
        self._sources = Counter(
            "tastemaker_items", "Items shown, by the source that found them.", ["source"], registry=registry
        )
        self._fallbacks = Counter(
            "tastemaker_fallbacks", "Answers from a fallback, by why.", ["why"], registry=registry
        )
        self._degraded = Counter(
            *("tastemaker_degraded", "Answers that left a stage out, short of time."),
            ["stage"],
            registry=registry,
        )
        self._answers = Counter(
            "tastemaker_answers",
            "Recommendations given, for people known and cold.",
            ["who"],
            registry=registry,
        )
        self._refused = Counter(
            *("tastemaker_refused", "Requests refused: overload, rate, auth or size."),
            ["reason"],
            registry=registry,
        )
        self._model = Gauge(
            *("tastemaker_model_workers", "Workers that answer from this version."),
            labelnames=["version"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._number = Gauge(
            *(
                "tastemaker_model_number",
                "Number of the registry's reference that is served; the oldest of workers.",
            ),
            registry=registry,
            multiprocess_mode="livemin",
        )
        self._waiting = Gauge(
            *("tastemaker_store_waiting", "Events and answers that wait to be written."),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._lag_s = Gauge(
            *("tastemaker_store_lag_seconds", "How long the oldest of them has waited."),
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._dropped = Counter(
            "tastemaker_store_dropped", "Answers that were not written down.", registry=registry
        )
        self._events = Counter(
            *("tastemaker_events", "Events that came: accepted, duplicate or rejected."),
            ["kind"],
            registry=registry,
        )
        self._swaps = Counter(
            *("tastemaker_swaps", "Changes of the model, done or refused."), ["result"], registry=registry
        )
        # A child bound once spares its lookup, some 1 µs each time.
        self._by_route: dict[str, Histogram] = {}
        self._by_answer: dict[tuple[str, int], Counter] = {}
        self._by_stage = {stage: self._stage_s.labels(stage) for stage in STAGES}
        self._by_source: dict[str, Counter] = {}
        self._known, self._cold = self._answers.labels("known"), self._answers.labels("cold")
        self._accepted = self._events.labels("accepted")
        self._duplicates = self._events.labels("duplicate")
        self._rejected = self._events.labels("rejected")
        self._live = ""
        self._told_dropped = 0
        for reason in ("overload", "rate", "auth", "size"):  # so that an alert sees 0 and not nothing
            self._refused.labels(reason)
        for result in ("ok", "refused"):
            self._swaps.labels(result)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """A request has its answer. route: a template, as `guard.roles.Access.route`."""
        took = self._by_route.get(route)
        if took is None:
            took = self._by_route[route] = self._request_s.labels(route)
        took.observe(seconds)
        count = self._by_answer.get((route, status))
        if count is None:
            count = self._by_answer[route, status] = self._requests.labels(route, str(status))
        count.inc()

    def stage(self, name: Stage, seconds: float) -> None:
        """A stage of an answer has taken that long."""
        self._by_stage[name].observe(seconds)

    def sources(self, names: Iterable[str]) -> None:
        """Which source found each item of an answer."""
        counts: dict[str, int] = {}
        for name in names:
            counts[name] = counts.get(name, 0) + 1
        for name, count in counts.items():
            child = self._by_source.get(name)
            if child is None:
                child = self._by_source[name] = self._sources.labels(name)
            child.inc(count)

    def asked(self, is_cold: bool) -> None:
        """A recommendation was given, to somebody of whom nothing is known (cold) or something."""
        (self._cold if is_cold else self._known).inc()

    def fallback(self, why: str) -> None:
        """An answer came from a fallback. why: a word of ours."""
        self._fallbacks.labels(why).inc()

    def degraded(self, stage: str) -> None:
        """An answer left that stage out, short of time."""
        self._degraded.labels(stage).inc()

    def refused(self, reason: str) -> None:
        """A request was refused: "overload", "rate", "auth" or "size"."""
        self._refused.labels(reason).inc()

    def version(self, live: str, number: int) -> None:
        """This worker answers from that version now, as the registry's reference of that number says."""
        if self._live and self._live != live:
            self._model.labels(self._live).set(0)  # workers share a file: a label can't be taken out of it
            if not self._is_shared:
                self._model.remove(self._live)
        self._live = live
        self._model.labels(live).set(1)
        self._number.set(number)

    def store(self, waiting: int, lag_s: float, dropped: int) -> None:
        """How the store stands. dropped: all that this process has dropped so far."""
        self._waiting.set(waiting)
        self._lag_s.set(lag_s)
        self._dropped.inc(max(0, dropped - self._told_dropped))
        self._told_dropped = dropped

    def events(self, accepted: int, duplicates: int, rejected: int) -> None:
        """A batch of events has come."""
        self._accepted.inc(accepted)
        self._duplicates.inc(duplicates)
        self._rejected.inc(rejected)

    def swapped(self, is_done: bool) -> None:
        """A new model was taken, or refused and the old one kept."""
        self._swaps.labels("ok" if is_done else "refused").inc()

    def render(self) -> tuple[bytes, str]:
        """The page for Prometheus, and its content type."""
        registry = self._registry
        if self._is_shared:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST
