"""Numbers of things, in words that fit one of them, too."""


def counted(number: int, what: str) -> str:
    """Return how many there are.

    >>> counted(1, "workflow"), counted(2, "workflow")
    ('1 workflow', '2 workflows')
    """
    return f"{number} {what}" + ("" if number == 1 else "s")
