"""A dataset in Dataverse, over HTTP: versions, files, forms and checksums."""

import hashlib

import pytest

from tests.dataverse.model import HASHES
from tests.dataverse.server import Fault
from worker.endpoints.origin import MAX_POLICY_BYTES, MAX_SIGNATURE_BYTES
from worker.errors import BadDocument, StoreRefused, StoreUnavailable

CSV = b"ward,cost\nA,1.5\nB,2\n"
TAB = b'ward\tcost\n"A"\t1.5\n"B"\t2\n'


# Versions


def test_a_file_of_a_pinned_version_stays_that_when_a_newer_one_is_published(bench):
    dataset = bench.dataset(x_bin=b"old")
    bench.steward.add(dataset, "x.bin", b"new")
    bench.steward.publish(dataset)
    assert bench.download(dataset, "x.bin")[0] == b"old"
    assert bench.download(dataset, "x.bin", version="2.0")[0] == b"new"


@pytest.mark.parametrize("name", [":latest", ":latest-published"])
def test_the_latest_version_says_which_one_it_was(bench, name):
    dataset = bench.dataset(x_bin=b"old")
    bench.steward.add(dataset, "x.bin", b"new")
    bench.steward.publish(dataset, "minor")
    content, done = bench.download(dataset, "x.bin", version=name)
    assert (content, done.version) == (b"new", "1.1")


def test_policy_signature_and_data_are_of_one_version_even_if_another_one_is_published_in_between(bench):
    dataset = bench.dataset(x_bin=b"old")
    origin = bench.origin(dataset, "x.bin", version=":latest")
    assert origin.policy().content == b"policy of x.bin"
    for name in ("x.bin", "x.bin.policy.yaml", "x.bin.policy.yaml.sig"):
        bench.steward.add(dataset, name, b"new")
    bench.steward.publish(dataset)
    done = origin.download(bench.directory / "copy")
    assert origin.signature().content == b"signature"
    assert ((bench.directory / "copy").read_bytes(), done.version) == (b"old", "1.0")
    assert len(bench.asked("versions")) == 1


def test_a_draft_is_never_used(bench):
    dataset = bench.dataset(x_bin=b"old")
    bench.steward.add(dataset, "x.bin", b"draft")
    error = bench.fails(dataset, "x.bin", version=":latest", token=bench.steward.token)
    assert error.what == "the version is not published, so it may still change"
    assert bench.download(dataset, "x.bin", version=":latest-published", token=bench.steward.token)[0] == b"old"


@pytest.mark.parametrize(("old", "new"), [('"versionNumber": 1', '"versionNumber": 2'), ("doi:10.5072", "doi:10.5073")])
def test_another_version_or_dataset_than_was_asked_for_is_refused(bench, old, new):
    dataset = bench.dataset(x_bin=b"x")
    bench.dataverse.faults.append(Fault("versions", change=lambda body: body.replace(old.encode(), new.encode())))
    assert bench.fails(dataset, "x.bin").what.startswith("Dataverse answers with ")
    assert bench.asked("access") == []


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"data": {"files": 3}}', b'{"data": {"files": [{"label": "x"}]}}']
)
def test_an_answer_that_is_not_the_apis_is_refused_and_not_repeated(bench, body):
    dataset = bench.dataset(x_bin=b"x")
    bench.dataverse.faults.append(Fault("versions", change=lambda _: body + b" hunter2"[:0]))
    error = bench.fails(dataset, "x.bin")
    assert error.what == "the answer is not what Dataverse's API answers"
    assert "html" not in f"{error.what}{error.where}{error.fix}"


# Files


def test_a_file_in_a_directory_is_found_by_its_path(bench):
    dataset = bench.dataset(a__x_bin=b"in a", b__x_bin=b"in b", x_bin=b"top")
    assert bench.download(dataset, "a/x.bin")[0] == b"in a"
    assert bench.download(dataset, "b/x.bin")[0] == b"in b"
    assert bench.download(dataset, "x.bin")[0] == b"top"
    assert bench.origin(dataset, "b/x.bin").policy().content == b"policy of b/x.bin"


def test_a_file_is_found_by_its_number_and_its_policy_by_its_name(bench):
    dataset = bench.dataset(a__x_bin=b"content")
    (number,) = [
        file.file.id
        for file in bench.dataverse.installation.dataset(dataset).published[0].files
        if file.label == "x.bin"
    ]
    assert bench.download(dataset, number)[0] == b"content"
    assert bench.origin(dataset, number).policy().content == b"policy of a/x.bin"


def test_policy_and_signature_name_their_place(bench):
    origin = bench.origin(bench.dataset(x_bin=b""), "x.bin")
    assert origin.place.endswith(" version 1.0, x.bin")
    assert origin.policy().place == f"{origin.place}.policy.yaml"
    assert origin.signature().place == f"{origin.place}.policy.yaml.sig"


@pytest.mark.parametrize("file", ["y.bin", "a/x.bin", 999999, "../x.bin"])
def test_a_file_that_is_not_in_the_version_is_refused_by_name(bench, file):
    dataset = bench.dataset(x_bin=b"content")
    error = bench.fails(dataset, file)
    assert isinstance(error, StoreRefused)
    assert error.what == "there is no such file in this version"
    assert error.where == f"{dataset} version 1.0, {file if isinstance(file, str) else f'file {file}'}"


def test_data_without_a_policy_is_told_apart(bench):
    dataset = bench.steward.new_dataset()
    bench.steward.add(dataset, "x.bin", b"content")
    bench.steward.publish(dataset)
    with pytest.raises(StoreRefused) as error:
        bench.origin(dataset, "x.bin").policy()
    assert error.value.where == f"{dataset} version 1.0, x.bin.policy.yaml"
    assert "publish" in error.value.fix


@pytest.mark.parametrize(("part", "limit"), [("policy", MAX_POLICY_BYTES), ("signature", MAX_SIGNATURE_BYTES)])
def test_what_lies_beside_the_data_has_a_limit(bench, part, limit):
    dataset = bench.dataset(x_bin=b"content")
    name = {"policy": "x.bin.policy.yaml", "signature": "x.bin.policy.yaml.sig"}[part]
    bench.steward.add(dataset, name, b"x" * limit)
    bench.steward.publish(dataset)
    bench.steward.add(dataset, name, b"x" * (limit + 1))
    bench.steward.publish(dataset)
    assert len(getattr(bench.origin(dataset, "x.bin", version="2.0"), part)().content) == limit
    with pytest.raises(BadDocument, match="larger than"):
        getattr(bench.origin(dataset, "x.bin", version="3.0"), part)()


# Forms and checksums


@pytest.mark.parametrize("name", ["x.csv", "x.tab"])
def test_the_original_of_an_ingested_file_is_what_was_uploaded_and_is_held_against_its_checksum(bench, name):
    dataset = bench.dataset(x_csv=CSV)
    content, done = bench.download(dataset, name)
    assert content == CSV
    assert done.checksum == "MD5"


def test_the_policy_of_an_ingested_file_lies_beside_the_name_that_the_party_document_says(bench):
    dataset = bench.dataset(x_csv=CSV)
    assert bench.origin(dataset, "x.csv").policy().content == b"policy of x.csv"
    with pytest.raises(StoreRefused, match="no such file"):
        bench.origin(dataset, "x.tab").policy()


def test_the_archival_form_is_dataverses_own_and_claims_no_checksum(bench):
    dataset = bench.dataset(x_csv=CSV)
    content, done = bench.download(dataset, "x.tab", form="archival")
    assert content == TAB
    assert done.checksum == ""
    assert bench.fails(dataset, "x.csv", form="archival").what == "there is no such file in this version"


def test_a_file_that_was_not_ingested_has_one_form_whatever_is_asked_for(bench):
    dataset = bench.dataset(x_bin=b"content")
    for form in ("original", "archival"):
        content, done = bench.download(dataset, "x.bin", form=form)
        assert (content, done.checksum) == (b"content", "MD5")


@pytest.mark.parametrize("algorithm", sorted(HASHES))
def test_every_checksum_that_dataverse_knows_is_held_to(bench, algorithm):
    bench.dataverse.installation.checksum_type = algorithm
    dataset = bench.dataset(x_bin=b"content")
    assert bench.download(dataset, "x.bin")[1].checksum == algorithm
    wrong = [Fault("access/datafile", change=lambda body: body[::-1])] * 2
    bench.dataverse.faults.extend(wrong)
    error = bench.fails(dataset, "x.bin")
    assert error.what == "the bytes do not have the checksum that Dataverse states, 2 times"
    assert not isinstance(error, StoreRefused)


def test_bytes_that_are_wrong_once_are_fetched_again_from_their_beginning(bench):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.faults.append(Fault("access/datafile", change=lambda body: b"wrong"))
    assert bench.download(dataset, "x.bin")[0] == b"content"
    assert len(bench.pauses) == 1


def test_more_bytes_than_stated_are_not_taken_in(bench):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.faults.extend([Fault("access/datafile", change=lambda body: body + bytes(1 << 20))] * 2)
    assert "checksum" in bench.fails(dataset, "x.bin").what


@pytest.mark.parametrize(
    "checksum", ['{"type": "CRC32", "value": "00000000"}', '{"type": "MD5", "value": "none"}', "null"]
)
def test_a_file_whose_checksum_is_none_that_is_known_is_refused(bench, checksum):
    dataset = bench.dataset(x_bin=b"content")
    digest = hashlib.md5(b"content").hexdigest()
    stated = f'{{"type": "MD5", "value": "{digest}"}}'.encode()
    bench.dataverse.faults.append(Fault("versions", change=lambda body: body.replace(stated, checksum.encode())))
    assert bench.fails(dataset, "x.bin").what == "Dataverse states no checksum of the file that is known here"


def test_a_policy_whose_bytes_are_not_those_of_the_metadata_is_refused(bench):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.faults.append(Fault("access/datafile", change=lambda body: body.replace(b"policy", b"p0licy")))
    with pytest.raises(StoreUnavailable, match="checksum"):
        bench.origin(dataset, "x.bin").policy()
