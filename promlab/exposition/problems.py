"""What can be wrong with a body, in words, and the error that says where."""

from __future__ import annotations

from promlab.errors import ExpositionError
from promlab.exposition import line_kernels as k

_WORDS = {
    k.BAD_START: "expected a metric name, '{' or a comment",
    k.BAD_LABEL: "expected a label name or '}'",
    k.BAD_EQUAL: "expected '=' after the label name",
    k.BAD_LABEL_VALUE: "expected a label value in double quotes",
    k.BAD_COMMA: "expected ',' or '}' after the label value",
    k.OPEN_STRING: "the quoted string has no end",
    k.BAD_UTF8: "the quoted string is not valid UTF-8",
    k.NO_NAME: "the series has no metric name",
    k.TWO_NAMES: "the series has two metric names",
    k.EMPTY_NAME: "the metric name is empty",
    k.EMPTY_LABEL: "the label name is empty",
    k.BAD_VALUE: "expected a number as value",
    k.BAD_TIME: "expected a timestamp: whole milliseconds in the text format, "
    "finite seconds in OpenMetrics",
    k.BAD_END: "expected the end of the line",
    k.BAD_COMMENT: "OpenMetrics knows only '# HELP', '# TYPE', '# UNIT' and '# EOF'",
    k.BAD_COMMENT_NAME: "expected a metric name after HELP, TYPE or UNIT",
    k.BAD_COMMENT_TEXT: "expected a blank and a text after the metric name",
    k.NO_EOF: "the body does not end with '# EOF'",
    k.AFTER_EOF: "nothing may follow '# EOF'",
    k.BAD_EXEMPLAR: "expected the value of an exemplar, and its finite timestamp if any",
    k.BAD_SPACE: "expected one blank and the value",
}
CODES = frozenset(_WORDS)


def problem(code: int, body: bytes, position: int, samples: int) -> ExpositionError:
    """The error for a code of `line_kernels`, met after so many samples."""
    return error_at(_WORDS[code], body, position, samples)


def error_at(message: str, body: bytes, position: int, samples: int = 0) -> ExpositionError:
    """An error about the line of `body` in which byte `position` is."""
    position = min(position, max(len(body) - 1, 0))
    start = body.rfind(b"\n", 0, position) + 1
    end = body.find(b"\n", position)
    line = body[start : end if end >= 0 else len(body)][:200].decode(errors="replace")
    line_no = body.count(b"\n", 0, start) + 1
    return ExpositionError(message, line_no=line_no, line=line, samples=samples)
