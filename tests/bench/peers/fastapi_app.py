"""FastAPI and torch: the JPEG as the body, one call after the other in each process.

uvicorn fastapi_app:app --workers N
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import anyio.to_thread
from fastapi import FastAPI, Request

import network

_loaded: dict[str, Any] = {}
# Two calls at once in one process would fight for its threads.
_turn = threading.Lock()


@contextlib.asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    _loaded["network"] = network.load()
    yield


app = FastAPI(lifespan=_life)


def _answer(picture: bytes) -> list[dict[str, Any]]:
    tensor = network.decode(picture)
    with _turn:
        return network.classify(_loaded["network"], [tensor])[0]


@app.get("/health")
async def health() -> dict[str, str]:
    return {}


@app.post("/predict")
async def predict(request: Request) -> dict[str, Any]:
    picture = await request.body()
    return {"predictions": await anyio.to_thread.run_sync(_answer, picture)}
