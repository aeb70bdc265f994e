"""How much of the speed of planning in batches is left over HTTP?

`python -m benchmarks.http_load` prints one JSON object. 32 clients on the same machine ask `tomas serve` for a plan
each, again as soon as they are answered, for a minute; before and after that `in_process` plans the same requests, as
many at once, without a server. Clients and server share the cores with the model.
"""

import asyncio
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.common import parameters, read_options, report, rounded
from benchmarks.inputs import read_inputs
from benchmarks.untrained import write_untrained
from tomas.domain.request import Request
from tomas.planner import Planner

CLIENTS = 32


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = read_options(__doc__, argv)
    params = parameters(options)
    seconds = 2.0 if options.quick else 60.0
    inputs = read_inputs(params, 100 if options.quick else 1000)
    with tempfile.TemporaryDirectory() as folder:
        # Its gate lets everything through: answers in words would measure how fast the backbone talks.
        written = write_untrained(params, inputs.catalogue, Path(folder) / "planner")
        planner = Planner.load(written)
        planner.plan_batch(inputs.asked[:CLIENTS])
        before = in_process(planner, inputs.asked, seconds / 4)
        load = over_http(written, inputs.asked, seconds)
        after = in_process(planner, inputs.asked, seconds / 4)
    alone = (before + after) / 2
    figures = {"clients": CLIENTS, "in_process_per_s": [rounded(before), rounded(after)], **load}
    return report("http_load", options, params, {**figures, "share": rounded(load["per_s"] / alone)})


def in_process(planner: Planner, requests: Sequence[Request], seconds: float) -> float:
    """Plans a second, as many at once as there are clients."""
    following = cycle(requests)
    began, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - began) < seconds:
        count += len(planner.plan_batch(list(islice(following, CLIENTS))))
    return count / elapsed


def over_http(folder: Path, requests: Sequence[Request], seconds: float) -> dict[str, Any]:
    """Figures of clients that each ask again as soon as they are answered."""
    command = [sys.executable, "-m", "tomas.cli", "serve", "--planner", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = next((found[0] for line in server.stderr if (found := re.search(r"http://\S+", line))), None)
        assert address, "the server did not start"
        try:
            return asyncio.run(_load(address, requests, seconds))
        finally:
            server.terminate()


async def _load(address: str, requests: Sequence[Request], seconds: float) -> dict[str, Any]:
    bodies = [request.model_dump_json(exclude_none=True).encode() for request in requests]
    waits: list[float] = []
    errors = 0

    async def ask(client: httpx.AsyncClient, first: int) -> None:
        nonlocal errors
        for body in islice(cycle(bodies), first, None):
            if (asked := time.perf_counter()) - began >= seconds:
                return
            answer = await client.post("/plan", content=body, headers={"Content-Type": "application/json"})
            errors += answer.status_code != 200
            waits.append((time.perf_counter() - asked) * 1000)

    async with httpx.AsyncClient(base_url=address, timeout=120, limits=httpx.Limits(max_connections=CLIENTS)) as client:
        began = time.perf_counter()
        await asyncio.gather(*(ask(client, number * len(bodies) // CLIENTS) for number in range(CLIENTS)))
        elapsed = time.perf_counter() - began
        counted = (await client.get("/metrics")).text
    p50, p95 = np.quantile(waits, [0.5, 0.95])
    batches = re.search(r"^tomas_batch_size_count (\S+)", counted, re.MULTILINE)
    assert batches is not None
    return {
        "plans": len(waits),
        "errors": errors,
        "per_s": rounded(len(waits) / elapsed),
        "ms": {"p50": rounded(float(p50)), "p95": rounded(float(p95))},
        "batch_mean": rounded(len(waits) / float(batches[1])),
    }


if __name__ == "__main__":
    sys.exit(main())
