"""Traces: nothing without an endpoint; with one, spans under the caller's own."""

import gzip
import http.server
import os
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tastemaker.serve.watch import traces

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"  # the example of W3C's own text


def trace_one(tracer, headers=()):
    span = tracer.request(headers)
    span.stage("rank", time.perf_counter(), 0.002)
    span.end("POST /v1/recommend", 200)
    tracer.close()


def test_without_an_endpoint_nothing_is_traced_and_nothing_imported():
    code = (
        "import sys; from tastemaker.serve.watch import traces; t = traces.of_environment({}); "
        "s = t.request([]); s.stage('rank', 0.0, 0.1); s.end('x', 200); t.close(); "
        "assert t is traces.SILENT; print(any(m.startswith('opentelemetry') for m in sys.modules))"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=30
    )
    assert done.stdout.strip() == "False", done.stderr


def test_a_request_and_its_stages_stand_under_the_callers_span():
    exporter = InMemorySpanExporter()
    trace_one(traces.to_exporter(exporter), [(b"traceparent", PARENT), (b"x-api-key", b"tm_secret")])
    stage, request = exporter.get_finished_spans()
    assert (request.name, stage.name) == ("POST /v1/recommend", "rank")
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert stage.parent.span_id == request.context.span_id
    assert stage.end_time - stage.start_time == pytest.approx(2e6, abs=2)  # 2 ms
    assert abs(stage.start_time - time.time_ns()) < 5e9
    assert dict(request.attributes) == {"http.route": "/v1/recommend", "http.response.status_code": 200}


@pytest.mark.parametrize(
    "parent", [b"", b"nonsense", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"\xff" * 500]
)
def test_a_traceparent_that_is_none_begins_a_trace(parent):
    exporter = InMemorySpanExporter()
    trace_one(traces.to_exporter(exporter), [(b"traceparent", parent)])
    assert exporter.get_finished_spans()[1].parent is None


def test_a_caller_who_does_not_sample_is_heeded():
    exporter = InMemorySpanExporter()
    trace_one(traces.to_exporter(exporter), [(b"traceparent", PARENT[:-1] + b"0")])
    assert exporter.get_finished_spans() == ()


def test_spans_arrive_at_a_collector_by_otlp(monkeypatch):
    came = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            came.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    trace_one(traces.of_environment(), [(b"traceparent", PARENT)])
    server.shutdown()
    server.server_close()
    ((path, sent),) = came
    assert path == "/v1/traces"
    (resource,) = sent.resource_spans
    assert [a.value.string_value for a in resource.resource.attributes if a.key == "service.name"] == [
        "tastemaker"
    ]
    assert [span.name for span in resource.scope_spans[0].spans] == ["rank", "POST /v1/recommend"]
