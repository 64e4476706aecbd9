"""What an answer of Dataverse, or none, means: try again, or say no, with what to do.

Not a word of an answer is repeated: it may hold a signed address, or what somebody would like to have logged.
"""

import ssl

import httpx

from worker.endpoints.patience import Passing
from worker.endpoints.web import Answer
from worker.errors import StoreRefused

MAX_ERROR_BYTES = 16 * 1024
_PASSING = (408, 425, 429)
_RIGHTS = (
    "give the token's user the right to download it: it may be restricted, embargoed, or its retention may have ended"
)
_ADVICE = {
    401: "make a new API token in Dataverse, and put it into the Secret as DATAVERSE_TOKEN",
    403: _RIGHTS,
    404: "check identifier, version and file; what is not published is only seen with a token",
}
_ADVICE_WITHOUT_TOKEN = "if it is restricted, name a Secret with an API token in the party document: credentials"  # noqa: S105


def judge(answer: Answer, place: str, has_token: bool, is_range: bool) -> None:
    """Return if the answer brings what was asked for, or says that there is no such part of it.

    Raises:  Passing; StoreRefused.
    """
    response, status = answer.response, answer.response.status_code
    if status in ((200, 206, 416) if is_range else (200,)):
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise Passing("the answer is compressed, which was not asked for")
        return
    if not answer.is_home:
        # A signed address that is out of date, mostly: the next attempt is given a fresh one.
        raise Passing(f"its storage answered {status}", _asked_pause(response))
    if status in _PASSING or status >= 500:
        raise Passing(f"it answered {status}", _asked_pause(response))
    if status in (400, 403) and _speaks_of_guestbook(response):
        fix = "take the guestbook off the dataset, or give the token's user the right to edit the dataset"
        raise StoreRefused("Dataverse wants an entry in its guestbook, and a worker writes none", place, fix=fix)
    advice = _ADVICE.get(status, "") if has_token or status == 404 else _ADVICE_WITHOUT_TOKEN
    raise StoreRefused(f"Dataverse answered {status}", place, fix=advice)


def transport_problem(error: httpx.HTTPError, place: str) -> Exception:
    """Return what to raise for a request that brought no whole answer."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            fix = "use a certificate that the worker image's certificate authorities vouch for"
            return StoreRefused("the site's certificate does not hold", place, fix=fix)
        cause = cause.__cause__ or cause.__context__
    return Passing(f"no whole answer ({type(error).__name__})")


def _asked_pause(response: httpx.Response) -> float | None:
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isascii() and asked.isdigit() else None


def _speaks_of_guestbook(response: httpx.Response) -> bool:
    text = b""
    for chunk in response.iter_raw():
        text += chunk
        if len(text) > MAX_ERROR_BYTES:
            break
    return b"guestbook" in text[:MAX_ERROR_BYTES].lower()
