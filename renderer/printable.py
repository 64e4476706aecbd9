"""Text of others on somebody's terminal, or in the log of a pipeline that acts on what it reads there."""


def printable(text: str) -> str:
    r"""Return text with everything spelled out that a terminal would act on instead of showing it.

    >>> printable("a\tb\x1b[2Jc")
    'a\tb\\x1b[2Jc'
    """
    shown = (c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)
