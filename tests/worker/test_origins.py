"""Which endpoint reads which source, with what the Job mounts."""

from pathlib import Path

import pytest

from tests.dataverse.model import Installation
from tests.dataverse.server import TOKEN, Dataverse, running
from tests.dataverse.steward import Steward
from tests.worker.certificates import server_on_loopback
from worker.endpoints.files import FilesOrigin
from worker.errors import BadDocument, StoreRefused
from worker.origins import Origins
from worker.runspec import DataverseSource, FilesSource
from worker.stores import Stores

HOME = "https://data.example.org"


def secret(root: Path, **keys: str) -> Path:
    (root / "secrets" / "token").mkdir(parents=True, exist_ok=True)
    for key, value in keys.items():
        (root / "secrets" / "token" / key).write_text(value)
    return root / "secrets"


def source(url: str, dataset: str, credentials: str | None = "token") -> DataverseSource:
    return DataverseSource(
        dataset="alpha/d",
        format="csv",
        url=url,
        persistent_id=dataset,
        version="1.0",
        file="x.bin",
        credentials=credentials,
    )


def test_a_volumes_files_are_read_below_its_claim(tmp_path):
    origin = Origins(Stores(tmp_path), tmp_path).of(FilesSource(dataset="alpha/d", format="csv", claim="c", path="a/b"))
    assert origin == FilesOrigin(tmp_path, "c", "a/b")


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "ünlesbar", "x" * 300])
def test_a_token_that_is_none_is_told_and_not_shown(tmp_path, text):
    secrets = secret(tmp_path, DATAVERSE_URL=HOME, DATAVERSE_TOKEN=text)
    with pytest.raises(BadDocument) as error:
        Origins(Stores(secrets), tmp_path).of(source("https://data.example.org", "doi:10.5072/FK2/A"))
    assert error.value.where == "token/DATAVERSE_TOKEN"
    assert not text or text not in f"{error.value.what}{error.value.fix}"


def test_a_secret_without_a_token_is_told(tmp_path):
    with pytest.raises(BadDocument, match="'DATAVERSE_TOKEN' of the Secret 'token' is not there"):
        Origins(Stores(tmp_path), tmp_path).of(source("https://data.example.org", "doi:10.5072/FK2/A"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("https://evil.example.org", "leads its token to another site than the Secret's"),
        ("https://data.example.org:444", "leads its token to another site than the Secret's"),
        ("https://data.example.org@evil.example.org", "is not https"),
        ("http://data.example.org:443", "is not https"),
        ("http://data.example.org", "is not https"),
        ("ftp://data.example.org", "is not https"),
        ("https://", "is not https"),
        ("https://data.example.org:port", "is not https"),
    ],
)
def test_a_run_spec_cannot_lead_a_token_elsewhere(tmp_path, url, says):
    secrets = secret(tmp_path, DATAVERSE_URL=HOME, DATAVERSE_TOKEN="hunter2")
    with pytest.raises(BadDocument, match=says) as error:
        Origins(Stores(secrets), tmp_path).of(source(url, "doi:10.5072/FK2/A"))
    assert "hunter2" not in f"{error.value.what}{error.value.where}{error.value.fix}"


def test_a_secret_that_names_no_site_gives_its_token_to_nobody(tmp_path):
    secrets = secret(tmp_path, DATAVERSE_TOKEN="hunter2")
    with pytest.raises(BadDocument, match="'DATAVERSE_URL' of the Secret 'token' is not there"):
        Origins(Stores(secrets), tmp_path).of(source(HOME, "doi:10.5072/FK2/A"))


def test_what_is_no_token_s_business_is_not_fetched_in_the_clear_either(tmp_path):
    declared = source(HOME, "doi:10.5072/FK2/A", None)
    for plain in ({"url": "http://data.example.org"}, {"storage": ("http://s3.example.org",)}):
        with pytest.raises(BadDocument, match="is not https"):
            Origins(Stores(tmp_path), tmp_path).of(declared.model_copy(update=plain))


def test_an_authority_of_ones_own_vouches_for_the_installation(tmp_path):
    server, pem = server_on_loopback(tmp_path)
    installation = Installation()
    dataset = installation.new_dataset("steward")
    installation.add_file(dataset, "x.bin", b"content", "application/octet-stream", {})
    installation.publish(dataset, "major")
    dataverse = Dataverse(installation, tls=server)
    with running(dataverse):
        declared = source(dataverse.url, dataset.persistent_id)
        secrets = secret(tmp_path, DATAVERSE_URL=dataverse.url + "/\n", DATAVERSE_TOKEN=installation.steward + "\n")
        with pytest.raises(StoreRefused, match="certificate does not hold"):
            Origins(Stores(secrets), tmp_path).of(declared).download(tmp_path / "copy")
        assert dataverse.asked == []
        secret(tmp_path, DATAVERSE_CACERT=pem)
        Origins(Stores(secrets), tmp_path).of(declared).download(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert {asked.headers[TOKEN.lower()] for asked in dataverse.asked} == {installation.steward}


def test_an_authority_that_is_none_is_told(tmp_path):
    secrets = secret(tmp_path, DATAVERSE_URL=HOME, DATAVERSE_TOKEN="token", DATAVERSE_CACERT="hunter2")
    with pytest.raises(BadDocument, match="holds no certificates") as error:
        Origins(Stores(secrets), tmp_path).of(source("https://data.example.org", "doi:10.5072/FK2/A"))
    assert error.value.where == "token/DATAVERSE_CACERT"


def test_a_public_file_needs_no_secret(tmp_path):
    dataverse = Dataverse(Installation())
    with running(dataverse):
        steward = Steward(dataverse.url, dataverse.installation.steward)
        dataset = steward.new_dataset()
        steward.add(dataset, "x.bin", b"content")
        steward.publish(dataset)
        n_before = len(dataverse.asked)
        Origins(Stores(tmp_path), tmp_path).of(source(dataverse.url, dataset, None)).download(tmp_path / "copy")
        assert not any(TOKEN.lower() in asked.headers for asked in dataverse.asked[n_before:])
