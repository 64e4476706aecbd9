"""Redirects: where they are followed to, and what goes along."""

import ssl
from collections.abc import Iterator

import httpx
import pytest

from tests.dataverse.server import Site, running
from tests.worker.certificates import server_on_loopback
from worker.endpoints.web import MAX_REDIRECTS, RedirectRefused, Web

TOKEN = ("X-Dataverse-key", "hunter2")


class Redirecting(Site):
    """Redirects from each path to where `locations` says; answers with the path otherwise."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.locations: dict[str, str] = {}
        super().__init__(tls)

    def answer(self, request) -> None:
        path = request.asked().path
        if path in self.locations:
            request.send(302, b"", "text/plain", headers={"Location": self.locations[path], "Set-Cookie": "a=b"})
        else:
            request.send(200, path.encode(), "text/plain")


@pytest.fixture
def sites() -> Iterator[tuple[Redirecting, Redirecting]]:
    home, other = Redirecting(), Redirecting()
    with running(home, other):
        yield home, other


def read(web: Web, url: str) -> bytes:
    with web.get(url) as answer:
        return b"".join(answer.response.iter_raw())


def tokens(site: Site) -> list[str | None]:
    return [asked.headers.get("x-dataverse-key") for asked in site.asked]


def test_within_home_the_token_goes_along(sites):
    home, _ = sites
    home.locations = {"/a": "/b", "/b": f"{home.url}/c"}
    assert read(Web(home.url, (), TOKEN), f"{home.url}/a") == b"/c"
    assert tokens(home) == ["hunter2"] * 3
    assert not any("cookie" in asked.headers for asked in home.asked)


def test_a_named_site_is_visited_without_the_token(sites):
    home, other = sites
    home.locations = {"/a": f"{other.url}/b"}
    assert read(Web(home.url, (other.url,), TOKEN), f"{home.url}/a") == b"/b"
    assert tokens(other) == [None]


def test_who_has_left_home_comes_back_without_the_token(sites):
    home, other = sites
    home.locations, other.locations = {"/a": f"{other.url}/b"}, {"/b": f"{home.url}/c"}
    assert read(Web(home.url, (other.url,), TOKEN), f"{home.url}/a") == b"/c"
    assert tokens(home) == ["hunter2", None]


@pytest.mark.parametrize(
    "location",
    [
        "{other}/b",
        "//{host}/b",
        "http://localhost:1/b",
        "http://169.254.169.254/latest/meta-data",
        "https://127.0.0.1:{port}/b",
        "ftp://127.0.0.1/b",
        "file:///etc/passwd",
        "http://[::1",
    ],
)
def test_what_nobody_named_is_not_visited(sites, location):
    home, other = sites
    port = home.url.rpartition(":")[2]
    home.locations = {"/a": location.format(other=other.url, host=other.url.removeprefix("http://"), port=port)}
    # httpx itself stumbles over what is no address at all.
    with pytest.raises((RedirectRefused, httpx.RemoteProtocolError)):
        read(Web(home.url, (), TOKEN), f"{home.url}/a")
    assert other.asked == []
    assert len(home.asked) == 1


def test_a_password_in_an_address_is_refused(sites):
    home, other = sites
    home.locations = {"/a": f"http://user:secret@{other.url.removeprefix('http://')}/b"}
    with pytest.raises(RedirectRefused) as error:
        read(Web(home.url, (other.url,), TOKEN), f"{home.url}/a")
    assert "secret" not in error.value.what
    assert other.asked == []


def test_a_redirect_to_nowhere_is_refused(sites):
    home, _ = sites
    home.locations = {"/a": ""}
    with pytest.raises(RedirectRefused):
        read(Web(home.url), f"{home.url}/a")


def test_a_circle_has_an_end(sites):
    home, _ = sites
    home.locations = {"/a": "/a"}
    with pytest.raises(RedirectRefused, match=f"more than {MAX_REDIRECTS} times"):
        read(Web(home.url), f"{home.url}/a")
    assert len(home.asked) == MAX_REDIRECTS + 1


def test_a_sites_name_is_not_repeated_as_it_came(sites):
    home, _ = sites
    home.locations = {"/a": f"http://{'x' * 60}.{'y' * 60}.example/?signature=secret"}
    with pytest.raises(RedirectRefused) as error:
        read(Web(home.url), f"{home.url}/a")
    assert "secret" not in error.value.what
    assert len(error.value.what) < 200


def test_a_proxy_in_the_environment_is_not_used(sites, monkeypatch):
    home, other = sites
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, other.url)
    assert read(Web(home.url, (), TOKEN), f"{home.url}/a") == b"/a"
    assert other.asked == []


def test_requests_are_not_logged(sites, caplog):
    home, _ = sites
    caplog.set_level("DEBUG")
    read(Web(home.url, (), TOKEN), f"{home.url}/a?signature=secret")
    assert caplog.text == ""


@pytest.fixture
def secure(tmp_path) -> Iterator[tuple[Redirecting, ssl.SSLContext]]:
    """A site with TLS, and the trust in its certificate."""
    server, pem = server_on_loopback(tmp_path)
    site = Redirecting(server)
    with running(site):
        yield site, ssl.create_default_context(cadata=pem)


def test_over_tls_with_a_certificate_that_holds(secure):
    site, trust = secure
    assert read(Web(site.url, (), TOKEN, trust), f"{site.url}/a") == b"/a"
    assert tokens(site) == ["hunter2"]


def test_a_certificate_that_nobody_vouches_for_gets_no_token(secure):
    site, _ = secure
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        read(Web(site.url, (), TOKEN), f"{site.url}/a")
    assert site.asked == []


def test_https_is_not_left_for_http_at_the_same_host(secure):
    site, trust = secure
    site.locations = {"/a": site.url.replace("https:", "http:") + "/b"}
    with pytest.raises(RedirectRefused):
        read(Web(site.url, (), TOKEN, trust), f"{site.url}/a")
    assert len(site.asked) == 1
