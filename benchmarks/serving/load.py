"""Load by wrk, from the other core: as fast as it goes, or so many requests a second whatever comes back."""

import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

CORE = 1
SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local seed, ok, degraded, refused, other = %(seed)d, 0, 0, 0, 0
request = function()
  seed = (seed * 7919 + 17) %% %(people)d
  return wrk.format(nil, "/v1/recommend", nil, '{"user_id":"user ' .. seed .. '"}')
end
%(delay)s
threads = {}
setup = function(thread) table.insert(threads, thread) end
response = function(status, headers, body)
  if status == 200 then
    if string.find(body, '"degraded":[]', 1, true) then full = (full or 0) + 1 else part = (part or 0) + 1 end
  elseif status == 503 then refused503 = (refused503 or 0) + 1
  else others = (others or 0) + 1 end
end
done = function(summary, latency, requests)
  local told = {0, 0, 0, 0}
  for _, thread in ipairs(threads) do
    for place, name in ipairs({"full", "part", "refused503", "others"}) do
      told[place] = told[place] + (thread:get(name) or 0)
    end
  end
  local wrong = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  print(string.format('{"full":%%d,"degraded":%%d,"refused":%%d,"others":%%d,"broken":%%d,"seconds":%%f,' ..
    '"p50_ms":%%f,"p99_ms":%%f}', told[1], told[2], told[3], told[4], wrong, summary.duration / 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000))
end
"""


@dataclass(frozen=True)
class Load:
    """What came of it. Latencies are of all answers, refusals too."""

    full: int
    degraded: int
    refused: int
    others: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def asked(self) -> int:
        return self.full + self.degraded + self.refused + self.others


def load(port: int, people: int, seconds: float, connections: int, rate: float | None = None) -> Load:
    """
    Args:
        rate: requests a second in all; None sends the next as soon as one is answered.
    """
    delay = ""
    if rate is not None:  # evenly between nothing and twice the mean, so that they don't march in step
        mean_ms = 1000 * connections / rate
        delay = f"delay = function() return math.random(0, {round(2 * mean_ms)}) end"
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "load.lua"
        script.write_text(SCRIPT % {"seed": 1, "people": people, "delay": delay})
        command = ["taskset", "-c", str(CORE), "wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s"]
        command += ["--timeout", "10s", "-s", str(script), f"http://127.0.0.1:{port}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Load(**json.loads(done.stdout.splitlines()[-1]))
