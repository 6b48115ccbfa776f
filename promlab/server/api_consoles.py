"""/consoles/*: pages that are templates in the folder of --web.console.templates.

They share the definitions of the `.lib` files in --web.console.libraries, and ask queries. Both
folders are the operator's: what they hold is trusted, what a URL brings is not.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from promlab.errors import PromlabError
from promlab.model.labels import Symbols
from promlab.server.api_assets import read_below
from promlab.server.context import Context
from promlab.server.queries import QueryEngine
from promlab.web.http import HTML, Form, Request, Response, text

_LIBRARY_BYTES = 4 << 20
_MARKUP = re.compile(
    r"\s*<(!doctype html|!--|(html|head|body|title|script|style|iframe|div|table|font|h1|a|b|br|p)"
    r"[\s>])",
    re.I,
)


async def console(context: Context, request: Request) -> Response:
    """Expand one page."""
    settings, path = context.settings, request.path_args["path"].lstrip("/")
    engine, _ = context.evaluator()
    config = await context.config()
    form = await request.form()
    labels = dict(config.global_.external_labels)

    def work() -> Response:
        source = read_below(settings.console_templates, path)
        if source is None:
            return text(f"there is no console {path!r}\n", 404)
        try:
            page = _expanded(context, engine, path, source.decode(errors="replace"), form, labels)
        except PromlabError as error:
            return text(f"{error}\n", 500)
        headers = [(b"x-content-type-options", b"nosniff")]
        kind = HTML if _MARKUP.match(page) else "text/plain; charset=utf-8"
        return Response(body=page.encode(), content_type=kind, headers=headers)

    return await context.in_pool(work)


def _expanded(
    context: Context,
    engine: QueryEngine,
    path: str,
    source: str,
    form: Form,
    external_labels: Mapping[str, str],
) -> str:
    """Raises TemplateError."""
    from promlab.templating.consoles import ConsoleData, ConsolePage, explanation
    from promlab.templating.errors import TemplateError
    from promlab.templating.prometheus import functions

    settings, t_ms = context.settings, time.time_ns() // 1_000_000
    asks = functions(
        lambda query: _samples(engine, query, t_ms), t_ms / 1000, settings.external_url
    )
    try:
        page = ConsolePage(f"/{path}", source, _libraries(settings.console_libraries))
        return page.expand(ConsoleData(form, path, external_labels), asks)
    except TemplateError as error:
        raise PromlabError(explanation(f"/{path}", error)) from None


def _samples(
    engine: QueryEngine, query: str, t_ms: int
) -> Iterator[tuple[Mapping[str, str], float]]:
    """What a page's query gives now. Raises PromlabError."""
    from promlab.rules.rows import vector_of

    table, values = vector_of(engine.instant(query, t_ms, cancel=threading.Event()), Symbols())
    return zip(table.rows(), values.tolist(), strict=True)


def _libraries(folder: str) -> dict[str, str]:
    """The definitions that all pages share, by file."""
    if not folder:
        return {}
    found = {}
    for file in sorted(Path(folder).glob("*.lib")):
        body = read_below(folder, file.name, _LIBRARY_BYTES)
        if body is not None:
            found[file.name] = body.decode(errors="replace")
    return found
