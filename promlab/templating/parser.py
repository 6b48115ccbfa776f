"""Tokens made into a tree, with the checks that Go makes before anything is executed.

A parsed text is a set of definitions: its own body, and what `define` and `block` name.
Unknown functions, undefined variables and misplaced keywords are refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import NoReturn

from promlab.templating import literals, tree
from promlab.templating.errors import quote
from promlab.templating.lexer import Kind, Lexer, Token
from promlab.templating.tree import Block, Command, Definition, Node, Pipe, Variable

MAX_NESTING = 100
_OPERANDS = frozenset(
    (
        Kind.BOOL, Kind.RUNE, Kind.DOT, Kind.FIELD, Kind.IDENTIFIER, Kind.NUMBER, Kind.NIL,
        Kind.RAW_STRING, Kind.STRING, Kind.VARIABLE, Kind.LEFT_PAREN,
    )
)  # fmt: skip
_NOT_CALLABLE = (tree.Literal, tree.Dot, tree.Nil)
_END = Token(Kind.KEYWORD, "end", 0)


def parse(name: str, text: str, functions: Container[str]) -> list[Definition]:
    """All definitions of a text; the first is the text itself. Raises TemplateSyntaxError."""
    return Parser(name, text, functions).definitions()


class Parser:
    """Parses one text by recursive descent."""

    def __init__(self, name: str, text: str, functions: Container[str]) -> None:
        self._name, self._text, self._functions = name, text, functions
        self._lexer = Lexer(name, text)
        self._tokens: Iterable[Token] = self._lexer.tokens()
        self._ahead: list[Token] = []
        self._variables = ["$"]
        self._ranges = 0
        self._nesting = 0
        self._defined: list[Definition] = []
        self._at = 0

    def definitions(self) -> list[Definition]:
        """Parse everything."""
        body, stop = self._list(top=True)
        if stop.kind is not Kind.END:
            self._fail(f"unexpected {{{{{stop.text}}}}}")
        return [Definition(self._name, body, self._name, self._text), *self._defined]

    # Tokens

    def _next(self) -> Token:
        token = self._ahead.pop() if self._ahead else next(iter(self._tokens))
        self._at = token.at
        return token

    def _peek(self) -> Token:
        token = self._next()
        self._ahead.append(token)
        return token

    def _solid(self) -> Token:
        token = self._next()
        return self._next() if token.kind is Kind.SPACE else token

    def _peek_solid(self) -> Token:
        token = self._solid()
        self._ahead.append(token)
        return token

    def _fail(self, message: str) -> NoReturn:
        raise self._lexer.fail(message, self._at)

    def _unexpected(self, token: Token, context: str) -> NoReturn:
        self._at = token.at
        self._fail(f"unexpected {token} in {context}")

    def _expect(self, kind: Kind, context: str) -> Token:
        token = self._solid()
        if token.kind is not kind:
            self._unexpected(token, context)
        return token

    # Lists and actions

    def _list(self, *, top: bool = False) -> tuple[Block, Token]:
        """Nodes up to `end`, `else` or the end of the text, which is returned too."""
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._fail(f"nested deeper than {MAX_NESTING} levels")
        nodes: list[Node] = []
        start = self._peek().at
        while True:
            token = self._solid()
            if token.kind is Kind.END:
                if not top:
                    self._fail("unexpected EOF")
                break
            if token.kind is Kind.TEXT:
                nodes.append(tree.Text(token.at, token.text))
                continue
            first = self._solid()
            if first.kind is Kind.KEYWORD and first.text in ("end", "else"):
                token = first
                break
            if first.kind is Kind.KEYWORD and first.text == "define":
                if not top or self._nesting > 1:
                    self._unexpected(first, "command")
                self._define(first)
                continue
            nodes.append(self._action(first))
        self._nesting -= 1
        return Block(start, tuple(nodes)), token

    def _action(self, first: Token) -> Node:
        if first.kind is Kind.KEYWORD:
            handlers: dict[str, Callable[[Token], Node]] = {
                "if": self._if, "with": self._with, "range": self._range,
                "template": self._template, "block": self._block,
                "break": self._jump, "continue": self._jump,
            }  # fmt: skip
            return handlers[first.text](first)
        self._ahead.append(first)
        return tree.Action(first.at, self._pipeline("command", Kind.RIGHT))

    def _if(self, word: Token) -> Node:
        return tree.If(word.at, *self._control("if"))

    def _with(self, word: Token) -> Node:
        return tree.With(word.at, *self._control("with"))

    def _range(self, word: Token) -> Node:
        return tree.Range(word.at, *self._control("range"))

    def _control(self, context: str) -> tuple[Pipe, Block, Block | None]:
        kept = len(self._variables)
        pipe = self._pipeline(context, Kind.RIGHT)
        self._ranges += context == "range"
        then, stop = self._list()
        self._ranges -= context == "range"
        otherwise: Block | None = None
        if stop.text == "else":
            otherwise = self._else(stop, context)
        else:
            self._expect(Kind.RIGHT, "end")
        del self._variables[kept:]
        return pipe, then, otherwise

    def _else(self, word: Token, context: str) -> Block:
        following = self._peek_solid()
        if context in ("if", "with") and following == (Kind.KEYWORD, context, following.at):
            # {{else if}} is an {{if}} inside of {{else}}, closed by the same {{end}}.
            self._solid()
            self._nesting += 1
            node = self._action(following)
            self._nesting -= 1
            return Block(word.at, (node,))
        self._expect(Kind.RIGHT, "else")
        found, stop = self._list()
        if stop.text != "end":
            self._fail("expected end; found {{else}}")
        self._expect(Kind.RIGHT, "end")
        return found

    def _jump(self, word: Token) -> Node:
        self._expect(Kind.RIGHT, f"{{{{{word.text}}}}}")
        if not self._ranges:
            self._fail(f"{{{{{word.text}}}}} outside {{{{range}}}}")
        return tree.Break(word.at) if word.text == "break" else tree.Continue(word.at)

    def _template_name(self, context: str) -> tuple[int, str]:
        token = self._solid()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self._unexpected(token, context)
        return token.at, self._unquoted(token)

    def _template(self, _word: Token) -> Node:
        at, name = self._template_name("template clause")
        if self._peek_solid().kind is Kind.RIGHT:
            self._solid()
            return tree.Call(at, name, None)
        return tree.Call(at, name, self._pipeline("template clause", Kind.RIGHT))

    def _block(self, _word: Token) -> Node:
        at, name = self._template_name("block clause")
        pipe = self._pipeline("block clause", Kind.RIGHT)
        self._body(name, "block clause")
        return tree.Call(at, name, pipe)

    def _define(self, _word: Token) -> None:
        _, name = self._template_name("define clause")
        self._expect(Kind.RIGHT, "define clause")
        self._body(name, "define clause")

    def _body(self, name: str, context: str) -> None:
        """The inside of `define` or `block`, which sees no variables from outside."""
        variables, self._variables = self._variables, ["$"]
        ranges, self._ranges = self._ranges, 0
        found, stop = self._list()
        if stop.text != "end":
            self._fail(f"unexpected {{{{else}}}} in {context}")
        self._expect(Kind.RIGHT, "end")
        self._variables, self._ranges = variables, ranges
        made = Definition(name, found, self._name, self._text)
        if any(other.name == name and not other.is_empty for other in self._defined):
            self._fail(f"template: multiple definition of template {quote(name)}")
        self._defined = [other for other in self._defined if other.name != name]
        self._defined.append(made)

    # Pipelines

    def _pipeline(self, context: str, end: Kind) -> Pipe:
        start = self._peek_solid().at
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while True:
            token = self._solid()
            if token.kind is end:
                break
            if token.kind not in _OPERANDS:
                self._unexpected(token, context)
            self._ahead.append(token)
            commands.append(self._command())
        if not commands:
            self._fail(f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.args[0], _NOT_CALLABLE):
                self._fail(f"non executable command in pipeline stage {stage}")
        # A variable can be used only after the pipeline that declares it.
        if not assigns:
            self._variables += [each.name for each in variables]
        return Pipe(start, tuple(commands), tuple(variables), assigns)

    def _declarations(self, context: str) -> tuple[list[Variable], bool]:
        found: list[Variable] = []
        while (token := self._peek_solid()).kind is Kind.VARIABLE:
            self._solid()
            after = self._next()
            sign = self._next() if after.kind is Kind.SPACE else after
            if sign.kind in (Kind.ASSIGN, Kind.DECLARE):
                found.append(Variable(token.at, token.text))
                assigns = sign.kind is Kind.ASSIGN
                return found, assigns
            if sign.kind is Kind.COMMA:
                found.append(Variable(token.at, token.text))
                if context != "range" or len(found) > 1:
                    self._fail(f"too many declarations in {context}")
                if self._peek_solid().kind is not Kind.VARIABLE:
                    self._fail("range can only initialize variables")
                continue
            self._ahead += [sign, after, token] if after.kind is Kind.SPACE else [after, token]
            break
        return found, False

    def _command(self) -> Command:
        start = self._peek_solid().at
        args: list[Node] = []
        while True:
            self._peek_solid()
            operand = self._operand()
            if operand is not None:
                args.append(operand)
            token = self._next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT, Kind.RIGHT_PAREN):
                self._ahead.append(token)
            elif token.kind is not Kind.PIPE:
                self._unexpected(token, "operand")
            break
        if not args:
            self._fail("empty command")
        return Command(start, tuple(args))

    def _operand(self) -> Node | None:
        node = self._term()
        if node is None or self._peek().kind is not Kind.FIELD:
            return node
        # Errors about a chain name the place of its first link, as Go's do.
        at = self._peek().at
        names: list[str] = []
        while self._peek().kind is Kind.FIELD:
            names.append(self._next().text[1:])
        if isinstance(node, tree.Field):
            return tree.Field(at, (*node.names, *names))
        if isinstance(node, Variable):
            return Variable(at, node.name, (*node.fields, *names))
        if isinstance(node, _NOT_CALLABLE):
            self._fail(f"unexpected . after term {quote(str(node))}")
        return tree.Chain(at, node, tuple(names))

    def _term(self) -> Node | None:
        token = self._solid()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self._functions:
                    self._fail(f"function {quote(token.text)} not defined")
                return tree.Identifier(token.at, token.text)
            case Kind.DOT:
                return tree.Dot(token.at)
            case Kind.NIL:
                return tree.Nil(token.at)
            case Kind.VARIABLE:
                self._known(token.text)
                return Variable(token.at, token.text)
            case Kind.FIELD:
                return tree.Field(token.at, (token.text[1:],))
            case Kind.BOOL:
                return tree.Literal(token.at, token.text == "true", token.text)
            case Kind.NUMBER:
                return tree.Literal(token.at, self._number(token.text), token.text)
            case Kind.RUNE:
                return tree.Literal(token.at, self._rune(token.text), token.text)
            case Kind.STRING | Kind.RAW_STRING:
                return tree.Literal(token.at, self._unquoted(token), token.text)
            case Kind.LEFT_PAREN:
                return self._parenthesised()
        self._ahead.append(token)
        return None

    def _parenthesised(self) -> Pipe:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._fail(f"nested deeper than {MAX_NESTING} levels")
        found = self._pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
        self._nesting -= 1
        return found

    def _known(self, name: str) -> None:
        if name not in self._variables:
            self._fail(f"undefined variable {quote(name)}")

    def _number(self, text: str) -> int | float:
        try:
            return literals.number(text)
        except OverflowError:
            self._fail(f"integer overflow: {quote(text)}")
        except ValueError:
            self._fail(f"illegal number syntax: {quote(text)}")

    def _rune(self, text: str) -> int:
        try:
            return literals.rune(text)
        except ValueError:
            self._fail(f"malformed character constant: {text}")

    def _unquoted(self, token: Token) -> str:
        try:
            return literals.unquote(token.text)
        except ValueError:
            self._fail("invalid syntax")
