"""The smallest service that takes events: `python -m tests.faults.writer STORE PORT`.

A line is a JSON list of events, each the fields of `Event` in order; the answer is a line too, given
only once `add` has returned: {"new": [true, …]} or {"error": "…"}.
"""

import asyncio
import json
import sys

from tastemaker.errors import StoreError
from tastemaker.serve.store import Event, opened


async def main(address: str, port: int) -> None:
    store = await opened(address)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            try:
                told = {"new": await store.add([Event(*fields) for fields in json.loads(line)])}
            except StoreError as error:
                told = {"error": str(error)}
            writer.write(json.dumps(told).encode() + b"\n")
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", port, limit=2**20) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
