"""Reads PromQL far enough to say which metrics an expression looks at, and how.

No parser: whether an expression is valid is Prometheus's to say. Grafana's
variables may stand for values, durations and in quoted text.
"""
import dataclasses
import re

TOKEN = re.compile(r"""
    (?P<space>\s+|\#[^\n]*)
  | (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<variable>\$\w+|\$\{\w+\})
  | (?P<number>0x[0-9a-fA-F]+|(?:\d+(?:ms|[smhdwy]))+|\d*\.?\d+(?:[eE][+-]?\d+)?)
  | (?P<name>[a-zA-Z_:][\w:]*)
  | (?P<operator>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],:@])
""", re.VERBOSE)

WORDS = {"and", "or", "unless", "bool", "offset", "atan2", "inf", "nan", "start", "end"}
GROUPINGS = {"by", "without", "on", "ignoring", "group_left", "group_right"}


@dataclasses.dataclass
class Selector:
    """One place where an expression takes series."""
    metric: str
    # Label, operator, value.
    matchers: list[tuple[str, str, str]]
    # What stands in [...] behind it, e.g. "5m"; None: nothing.
    window: str | None
    # Functions and aggregations around it, the innermost last.
    inside: list[str]

    def has(self, label: str, operator: str, value: str) -> bool:
        return (label, operator, value) in self.matchers


class Unreadable(ValueError):
    pass


def tokens(expr: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(expr):
        match = TOKEN.match(expr, at)
        if match is None:
            raise Unreadable(f"cannot read '{expr[at:at + 20]}'")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
        at = match.end()
    return found


class _Reader:
    def __init__(self, expr: str) -> None:
        self.tokens = tokens(expr)
        self.at = 0
        self.inside: list[str] = []
        # The name that the next "(" belongs to.
        self.called = ""
        self.selectors: list[Selector] = []
        self.grouped: set[str] = set()

    def text(self, ahead: int = 0) -> str:
        index = self.at + ahead
        return self.tokens[index][1] if index < len(self.tokens) else ""

    def take(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise Unreadable("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def until(self, end: str) -> list[tuple[str, str]]:
        """What lies before `end`, which is passed."""
        taken = []
        while True:
            token = self.take()
            if token[1] == end and token[0] == "operator":
                return taken
            taken.append(token)

    def matchers(self) -> list[tuple[str, str, str]]:
        if self.text() != "{":
            return []
        self.take()
        inner = [text for _, text in self.until("}") if text != ","]
        if len(inner) % 3:
            raise Unreadable("a label matcher is no NAME, OPERATOR, TEXT")
        return [(inner[i], inner[i + 1], inner[i + 2][1:-1])
                for i in range(0, len(inner), 3)]

    def window(self) -> str | None:
        if self.text() != "[":
            return None
        self.take()
        return "".join(text for _, text in self.until("]"))

    def read(self) -> None:
        while self.at < len(self.tokens):
            kind, text = self.take()
            if kind == "operator":
                self.bracket(text)
            elif kind == "name":
                self.word(text)
        if self.inside:
            raise Unreadable("a '(' is not closed")

    def bracket(self, text: str) -> None:
        if text == "(":
            self.inside.append(self.called)
            self.called = ""
        elif text == ")":
            if not self.inside:
                raise Unreadable("a ')' too many")
            self.inside.pop()
        elif text == "{":
            raise Unreadable("a selector without a metric's name")

    def word(self, name: str) -> None:
        if name in GROUPINGS:
            if self.text() == "(":
                self.take()
                self.grouped |= {text for kind, text in self.until(")") if kind == "name"}
        elif self.text() == "(" or self.text() in ("by", "without"):
            self.called = name
        elif name.lower() not in WORDS:
            matchers = self.matchers()
            self.selectors.append(Selector(name, matchers, self.window(),
                                           [one for one in self.inside if one]))


def read(expr: str) -> tuple[list[Selector], set[str]]:
    """The selectors of an expression, and the labels that it groups by."""
    reader = _Reader(expr)
    reader.read()
    return reader.selectors, reader.grouped
