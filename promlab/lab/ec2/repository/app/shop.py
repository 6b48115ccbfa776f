"""A small shop: three pages, one of them slow, one of them sometimes broken."""

import asyncio
import random

from fastapi import FastAPI, HTTPException
from prometheus_fastapi_instrumentator import Instrumentator

app = FastAPI()


@app.get("/")
async def front() -> dict[str, str]:
    """The front page: quick."""
    return {"shop": "open"}


@app.get("/search")
async def search(what: str = "") -> dict[str, str]:
    """The search: slow now and then."""
    await asyncio.sleep(random.lognormvariate(-4, 0.8))
    return {"found": what}


@app.post("/order")
async def order() -> dict[str, str]:
    """An order: one in twenty fails."""
    await asyncio.sleep(0.01)
    if random.random() < 0.05:
        raise HTTPException(500, "the card reader is broken")
    return {"order": "taken"}


Instrumentator().instrument(app).expose(app)
