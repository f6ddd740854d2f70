"""A pocket calculator: a tokenizer and an evaluator with the usual precedence."""

OPERATORS = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}
RIGHT = {"^"}


class CalcError(Exception):
    """The text is no expression."""


def tokenize(text):
    """Tokens as (kind, value, column): number, name, op, open, close or comma."""
    tokens = []
    position = 0
    while position < len(text):
        char = text[position]
        if char.isspace():
            position += 1
            continue
        start = position
        if char.isdigit() or (char == "." and text[position + 1 : position + 2].isdigit()):
            dots = 0
            while position < len(text) and (text[position].isdigit() or text[position] == "."):
                if text[position] == ".":
                    dots += 1
                position += 1
            if dots > 1:
                raise CalcError(f"bad number at {start}")
            number = text[start:position]
            tokens.append(("number", float(number) if dots else int(number), start))
        elif char.isalpha() or char == "_":
            while position < len(text) and (text[position].isalnum() or text[position] == "_"):
                position += 1
            tokens.append(("name", text[start:position], start))
        elif char in OPERATORS:
            position += 1
            tokens.append(("op", char, start))
        elif char in "(),":
            position += 1
            kind = {"(": "open", ")": "close", ",": "comma"}[char]
            tokens.append((kind, char, start))
        else:
            raise CalcError(f"unexpected {char!r} at {start}")
    return tokens


class Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, tokens, names=None):
        self.tokens = tokens
        self.names = names or {}
        self.index = 0

    def peek(self):
        return self.tokens[self.index] if self.index < len(self.tokens) else ("end", None, -1)

    def advance(self):
        token = self.peek()
        self.index += 1
        return token

    def expression(self, lowest=1):
        value = self.operand()
        while True:
            kind, symbol, _ = self.peek()
            if kind != "op" or OPERATORS[symbol] < lowest:
                return value
            self.advance()
            strength = OPERATORS[symbol]
            right = self.expression(strength if symbol in RIGHT else strength + 1)
            value = apply(symbol, value, right)

    def operand(self):
        kind, value, column = self.advance()
        if kind == "number":
            return value
        if kind == "op" and value == "-":
            return -self.expression(3)
        if kind == "open":
            inner = self.expression()
            if self.advance()[0] != "close":
                raise CalcError("missing )")
            return inner
        if kind == "name":
            if self.peek()[0] == "open":
                return self.call(value)
            if value not in self.names:
                raise KeyError(value)
            return self.names[value]
        raise CalcError(f"operand expected at {column}")

    def call(self, name):
        self.advance()
        arguments = []
        while self.peek()[0] != "close":
            arguments.append(self.expression())
            if self.peek()[0] == "comma":
                self.advance()
            elif self.peek()[0] != "close":
                raise CalcError("missing )")
        self.advance()
        functions = {"min": min, "max": max, "abs": abs, "clamp": clamp}
        if name not in functions:
            raise CalcError(f"no function {name}")
        return functions[name](*arguments)


def clamp(value, low, high):
    """The value, or the nearer bound."""
    return max(low, min(value, high))


def apply(symbol, left, right):
    """One operation."""
    if symbol == "+":
        return left + right
    if symbol == "-":
        return left - right
    if symbol == "*":
        return left * right
    if symbol == "^":
        return left**right
    if right == 0:
        raise ZeroDivisionError(f"{left} {symbol} 0")
    return left / right if symbol == "/" else left % right


def evaluate(text, names=None):
    """The value of an expression; the whole text must be used."""
    parser = Parser(tokenize(text), names)
    value = parser.expression()
    if parser.peek()[0] != "end":
        raise CalcError(f"unexpected {parser.peek()[1]!r}")
    return value
