"""Traces by OpenTelemetry, where an endpoint is configured. Elsewhere nothing of it is imported.

A request is a span, under the caller's where it sent a `traceparent`; its stages are spans under that.
Only names of ours, routes and statuses go out.
"""

import os
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from tastemaker.errors import TastemakerError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span as OpenSpan

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
CONTEXT = ("traceparent", "tracestate")

Headers = Iterable[tuple[bytes, bytes]]


class Span(Protocol):
    """One request."""

    def stage(self, name: str, start: float, seconds: float) -> None:
        """A stage of it, which began at `start` by time.perf_counter()."""

    def end(self, route: str, status: int) -> None:
        """Its answer is out."""


class Tracer(Protocol):
    """Makes a span of each request."""

    def request(self, headers: Headers) -> Span:
        """A request with these headers begins now."""

    def close(self) -> None:
        """Send what is still held back, for a few seconds at most."""


def of_environment(environ: Mapping[str, str] = os.environ) -> Tracer:
    """A tracer to the endpoint that the environment names, or one that does nothing.

    To be called in the process that serves: it starts a thread. The other variables of OpenTelemetry
    (OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER, OTEL_EXPORTER_OTLP_HEADERS) do what its documents say.

    Raises: TastemakerError where an endpoint is named and the extra `traces` isn't installed.
    """
    if (
        not any(environ.get(name) for name in ENDPOINTS)
        or environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    ):
        return SILENT
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        raise TastemakerError(
            f"{ENDPOINTS[1]} is set, but OpenTelemetry isn't installed: pip install 'tastemaker[traces]'."
        ) from None
    return to_exporter(OTLPSpanExporter())


def to_exporter(exporter: "SpanExporter") -> Tracer:
    """A tracer that hands its spans to `exporter`, in batches from a thread of its own."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create()
    if str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "tastemaker"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return _Opened(provider)


class _Silent:
    """Nothing is traced."""

    def request(self, headers: Headers) -> "_Silent":
        return self

    def stage(self, name: str, start: float, seconds: float) -> None:
        pass

    def end(self, route: str, status: int) -> None:
        pass

    def close(self) -> None:
        pass


SILENT = _Silent()


class _Opened:
    """Spans to an exporter."""

    def __init__(self, provider: "TracerProvider") -> None:
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("tastemaker")
        self._parent = TraceContextTextMapPropagator().extract
        self._kind = SpanKind.SERVER

    def request(self, headers: Headers) -> "_OpenSpan":
        sent = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        context = self._parent({name: sent[name] for name in CONTEXT if name in sent})
        return _OpenSpan(self, self._tracer.start_span("request", context, self._kind))

    def close(self) -> None:
        self._provider.force_flush(3000)
        self._provider.shutdown()

    def child(self, parent: "OpenSpan", name: str, start_ns: int, end_ns: int) -> None:
        """A span under `parent` that is over already."""
        from opentelemetry.trace import set_span_in_context

        span = self._tracer.start_span(name, set_span_in_context(parent), start_time=start_ns)
        span.end(end_ns)


class _OpenSpan:
    """A request that is traced."""

    def __init__(self, tracer: _Opened, span: "OpenSpan") -> None:
        self._tracer = tracer
        self._span = span
        self._offset_ns = time.time_ns() - time.perf_counter_ns()

    def stage(self, name: str, start: float, seconds: float) -> None:
        if self._span.is_recording():
            start_ns = int(start * 1e9) + self._offset_ns
            self._tracer.child(self._span, name, start_ns, start_ns + int(seconds * 1e9))

    def end(self, route: str, status: int) -> None:
        from opentelemetry.trace import StatusCode

        self._span.update_name(route)
        self._span.set_attribute("http.route", route.rpartition(" ")[2])
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)
        self._span.end()
