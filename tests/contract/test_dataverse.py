"""What the endpoint relies on of a Dataverse installation, whichever one it is."""

import hashlib
import secrets

import httpx
import pytest

from tests.contract.conftest import POLICY, SIGNATURE, Contract
from worker.errors import StoreRefused

CSV = b"ward,cost\nA,1.5\nB,2\nC,3.25\n"


def test_a_file_its_policy_and_its_signature_come_as_they_were_uploaded(contract: Contract) -> None:
    content = secrets.token_bytes(100_000)
    dataset = contract.published(content)
    got, done = contract.download(dataset, "data.bin")
    assert got == content
    assert (done.size_bytes, done.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert done.version == "1.0"
    assert done.checksum != ""  # the metadata state one, and the bytes have it
    origin = contract.origin(dataset, "data.bin")
    assert (origin.policy().content, origin.signature().content) == (POLICY, SIGNATURE)


def test_a_file_is_found_in_its_directory(contract: Contract) -> None:
    dataset = contract.published(b"content", "2024/a/data.bin")
    assert contract.download(dataset, "2024/a/data.bin")[0] == b"content"
    assert contract.origin(dataset, "2024/a/data.bin").policy().content == POLICY
    with pytest.raises(StoreRefused, match="no such file"):
        contract.download(dataset, "data.bin")


def test_a_file_is_found_by_its_number(contract: Contract) -> None:
    dataset = contract.new_dataset()
    number = contract.steward.add(dataset, "data.bin", b"content")
    contract.steward.publish(dataset)
    assert contract.download(dataset, number)[0] == b"content"


def test_a_version_stays_what_it_was_and_the_latest_one_says_which_it_is(contract: Contract) -> None:
    dataset = contract.published(b"first")
    contract.steward.add(dataset, "more.bin", b"second")
    contract.steward.publish(dataset)
    with pytest.raises(StoreRefused, match="no such file"):
        contract.download(dataset, "more.bin")
    assert contract.download(dataset, "more.bin", version="2.0")[0] == b"second"
    for name in (":latest", ":latest-published"):
        got, done = contract.download(dataset, "more.bin", version=name)
        assert (got, done.version) == (b"second", "2.0")


def test_a_draft_is_seen_by_its_steward_and_refused(contract: Contract) -> None:
    dataset = contract.published(b"first")
    contract.steward.add(dataset, "more.bin", b"draft")
    with pytest.raises(StoreRefused, match="not published"):
        contract.download(dataset, "more.bin", token=contract.steward.token, version=":latest")
    assert contract.download(dataset, "data.bin", version=":latest-published")[1].version == "1.0"


def test_of_an_ingested_table_there_are_the_original_and_the_archival_form(contract: Contract) -> None:
    dataset = contract.published(CSV, "data.csv")
    for name in ("data.csv", "data.tab"):
        got, done = contract.download(dataset, name)
        assert (got, done.checksum != "") == (CSV, True)
    got, done = contract.download(dataset, "data.tab", form="archival")
    lines = got.decode().splitlines()
    assert lines[0].split("\t") == ["ward", "cost"]
    assert len(lines) == 4
    assert done.checksum == ""
    assert contract.origin(dataset, "data.csv").policy().content == POLICY


def test_a_table_that_is_not_to_be_ingested_stays_as_it_is(contract: Contract) -> None:
    dataset = contract.published(CSV, "data.csv", tabIngest="false")
    for form in ("original", "archival"):
        assert contract.download(dataset, "data.csv", form=form)[0] == CSV


def test_a_restricted_file_needs_a_token(contract: Contract) -> None:
    dataset = contract.published(b"content", restrict="true")
    assert contract.download(dataset, "data.bin", token=contract.steward.token)[0] == b"content"
    with pytest.raises(StoreRefused, match="restricted, and there is no token"):
        contract.download(dataset, "data.bin")


def test_the_installation_itself_refuses_a_restricted_file_without_a_token(contract: Contract) -> None:
    dataset = contract.new_dataset()
    number = contract.steward.add(dataset, "data.bin", b"content", restrict="true")
    contract.steward.publish(dataset)
    answer = httpx.get(f"{contract.steward.url}/api/access/datafile/{number}", timeout=60)
    assert answer.status_code in (401, 403)


def test_a_token_that_is_none_is_refused(contract: Contract) -> None:
    dataset = contract.published(b"content", restrict="true")
    with pytest.raises(StoreRefused, match="answered 401"):
        contract.download(dataset, "data.bin", token="00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize("version", ["7.0", "1.9"])
def test_what_is_not_there_is_told(contract: Contract, version: str) -> None:
    dataset = contract.published(b"content")
    with pytest.raises(StoreRefused, match="answered 404"):
        contract.download(dataset, "data.bin", version=version)


def test_a_range_is_answered_with_the_rest_or_recognisably_not(contract: Contract) -> None:
    """A cut transfer is taken up only where the answer says that it begins there."""
    content = secrets.token_bytes(10_000)
    dataset = contract.new_dataset()
    number = contract.steward.add(dataset, "data.bin", content)
    contract.steward.publish(dataset)
    address = f"{contract.steward.url}/api/access/datafile/{number}"
    answer = httpx.get(address, headers={"Range": "bytes=6000-"}, follow_redirects=True, timeout=60)
    if answer.headers.get("content-range", "").startswith("bytes 6000-"):
        assert (answer.status_code, answer.content) == (206, content[6000:])
    else:
        assert answer.content == content
