"""Advice for the classic mistakes: what to write instead.

One table: a pattern for the error's message, a pattern for the text around the place where it
happened (`§` marks the place), and the advice. The first row that fits is used. Advice may
name groups of either pattern as `{name}`; the error itself is never changed.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import NamedTuple

from promlab.errors import PromQLSyntaxError
from promlab.promql.registry import AGGREGATIONS, FUNCTIONS

_AROUND = 200  # characters on either side that patterns see
_LONG_UNITS = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("year", "years"), "y"),
    **dict.fromkeys(("msec", "millis", "milliseconds"), "ms"),
}
# What functions are called elsewhere.
_OTHER_NAMES = {
    **dict.fromkeys(("mean", "average"), "avg"),
    **dict.fromkeys(("median", "percentile", "percentiles"), "quantile"),
    **dict.fromkeys(("total", "add"), "sum"),
    **dict.fromkeys(("length", "size", "cardinality"), "count"),
    **dict.fromkeys(("derivative", "slope"), "deriv"),
    "holt_winters": "double_exponential_smoothing",
    "histogram_percentile": "histogram_quantile",
    "non_negative_derivative": "rate",
    "per_second": "rate",
    "top": "topk",
    "bottom": "bottomk",
    "now": "time",
    "log": "ln",
    "pow": "the operator ^",
    "mod": "the operator %",
    "coalesce": "the operator or",
    "increment": "increase",
    "moving_average": "avg_over_time",
}


class Rule(NamedTuple):
    """One mistake: how it shows, and what to do about it."""

    message: str
    around: str
    advice: str


_RANGE = "Add a time range in brackets: {function}({arg}[5m])."
_SQL = (
    r"(?i)^\s*select\b|\b(from|where|group\s+by|order\s+by|having|limit|like|between)\b\s*§?"
    r"|§(from|where|group|order|having|limit|like|between)\b"
)

RULES = (
    # ------------------------------------------------------------ types
    Rule(
        r'expected type range vector in call to function "(?P<function>\w+)", got instant vector',
        r"§(?P<arg>[\w:]+(?:\{[^{}]*\})?)\s*[,)]",
        _RANGE,
    ),
    Rule(
        r'expected type range vector in call to function "(?P<function>\w+)", got instant vector',
        r"§(?P<op>sum|avg|min|max|count)\b",
        "Take the {function} first and aggregate then: {op}({function}(x[5m])).",
    ),
    Rule(
        r'expected type range vector in call to function "(?P<function>\w+)", got instant vector',
        "",
        "Only a selector takes a plain range; for a computed vector use a subquery: "
        "{function}((...)[5m:]).",
    ),
    Rule(
        r"expected type instant vector in .*, got range vector",
        "",
        "A range like [5m] holds many values a series: make one of them with a function, "
        "for instance rate(...) or avg_over_time(...), or leave the range out.",
    ),
    Rule(
        r"binary expression must contain only|unary expression only allowed on .*range vector",
        "",
        "A range like [5m] can't be computed with: put a function around it, "
        "for instance rate(x[5m]).",
    ),
    Rule(
        r"expected type scalar in aggregation parameter",
        "",
        "The number comes first: topk(5, x), quantile(0.9, x).",
    ),
    Rule(
        r"expected type (instant|range) vector in .*, got scalar",
        r"§",
        "A number is no vector: vector(1) makes one of it.",
    ),
    Rule(
        r"comparisons between scalars must use BOOL",
        "",
        "Between two numbers a comparison gives 1 or 0: write == bool, > bool, and so on.",
    ),
    Rule(
        r"set operator .* not allowed in binary scalar expression",
        "",
        "and, or, unless work on series, not on numbers: vector(0) makes a series of a number.",
    ),
    Rule(
        r"at least one non-empty matcher",
        "",
        'Name a metric, or a label that must not be empty: {{job="api"}} or {{job=~".+"}}.',
    ),
    Rule(
        r"no (offset|@|anchored or smoothed) modifiers? allowed before range",
        "",
        "The range comes first: x[5m] offset 1h, x[5m] @ end().",
    ),
    Rule(
        r"(offset|@) modifier must be preceded by",
        "",
        "Put it directly after the metric, inside the function: rate(x[5m] offset 1h).",
    ),
    Rule(
        r"ranges only allowed for vector selectors",
        r"\b(?P<function>\w*rate|increase|delta|\w+_over_time|changes|resets|deriv)"
        r"\((?P<arg>[\w:]+(?:\{[^{}]*\})?)\)\s*§\[(?P<range>\w+)",
        "The range belongs to the metric, inside the function: {function}({arg}[{range}]).",
    ),
    Rule(
        r"ranges only allowed for vector selectors",
        "",
        "For the history of a computed vector use a subquery, with a colon: (...)[5m:].",
    ),
    # ------------------------------------------------------------ names
    Rule(r"unknown function", r"(?i)§(if|case|when)\b", "Comparisons filter: x > 5 keeps those."),
    # ------------------------------------------------------------ other languages
    Rule(r"'\$'", "", "Variables such as $job or $__interval are Grafana's: write a value."),
    Rule(
        r"unexpected",
        _SQL,
        "PromQL is not SQL: choose series with matchers, and group in the aggregation: "
        'sum by (code) (rate(http_requests_total{{job="api"}}[5m])).',
    ),
    Rule(r"'&'", "", "Write and: a and b."),
    Rule(r"'\|'", "", 'Write or: a or b; inside a label value "x|y" with =~.'),
    Rule(r"unexpected <op:>>", r"<§>", "Not equal is written !=."),
    Rule(r"[“”„‘’«»]", "", "Use straight quotes: \"...\" or '...'."),
    Rule(r"';'", "", "A query needs no semicolon; one cell or request holds one query."),
    Rule(
        r"unexpected (end of input|<op|right|\"\)\"|identifier)|unclosed",
        r"\d\s*%\s*(?:§|\)|$)|\d\s*%\s*(and|or)\b",
        "% is the remainder of a division; write 80% as 0.8, or multiply by 100 before comparing.",
    ),
    # ------------------------------------------------------------ inside braces
    Rule(
        r'unexpected identifier "(?P<value>.*)" in label matching, expected string',
        r"(?P<label>\w+)\s*(?P<op>=~|!~|!=|=)\s*§",
        'Label values stand in quotes: {label}{op}"{value}".',
    ),
    Rule(
        r"unexpected character inside braces: '[0-9]'",
        r"(?P<label>\w+)\s*(?P<op>=~|!~|!=|=)\s*§(?P<value>[\w.]+)",
        'Label values stand in quotes, numbers too: {label}{op}"{value}".',
    ),
    Rule(
        r'unexpected "=" in label matching',
        r"=§=",
        'In braces equality is one sign: {{job="api"}}.',
    ),
    Rule(
        r"unexpected character inside braces: '[<>]'",
        "",
        "Labels are text: match them with =, !=, =~, !~. Values are compared behind the braces: "
        "x > 5.",
    ),
    Rule(
        r"unexpected character inside braces: '[-.:/]'",
        r"(?P<start>\w+)§(?P<rest>[-.:/\w]*)",
        'A label name with other characters stands in quotes: "{start}{rest}"="...".',
    ),
    Rule(
        r"unexpected left brace",
        "",
        "Matchers stand in single braces. Text in double braces is a template's.",
    ),
    Rule(
        r'in label matching, expected "," or "}"',
        "",
        'Commas go between matchers: {{a="1", b="2"}}.',
    ),
    Rule(
        r"expected label matching operator",
        "",
        'A matcher is label, operator, text in quotes: job="api". Operators: = != =~ !~.',
    ),
    Rule(
        r"missing argument to repetition operator",
        "",
        'A regular expression, not a file pattern: "anything" is .* there.',
    ),
    Rule(r"(?P<escape>unknown escape sequence)", "", "Double the backslash, or use `backticks`."),
    # ------------------------------------------------------------ grouping
    Rule(
        r'in grouping opts, expected "\("',
        r"(?i)(?P<word>by|without|on|ignoring)\s*§(?P<label>\w+)",
        "Labels stand in parentheses: {word} ({label}).",
    ),
    Rule(
        r"in aggregation",
        r"(?i)(?P<op>\w+)\s*(?P<by>by|without)\s*(?P<labels>\([^()]*\))\s*§(?P<arg>[\w:]+)",
        "What is aggregated stands in parentheses too: {op} {by} {labels} ({arg}).",
    ),
    Rule(
        r"unexpected <(?P<word>by|without)>",
        r"(?P<function>[a-z_]+)\s*(?:\([^()]*\)\s*)?§",
        "",
    ),
    Rule(
        r"unexpected <(?P<word>by|without)>",
        "",
        "{word} belongs to an aggregation: sum {word} (job) (x). To match series of two sides "
        "write on (job) or ignoring (job) after the operator.",
    ),
    Rule(
        r'unexpected "\("$',
        r"(?i)[-+*/%^<>=]\s*(?P<word>by|without)\s*§",
        "{word} belongs to an aggregation; to match series of two sides write on (job) or "
        "ignoring (job).",
    ),
    Rule(
        r"unexpected <(on|ignoring|group_left|group_right|bool)>",
        "",
        "Order after an operator: bool, on or ignoring (labels), group_left or group_right "
        "(labels): a / on (job) group_left b.",
    ),
    Rule(
        r"unexpected end of input",
        r"(?i)group_(left|right)\s*\([^()]*\)\s*§$",
        "The parentheses were taken for labels of group_left or group_right: write "
        "group_left () before an operand in parentheses.",
    ),
    # ------------------------------------------------------------ operators and numbers
    Rule(r'unexpected "="', r"§=|[<>=]§", "Comparisons: == != < <= > >=."),
    Rule(r'unexpected "="', "", "Equality of values is written ==, a single = is for labels."),
    Rule(
        r"unexpected character after '='",
        "",
        '=~ matches labels, inside braces: x{{job=~"a.*"}}.',
    ),
    Rule(r"unexpected character after '!'", "", "Not: != or !~ in braces, unless between vectors."),
    Rule(r'unknown unit "\." in duration', "", "Durations have no fractions: 1h30m, not 1.5h."),
    Rule(
        r"not a valid duration string",
        "",
        "Units go from long to short, each at most once: 1h30m.",
    ),
    Rule(
        r"duration must be greater than 0",
        r"\[\s*-?§-?\s*\w+",
        "Ranges look back by themselves: x[5m]. To look at other times use offset.",
    ),
    Rule(
        r"unexpected character in duration expression",
        "",
        "In brackets stands a duration: [5m], [1h30m]; for labels use braces.",
    ),
    # ------------------------------------------------------------ what is open or too much
    Rule(r"unclosed left parenthesis", "", "A closing ) is missing."),
    Rule(r"unclosed left bracket|end of input in duration", "", "A closing ] is missing."),
    Rule(r"unexpected end of input inside braces", "", "A closing }} is missing."),
    Rule(r"unterminated", "", "The closing quote is missing."),
    Rule(r"unexpected right parenthesis", "", "There is a ) too many, or a ( is missing."),
    Rule(r"unexpected character: '}'", "", "There is a }} too many, or a {{ is missing."),
    Rule(r"trailing commas not allowed", "", "Remove the last comma, or add an argument."),
    Rule(r"unexpected character: '\.'", r"(?P<a>[\w.]+)§(?P<b>[\w.]*)", 'Quote it: {{"{a}{b}"}}.'),
    Rule(
        r'unexpected identifier "(?P<arg>.*)"',
        rf"(?i)\b(?P<op>{'|'.join(AGGREGATIONS)})\s+§",
        "What is aggregated stands in parentheses: {op}({arg}).",
    ),
    Rule(
        r'unexpected identifier "(?P<arg>.*)"',
        rf"\b(?P<function>{'|'.join(FUNCTIONS)})\s+§",
        "Arguments stand in parentheses: {function}({arg}).",
    ),
    Rule(
        r"unexpected (identifier|metric identifier|<aggr)",
        r"\n\s*§",
        "A second query begins here; there may be only one. Or an operator is missing.",
    ),
    Rule(
        r'unexpected identifier "(?P<second>.*)"',
        r"(?P<first>[A-Za-z_:][\w:]*)\s+§",
        "Names have no spaces: {first}_{second}? Or an operator is missing between the two.",
    ),
    Rule(
        r"unexpected (number|duration|string)",
        r"[\w)}\]]\s+§",
        "An operator is missing before it, or a function's parentheses.",
    ),
    Rule(
        r"unexpected end of input$",
        r"(?P<op>[-+*/%^<>=]|\band|\bor|\bunless)\s*§$",
        "The right side of {op} is missing.",
    ),
)


def hint_for(text: str, error: PromQLSyntaxError) -> str:
    """What to do about the error; "" where there is nothing to add."""
    special = _function_hint(error.message) or _unit_hint(text, error)
    if special:
        return special
    before = text[max(0, error.start - _AROUND) : error.start].replace("§", " ")
    after = text[error.start : error.start + _AROUND].replace("§", " ")
    around = f"{before}§{after}"
    for rule in RULES:
        found = re.search(rule.message, error.message)
        place = re.search(rule.around, around) if found else None
        if found is None or place is None:
            continue
        groups = {**found.groupdict(default=""), **place.groupdict(default="")}
        if not rule.advice:
            advice = _grouped_function(groups["word"], groups["function"])
            if advice:
                return advice
            continue
        return rule.advice.format_map(groups)
    return ""


def _function_hint(message: str) -> str:
    found = re.search(r'unknown function with name "(.*)"$', message)
    if found is None:
        return ""
    name = found[1].lower()
    if name in _OTHER_NAMES:
        return f"PromQL has {_OTHER_NAMES[name]} for that."
    known = [*FUNCTIONS, *AGGREGATIONS]
    if name in known:
        return f"Function names are lower case: {name}."
    near = get_close_matches(name[:60], known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return "A metric takes no parentheses; labels stand in braces, functions come before."


def _unit_hint(text: str, error: PromQLSyntaxError) -> str:
    if "bad number or duration syntax" not in error.message:
        return ""
    written = re.match(r"[\w.]{1,60}", text[error.start :])
    found = re.fullmatch(r"([0-9]+)([A-Za-z]+)", written[0]) if written else None
    if found and found[2].lower() in _LONG_UNITS:
        return f"Units are short: {found[1]}{_LONG_UNITS[found[2].lower()]}."
    if written and re.fullmatch(r"(?:[0-9]+[a-z]+)+[0-9]+", written[0]):
        return "The last number has no unit: 1h30m, not 1h30."
    return "Durations are numbers with the units ms, s, m, h, d, w, y: 90s, 5m, 1h30m."


def _grouped_function(word: str, function: str) -> str:
    """Advice where `by` follows something that is no aggregation."""
    if function.endswith("_over_time") and function.removesuffix("_over_time") in AGGREGATIONS:
        op = function.removesuffix("_over_time")
        return (
            f"{function} goes along time and takes no {word}; across series it is "
            f"{op} {word} (job) ({function}(x[5m]))."
        )
    if function in FUNCTIONS:
        return f"{function} takes no {word}; an aggregation around it does: sum {word} (job) (...)."
    return ""
