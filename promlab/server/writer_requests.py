"""What the writer answers on its channel: one method a request of the reader's."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from promlab.errors import NotReady, ServerError
from promlab.model.storage import Refs
from promlab.server import writer_views
from promlab.server.channel import Columns, Handler, WithColumns
from promlab.server.lab_files import LabFiles
from promlab.server.sample_frames import frame_exemplars
from promlab.server.write_columns import labels_from, sample_extras
from promlab.server.writer_storage import EXEMPLARS

if TYPE_CHECKING:
    from promlab.server.writer import Writer
    from promlab.tsdb.head import Head


class WriterRequests:
    """The requests that one writer takes; while it is not ready, those that need it are told."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._lab = LabFiles(writer.settings.data_path, writer.reload)
        self._lab_lock = asyncio.Lock()

    def handlers(self) -> dict[str, Handler]:
        """What the reader may ask for."""
        return {
            "write": self._write,
            "refs": self._refs,
            "record": self._record,
            "targets": self._targets,
            "scrape_pools": self._scrape_pools,
            "metadata": self._metadata,
            "head_stats": self._head_stats,
            "metrics": self._metrics,
            "config": self._show_config,
            "config_text": self._config_text,
            "reload": self._reload_asked,
            "sent": self._sent,
            "reload_successful": self._reload_successful,
            "replay": self._replay_progress,
            "blocks": self._blocks,
            "delete_series": self._delete_series,
            "clean_tombstones": self._clean_tombstones,
            "snapshot": self._snapshot,
            "lab_listing": self._lab_listing,
            "lab_put": self._lab_put,
            "lab_remove": self._lab_remove,
        }

    async def _write(self, body: Any, columns: Columns) -> Any:
        head = self._writer.storage()
        if body["writer"] != self._writer.id:
            return {"writer": self._writer.id}
        from promlab.server.writer_appends import write

        done = write(head, body, columns)
        await self._writer.commits.wait()
        done.body["writer"] = self._writer.id
        return done

    async def _refs(self, body: Any, columns: Columns) -> Any:
        refs = _registered(self._writer.storage(), body, columns)
        return WithColumns({"writer": self._writer.id}, {"refs": np.asarray(refs, np.uint64)})

    async def _record(self, body: Any, columns: Columns) -> Any:
        """Samples with their labels; committed at once, for the next rule may build on them."""
        head = self._writer.storage()
        refs = _registered(head, body, columns)
        extras = sample_extras(body, columns)
        outcome = head.append_loose(refs, columns["t_ms"], columns["values"], extras)
        exemplars = frame_exemplars(body, columns, refs)
        if exemplars is not None and EXEMPLARS in self._writer.settings.features:
            head.append_exemplars(exemplars)
        head.commit()
        return outcome._asdict()

    async def _targets(self, _body: Any, _columns: Columns) -> Any:
        return writer_views.targets(await self._writer.scraping())

    async def _scrape_pools(self, _body: Any, _columns: Columns) -> Any:
        return (await self._writer.scraping()).pools

    async def _metadata(self, body: Any, _columns: Columns) -> Any:
        return writer_views.metadata(await self._writer.scraping(), body or "")

    async def _sent(self, sent_to_ms: Any, _columns: Columns) -> Any:
        """An agent's endpoints of remote write have all that is not younger."""
        old_ms = time.time_ns() // 1_000_000 - self._writer.settings.keep_sent_ms
        self._writer.storage().forget_before(min(sent_to_ms, old_ms))

    async def _head_stats(self, _body: Any, _columns: Columns) -> Any:
        return writer_views.head_stats(self._writer.storage())

    async def _metrics(self, _body: Any, _columns: Columns) -> Any:
        return {
            "pid": os.getpid(),
            "tasks": len(asyncio.all_tasks()),
            "text": writer_views.metrics(self._writer),
            "discovery": writer_views.discovery(self._writer.manager),
        }

    async def _show_config(self, _body: Any, _columns: Columns) -> Any:
        return {
            "yaml": self._writer.loaded.config.to_yaml() if self._writer.loaded else "",
            "reload_successful": self._writer.reload_successful,
            "reloaded_s": self._writer.reloaded_s,
        }

    async def _config_text(self, known: Any, _columns: Columns) -> Any:
        """The configuration as it was read, unless it is the one that is known."""
        if self._writer.loaded is None:
            raise NotReady("the configuration is not loaded yet")
        version = f"{self._writer.id}.{self._writer.loads}"
        return None if known == version else {"version": version, "text": self._writer.loaded.text}

    async def _reload_successful(self, _body: Any, _columns: Columns) -> Any:
        # While the first configuration is being loaded, nothing has failed yet.
        return self._writer.reload_successful or not self._writer.loads

    async def _replay_progress(self, _body: Any, _columns: Columns) -> Any:
        at = self._writer.progress
        return {"min": at.first_segment, "max": at.last_segment, "current": at.segment}

    async def _blocks(self, _body: Any, _columns: Columns) -> Any:
        keeper = self._writer.storage().blocks
        return [meta.as_json() for meta in keeper.metas] if keeper else []

    async def _block_job(self, job: dict[str, Any]) -> Any:
        """Have the keeper of blocks do something; returns when it is done."""
        head = self._writer.storage()
        if head.blocks is None:
            raise ServerError("this server makes no blocks")
        head.commit()
        return await asyncio.wrap_future(head.blocks.ask(job))

    async def _delete_series(self, body: Any, _columns: Columns) -> Any:
        facts = {"start_ms": body["start_ms"], "end_ms": body["end_ms"]}
        await self._block_job({"kind": "delete", "selectors": body["matchers"], **facts})

    async def _clean_tombstones(self, _body: Any, _columns: Columns) -> Any:
        await self._block_job({"kind": "clean"})

    async def _snapshot(self, skip_head: Any, _columns: Columns) -> Any:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        name = f"{moment}-{secrets.token_hex(8)}"
        await self._block_job({"kind": "snapshot", "name": name, "skip_head": bool(skip_head)})
        return name

    async def _lab_listing(self, kind: Any, _columns: Columns) -> Any:
        return self._lab.listing(kind)

    async def _lab_put(self, body: Any, _columns: Columns) -> Any:
        await self._writer.scraping()
        async with self._lab_lock:
            await self._lab.put(body["kind"], body["name"], body["document"])

    async def _lab_remove(self, body: Any, _columns: Columns) -> Any:
        await self._writer.scraping()
        async with self._lab_lock:
            return await self._lab.remove(body["kind"], body["name"])

    async def _reload_asked(self, _body: Any, _columns: Columns) -> Any:
        await self._writer.reload()


def _registered(head: Head, body: Any, columns: Columns) -> Refs:
    """References of the label sets in a request."""
    n = len(columns["0"]) if body["names"] else 0
    return head.refs(labels_from(body, columns, n).recode(head.symbols))
