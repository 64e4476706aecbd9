"""A dataset in Dataverse, over HTTP: rights, faults that pass and faults that do not, redirects."""

import resource
import secrets

import pytest

from tests.dataverse.bench import Bench
from tests.dataverse.server import Fault
from tests.worker.endpoints.conftest import QUICK
from tests.worker.endpoints.test_dataverse import CSV, TAB
from worker.endpoints.patience import Patience
from worker.errors import StoreRefused, StoreUnavailable

ATTEMPTS = Patience().attempts
BIG = secrets.token_bytes(5 << 20)


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


@pytest.mark.parametrize("drips", [False, True], ids=["stalled", "dripping"])
def test_a_transfer_that_hardly_moves_is_given_up_and_taken_up_again(bench, drips):
    bench.patience = QUICK
    dataset = bench.dataset(x_bin=BIG)
    bench.dataverse.faults.append(Fault("access/datafile", drips_after=2 << 20, drips=drips))
    assert bench.download(dataset, "x.bin")[0] == BIG
    first, second, *_ = bench.asked("access/datafile")  # more on a machine with much to do
    assert "range" not in first.headers
    assert int(second.headers["range"].removeprefix("bytes=").rstrip("-")) >= 2 << 20


def test_a_server_that_answers_a_range_with_all_of_it_is_asked_for_all_of_it(bench):
    bench.dataverse.honours_range = False
    dataset = bench.dataset(x_bin=BIG)
    bench.dataverse.faults.append(Fault("access/datafile", cut_after=2 << 20))
    assert bench.download(dataset, "x.bin")[0] == BIG
    assert [("range" in asked.headers) for asked in bench.asked("access/datafile")] == [False, True, False]


def test_a_server_that_has_no_such_part_is_asked_for_all_of_it(bench):
    dataset = bench.dataset(x_bin=BIG)
    bench.dataverse.faults.extend([Fault("access/datafile", cut_after=2 << 20), Fault("access/datafile", status=416)])
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
