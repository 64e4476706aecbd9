"""What can go wrong in a protocol. Fields and a message each; a message never holds a value from the data."""


class ProtocolError(Exception):
    """The protocol cannot go on; the run fails, and nothing was released by it."""


class PeerLost(ProtocolError):
    """A peer closed its connection in the middle of the protocol."""

    def __init__(self, peer: str) -> None:
        super().__init__(f"{peer} closed its connection")
        self.peer = peer


class DeadlineExceeded(ProtocolError):
    """A peer was not done sending or receiving in time."""

    def __init__(self, peer: str, waited_s: float) -> None:
        super().__init__(f"{peer} was not done within {waited_s:.1f} s")
        self.peer = peer
        self.waited_s = waited_s


class FrameError(ProtocolError):
    """A peer sent a frame other than the one that the protocol expects here."""

    def __init__(self, peer: str, field: str, expected: int, got: int) -> None:
        super().__init__(f"{peer} sent a frame with {field} {got}, expected {expected}")
        self.peer = peer
        self.field = field
        self.expected = expected
        self.got = got


class PeerAborted(ProtocolError):
    """A peer ended the protocol in an orderly way; `payload` is what it said about that, unchecked."""

    def __init__(self, peer: str, payload: bytes) -> None:
        super().__init__(f"{peer} stopped the protocol")
        self.peer = peer
        self.payload = payload


class AgreementError(ProtocolError):
    """Peers disagree about something public, such as a row count."""

    def __init__(self, what: str, peers: tuple[str, ...]) -> None:
        super().__init__(f"{', '.join(peers)}: no agreement on {what}")
        self.what = what
        self.peers = peers


class RepeatedKeys(ProtocolError):
    """Rows of several owners agree in columns of which each owner has declared that they tell all rows apart."""

    def __init__(self, columns: tuple[str, ...]) -> None:
        super().__init__(
            f"{', '.join(columns)}: rows of different owners have the same value, against their declarations"
        )
        self.columns = columns


class TooManyMatches(ProtocolError):
    """A key of a join comes in more rows than the author of the query has said."""

    def __init__(self, columns: tuple[str, ...], most: int) -> None:
        super().__init__(
            f"{', '.join(columns)}: more than {most} rows have the same value, against the workflow's word"
        )
        self.columns = columns
        self.most = most


class TooFewSubjects(ProtocolError):
    """A group has fewer subjects than its rows' owner lets anything be released of, and asks that the run ends then."""

    def __init__(self) -> None:
        super().__init__("a group has fewer subjects than a policy asks for, and that policy ends the run")


class OpenedDiffers(ProtocolError):
    """Somebody was sent another part of an opened value than the second holder of that part has."""

    def __init__(self, at: tuple[str, ...]) -> None:
        super().__init__(f"{', '.join(at)}: what was opened differs between its two holders")
        self.at = at


class Outgrown(ProtocolError):
    """A number computed on the way to the answer does not fit its word; which, and where, nobody knows."""

    def __init__(self) -> None:
        super().__init__("a number that this query computes under MPC does not fit its 64-bit word")


class TooManyPairs(ProtocolError):
    """A join whose keys repeat on both sides would hold more pairs of rows than any machine here does.

    `most`: in how many rows of one side a key was said to come; None if nothing was said.
    """

    def __init__(self, columns: tuple[str, ...], n_left: int, n_right: int, most: int | None = None) -> None:
        how = "pair by pair" if most is None else f"which are to match up to {most} times each"
        super().__init__(f"a join on {', '.join(columns)} would compare {n_left} rows with {n_right}, {how}")
        self.columns = columns
        self.most = most


class ShapeError(ProtocolError):
    """Operands whose public sizes do not fit together."""
