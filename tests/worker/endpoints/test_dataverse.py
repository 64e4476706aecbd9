"""A dataset in Dataverse, over HTTP: versions, files, rights, redirects, cuts and lies."""

import hashlib
import resource
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.dataverse.model import HASHES, Installation
from tests.dataverse.server import Dataverse, Fault, Storage, running
from tests.dataverse.steward import Steward
from worker.endpoints.dataverse import Address, DataverseOrigin
from worker.endpoints.origin import MAX_POLICY_BYTES, MAX_SIGNATURE_BYTES
from worker.endpoints.patience import Patience
from worker.errors import BadDocument, StoreRefused, StoreUnavailable

CSV = b"ward,cost\nA,1.5\nB,2\n"
TAB = b'ward\tcost\n"A"\t1.5\n"B"\t2\n'
ATTEMPTS = Patience().attempts
BIG = secrets.token_bytes(5 << 20)


@dataclass
class Bench:
    """A stand-in, its steward, and origins that note their pauses in the place of making them."""

    dataverse: Dataverse
    directory: Path
    storage: Storage | None = None
    pauses: list[float] = field(default_factory=list)

    @property
    def steward(self) -> Steward:
        return Steward(self.dataverse.url, self.dataverse.installation.steward)

    def dataset(self, **files: bytes) -> str:
        """Version 1.0 with those files and their policies; `data__x_csv` is `data/x.csv`."""
        dataset = self.steward.new_dataset()
        for name, content in files.items():
            path = name.replace("__", "/").replace("_", ".")
            self.steward.add(dataset, path, content)
            self.steward.add(dataset, f"{path}.policy.yaml", b"policy of " + path.encode())
            self.steward.add(dataset, f"{path}.policy.yaml.sig", b"signature")
        self.steward.publish(dataset)
        return dataset

    def origin(self, dataset: str, file: str | int = "x.csv", token: str | None = None, **changes) -> DataverseOrigin:
        storage = (self.storage.url,) if self.storage else ()
        settings = {"version": "1.0", "storage": storage} | changes
        address = Address(self.dataverse.url, dataset, file=file, **settings)
        return DataverseOrigin(address, token, self.pauses.append)

    def download(self, *args, **kwargs) -> tuple[bytes, object]:
        path = self.directory / f"copy-{secrets.token_hex(4)}"
        done = self.origin(*args, **kwargs).download(path)
        assert (done.size_bytes, done.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        return path.read_bytes(), done

    def fails(self, *args, **kwargs) -> StoreUnavailable:
        with pytest.raises(StoreUnavailable) as error:
            self.download(*args, **kwargs)
        return error.value

    def asked(self, where: str) -> list:
        return [asked for asked in self.dataverse.asked if where in asked.path]


@pytest.fixture
def bench(tmp_path) -> Iterator[Bench]:
    dataverse = Dataverse(Installation())
    with running(dataverse):
        yield Bench(dataverse, tmp_path)


@pytest.fixture
def redirecting(tmp_path) -> Iterator[Bench]:
    """A stand-in that keeps its files at another site."""
    storage = Storage()
    dataverse = Dataverse(Installation(), storage)
    with running(dataverse, storage):
        yield Bench(dataverse, tmp_path, storage)


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
    bench.dataverse.faults.extend([Fault("access/datafile", change=lambda body: body + BIG)] * 2)
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


# Rights


def restricted(bench: Bench) -> str:
    dataset = bench.steward.new_dataset()
    bench.steward.add(dataset, "x.bin", b"content", restrict="true")
    bench.steward.publish(dataset)
    return dataset


def test_a_restricted_file_needs_a_token_whose_user_may_read_it(bench):
    dataset = restricted(bench)
    reader, stranger = (bench.dataverse.installation.new_user(name) for name in ("reader", "stranger"))
    bench.dataverse.installation.dataset(dataset).readers.add("reader")
    assert bench.download(dataset, "x.bin", token=reader)[0] == b"content"
    refused = bench.fails(dataset, "x.bin", token=stranger)
    assert (type(refused), refused.what) == (StoreRefused, "Dataverse answered 403")
    assert "right to download" in refused.fix
    assert bench.pauses == []


def test_a_restricted_file_is_not_even_asked_for_without_a_token(bench):
    error = bench.fails(restricted(bench), "x.bin")
    assert (error.what, "credentials" in error.fix) == (
        "the file is restricted, and there is no token to ask for it with",
        True,
    )
    assert bench.asked("access") == []


def test_a_token_that_is_none_any_more_is_told_apart(bench):
    dataset = bench.dataset(x_bin=b"content")
    error = bench.fails(dataset, "x.bin", token="expired-token-0001")
    assert error.what == "Dataverse answered 401"
    assert "new API token" in error.fix
    assert "expired-token" not in f"{error.what}{error.where}{error.fix}"


def test_an_unknown_dataset_is_told_apart(bench):
    error = bench.fails("doi:10.5072/FK2/NOTHERE", "x.bin")
    assert (error.what, error.where) == ("Dataverse answered 404", "doi:10.5072/FK2/NOTHERE version 1.0")


def test_a_guestbook_is_not_signed_but_told(bench):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.installation.dataset(dataset).guestbook = 60
    error = bench.fails(dataset, "x.bin")
    assert isinstance(error, StoreRefused)
    assert error.what == "Dataverse wants an entry in its guestbook, and a worker writes none"
    assert "take the guestbook off" in error.fix
    assert bench.download(dataset, "x.bin", token=bench.steward.token)[0] == b"content"


def test_a_refusal_for_no_known_reason_is_one(bench):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.faults.append(Fault("access/datafile", status=400, body=b"no, hunter2"))
    error = bench.fails(dataset, "x.bin", token=bench.steward.token)
    assert (type(error), error.what) == (StoreRefused, "Dataverse answered 400")


# Faults that pass


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("where", ["versions", "access/datafile"])
def test_what_may_pass_is_tried_again(bench, where, status):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.faults.extend([Fault(where, status=status)] * (ATTEMPTS - 1))
    assert bench.download(dataset, "x.bin")[0] == b"content"
    assert len(bench.pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("where", ["versions", "access/datafile"])
def test_what_does_not_pass_is_given_up(bench, where):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.faults.extend([Fault(where, status=503)] * ATTEMPTS)
    error = bench.fails(dataset, "x.bin")
    assert error.what == f"the store did not serve the request in {ATTEMPTS} attempts: it answered 503"
    assert (error.code, type(error)) == (50, StoreUnavailable)


def test_a_pause_that_is_asked_for_is_made_but_not_for_ever(bench):
    dataset = bench.dataset(x_bin=b"content")
    for asked in ("17", "86400", "soon", "-1"):
        bench.dataverse.faults.append(Fault("access/datafile", status=429, headers={"Retry-After": asked}))
    bench.download(dataset, "x.bin")
    assert 17 <= bench.pauses[0] <= 27
    assert 60 <= bench.pauses[1] <= 70
    assert all(0 <= pause <= 10 for pause in bench.pauses[2:])


def test_an_installation_that_is_away_is_not_there(bench):
    dataset = bench.dataset(x_bin=b"content")
    bench.dataverse.stop()
    assert "no whole answer (ConnectError)" in bench.fails(dataset, "x.bin").what
    bench.dataverse._server.socket.close()
    bench.dataverse.stop = lambda: None  # once is enough


def test_a_transfer_that_is_cut_goes_on_where_it_stopped(bench):
    dataset = bench.dataset(x_bin=BIG)
    bench.dataverse.faults.extend([Fault("access/datafile", cut_after=1 << 20)] * 4)
    assert bench.download(dataset, "x.bin")[0] == BIG
    starts = [asked.headers.get("range") for asked in bench.asked("access/datafile")]
    assert starts[0] is None
    positions = [int(start.removeprefix("bytes=").rstrip("-")) for start in starts[1:]]
    assert positions == sorted(positions)
    assert positions[-1] > 3 << 20


def test_a_server_that_answers_a_range_with_all_of_it_is_asked_for_all_of_it(bench):
    bench.dataverse.honours_range = False
    dataset = bench.dataset(x_bin=BIG)
    bench.dataverse.faults.append(Fault("access/datafile", cut_after=2 << 20))
    assert bench.download(dataset, "x.bin")[0] == BIG
    assert [("range" in asked.headers) for asked in bench.asked("access/datafile")] == [False, True, False]


def test_cuts_that_bring_it_further_are_not_counted(bench):
    dataset = bench.dataset(x_bin=BIG + BIG)
    bench.dataverse.faults.extend([Fault("access/datafile", cut_after=1 << 20)] * (ATTEMPTS + 2))
    assert bench.download(dataset, "x.bin")[0] == BIG + BIG
    assert len(bench.asked("access/datafile")) > ATTEMPTS


def test_a_server_that_feeds_a_byte_at_a_time_is_left(bench):
    dataset = bench.dataset(x_bin=BIG)
    bench.dataverse.faults.extend([Fault("access/datafile", cut_after=10)] * 50)
    assert "no whole answer" in bench.fails(dataset, "x.bin").what
    assert len(bench.asked("access/datafile")) == ATTEMPTS


def test_the_archival_form_is_never_put_together_of_two_halves(bench):
    dataset = bench.dataset(x_csv=CSV)
    bench.dataverse.faults.append(Fault("access/datafile", cut_after=8))
    assert bench.download(dataset, "x.tab", form="archival")[0] == TAB
    assert not any("range" in asked.headers for asked in bench.asked("access/datafile"))


def test_the_archival_form_is_not_taken_from_an_answer_that_could_have_been_cut(bench):
    dataset = bench.dataset(x_csv=CSV)
    bench.dataverse.faults.extend([Fault("access/datafile", hides_length=True, cut_after=8)] * ATTEMPTS)
    assert "does not say where it ends" in bench.fails(dataset, "x.tab", form="archival").what


def test_a_disk_that_is_full_is_told_and_keeps_nothing(bench):
    dataset = bench.dataset(x_bin=BIG)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        error = bench.fails(dataset, "x.bin")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert error.what == "the work directory has no room for the object"
    assert list(bench.directory.iterdir()) == []
    assert bench.pauses == []


# Redirects


def test_a_download_is_followed_to_the_storage_which_never_hears_the_token(redirecting):
    dataset = restricted(redirecting)
    token = redirecting.steward.token
    assert redirecting.download(dataset, "x.bin", token=token)[0] == b"content"
    assert redirecting.storage.asked
    for asked in redirecting.storage.asked:
        assert token not in repr(asked)
        assert "x-dataverse-key" not in asked.headers
    assert [asked.headers["x-dataverse-key"] for asked in redirecting.asked("access/datafile")] == [token]


def test_a_cut_transfer_from_the_storage_is_taken_up_with_a_fresh_address(redirecting):
    dataset = redirecting.dataset(x_bin=BIG)
    redirecting.storage.faults.append(Fault("bucket", cut_after=2 << 20))
    redirecting.storage.faults.append(Fault("bucket", status=403, body=b"expired"))
    assert redirecting.download(dataset, "x.bin")[0] == BIG
    signatures = [asked.query["X-Amz-Signature"] for asked in redirecting.storage.asked]
    assert len(set(signatures)) == 3
    assert "range" in redirecting.storage.asked[-1].headers


def test_no_signed_address_is_in_an_error(redirecting):
    dataset = redirecting.dataset(x_bin=b"content")
    redirecting.storage.faults.extend([Fault("bucket", status=500, body=b"<Error>")] * ATTEMPTS)
    error = redirecting.fails(dataset, "x.bin")
    assert error.what.endswith("its storage answered 500")
    assert "Signature" not in f"{error.what}{error.where}{error.fix}"


def test_a_site_that_nobody_named_is_not_visited(redirecting):
    dataset = redirecting.dataset(x_bin=b"content")
    error = redirecting.fails(dataset, "x.bin", storage=())
    assert error.what.endswith(f"it redirects to {redirecting.storage.url}, which nobody has named")
    assert "storage" in error.fix
    assert redirecting.storage.asked == []
