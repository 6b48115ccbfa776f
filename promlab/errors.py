"""Every error that promlab shows to its users, as one tree.

Each class carries facts as attributes, and its text says what is wrong, where, and where
possible what to do. Nothing here prints, logs or knows HTTP: the server maps classes to
status codes, the notebook maps them to a caret under the query.

    PromlabError
    ├ ConfigError            a configuration file, with file:line:column and field path
    ├ ExpositionError        a scrape body that breaks its format
    ├ ScrapeError            a scrape that failed as a whole
    ├ DiscoveryError         targets that could not be asked for, or an answer that names none
    ├ PromQLError
    │ ├ PromQLSyntaxError    the text does not parse, or has no valid type
    │ └ QueryError           it parses, but cannot be evaluated
    │   ├ QueryTimeout
    │   ├ QueryCanceled
    │   └ TooManySamples
    ├ StorageError
    │ ├ DirectoryLocked      another server owns the data directory
    │ └ WALCorruption        a damaged write-ahead log
    ├ ScriptError            a test script that can't be read, with file:line
    ├ FrameError             a frame or file that can't be read as series
    ├ ClientError            an answer of a server that is not the wanted one
    └ ServerError
      ├ AddressInUse
      ├ NotReady
      └ NotRunning
"""

from __future__ import annotations


class PromlabError(Exception):
    """Root of all errors that promlab raises for its users."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(PromlabError):
    """A configuration that cannot be used.

    `path` is the file, `line` and `column` are 1-based (0 where unknown), `field` is the
    path inside the document, for instance `scrape_configs[0].static_configs`.
    """

    def __init__(
        self, message: str, *, path: str = "", line: int = 0, column: int = 0, field: str = ""
    ) -> None:
        self.message, self.path, self.line, self.column = message, path, line, column
        self.field = field
        where = ":".join(str(part) for part in (path, line, column) if part)
        parts = [part for part in (where, field, message) if part]
        super().__init__(": ".join(parts))


class ExpositionError(PromlabError):
    """A scrape body that does not follow its format; `line_no` is 1-based.

    `samples` is how many came before that line.
    """

    def __init__(self, message: str, *, line_no: int = 0, line: str = "", samples: int = 0) -> None:
        self.message, self.line_no, self.line, self.samples = message, line_no, line, samples
        where = f"line {line_no}: " if line_no else ""
        shown = f" in {line[:120]!r}" if line else ""
        super().__init__(f"{where}{message}{shown}")


class ScrapeError(PromlabError):
    """A scrape that failed; the text is what the target's page shows."""


class DiscoveryError(PromlabError):
    """Service discovery that failed this time; targets that were found before stay."""


class PromQLError(PromlabError):
    """Root of what can go wrong with a query.

    `query` is its text; `start` and `end` are 0-based character offsets of the part that
    is to blame (equal where there is only a point); `hint` says what to do about it.
    """

    def __init__(
        self, message: str, *, query: str = "", start: int = 0, end: int = 0, hint: str = ""
    ) -> None:
        self.message, self.query, self.hint = message, query, hint
        self.start, self.end = start, max(start, end)
        super().__init__(message)

    @property
    def line_column(self) -> tuple[int, int]:
        """1-based line and column of `start`."""
        before = self.query[: self.start]
        return before.count("\n") + 1, len(before) - before.rfind("\n")

    def caret(self) -> str:
        """The line of the query that is to blame, with a caret line under it."""
        line, column = self.line_column
        lines = self.query.split("\n")
        text = lines[line - 1] if line <= len(lines) else ""
        width = max(1, min(self.end - self.start, len(text) - column + 1))
        return f"{text}\n{' ' * (column - 1)}{'^' * width}"

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback: message, caret, hint."""
        shown = [f"{type(self).__name__}: {self.message}"]
        if self.query:
            shown += ["", *("    " + line for line in self.caret().split("\n"))]
        if self.hint:
            shown += ["", self.hint]
        return shown


class PromQLSyntaxError(PromQLError):
    """A query that does not parse or whose types do not fit; `expected` lists what would."""

    def __init__(
        self,
        message: str,
        *,
        query: str = "",
        start: int = 0,
        end: int = 0,
        hint: str = "",
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, query=query, start=start, end=end, hint=hint)
        self.expected = expected

    def __str__(self) -> str:
        where = position(self.query, self.start) if self.query else "unknown position"
        return f"{where}: parse error: {self.message}"


def position(query: str, start: int) -> str:
    """`line:column` of a place in a query, counted as Prometheus does: in bytes, from 1."""
    before = query[:start]
    line = before[before.rfind("\n") + 1 :]
    return f"{before.count(chr(10)) + 1}:{len(line.encode(errors='surrogatepass')) + 1}"


class QueryError(PromQLError):
    """A query that parses but cannot be evaluated on this data."""


class QueryTimeout(QueryError):
    """A query that ran longer than it may."""


class QueryCanceled(QueryError):
    """A query that somebody stopped."""


class TooManySamples(QueryError):
    """A query that needs more samples in memory than `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(
            "query processing would load too many samples into memory in query execution",
            hint=f"The limit is {limit:,} samples: narrow the selector, the range, or the step.",
        )


class StorageError(PromlabError):
    """Data could not be stored or read."""


class DirectoryLocked(StorageError):
    """Another server owns this data directory."""

    def __init__(self, path: str, owner: str) -> None:
        self.path, self.owner = path, owner
        super().__init__(
            f"data directory {path} is in use by {owner}: stop that server, "
            "or name another directory with --storage.tsdb.path"
        )


class WALCorruption(StorageError):
    """A write-ahead log record that cannot be read; `offset` is in bytes."""

    def __init__(self, message: str, *, segment: str, offset: int) -> None:
        self.segment, self.offset = segment, offset
        super().__init__(f"{segment} at byte {offset}: {message}")


class ScriptError(PromlabError):
    """A test script that can't be read; `line` is 1-based (0 where unknown)."""

    def __init__(self, message: str, *, path: str = "", line: int = 0) -> None:
        self.message, self.path, self.line = message, path, line
        where = ":".join(str(part) for part in (path, line) if part)
        super().__init__(f"{where}: {message}" if where else message)


class FrameError(PromlabError):
    """A frame or a file that can't be read as series, or a time that is none of its own."""


class ClientError(PromlabError):
    """A server's answer that carries an error; `kind` and `status` are the server's own."""

    def __init__(self, message: str, *, kind: str = "", status: int = 0, url: str = "") -> None:
        self.message, self.kind, self.status, self.url = message, kind, status, url
        super().__init__(message)


class ServerError(PromlabError):
    """A server that cannot start, or do what is asked."""


class AddressInUse(ServerError):
    """Somebody else listens on this address."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__(
            f"address {address} is already in use: stop the program that listens there, "
            "or choose another with --web.listen-address"
        )


class NotReady(ServerError):
    """The server has not finished starting."""


class NotRunning(ServerError):
    """The server is not running (any more)."""
