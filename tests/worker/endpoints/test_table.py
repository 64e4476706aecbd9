"""The table of bad days in docs/operating.md: each row has a test that shows it."""

import importlib
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs" / "operating.md"
E = "tests.worker.endpoints"
SHOWN_BY = {
    "slow to a trickle, or stalled": f"{E}.test_bad_days:test_a_stall_or_a_trickle_is_no_transfer",
    "cut at any byte": f"{E}.test_bad_days:test_cut_at_random_bytes",
    "connections refused for a while": f"{E}.test_bad_days:test_connections_refused_for_a_while",
    "a storm of 500, 502, 503, 504, 429 or 498": f"{E}.test_bad_days:test_a_storm_of_errors_passes",
    "a body that ends too early": f"{E}.test_bad_days:test_a_body_that_ends_too_early",
    "a wrong checksum": f"{E}.test_bad_days:test_a_wrong_checksum",
    "the object is replaced in mid-download": f"{E}.test_bad_days:test_replaced_in_mid_download_it_is_fetched_anew",
    "a token expires or is revoked in mid-run": f"{E}.test_keystone:test_a_token_revoked_in_mid_run_is_renewed",
    "the credentials are withdrawn in mid-run": f"{E}.test_keystone:test_a_user_disabled_in_mid_run_is_refused",
    "no access, nothing there, quota used up, store full (403, 404, 413, 507)": (
        f"{E}.test_bad_days:test_refused_for_good_is_not_tried_again"
    ),
    "a Secret with half a form, two forms or none": (
        f"{E}.test_swift_secret:test_half_a_form_two_forms_or_none_is_a_bad_document"
    ),
    "an address that is not https": (
        f"{E}.test_swift_secret:test_credentials_travel_encrypted_or_where_the_owner_allowed_it"
    ),
    "a certificate that is not trusted": f"{E}.test_https:test_a_certificate_of_an_unknown_ca_is_not_trusted",
    "no room in the work directory": f"{E}.test_bad_days:test_a_disk_that_fills_up_in_mid_download",
    "an upload is cut": f"{E}.test_bad_days:test_an_upload_cut_off_leaves_nothing_and_is_done_again",
    "the answer to an upload is lost": f"{E}.test_bad_days:test_an_upload_whose_answer_is_lost_is_not_doubled",
    "the result container, or the one for records, is read-only": (
        "tests.worker.test_fetch:test_a_place_that_may_not_be_written_to_stops_the_run_before_any_data_moves"
    ),
    "it becomes read-only while the run lasts": (
        "tests.worker.test_publish:"
        "test_a_result_container_that_may_not_be_written_to_ends_with_50_and_leaves_the_result_alone"
    ),
    "another writer is faster": f"{E}.test_upload:test_whoever_loses_a_race_removes_its_own_segments_and_no_others",
    "the writer dies between result and manifest": (
        "tests.worker.test_writer_death:test_between_result_and_manifest_the_next_attempt_finishes_alone"
    ),
    "the writer dies before its result is stored": (
        "tests.worker.test_writer_death:test_before_the_result_nothing_looks_done"
    ),
}


def rows() -> list[list[str]]:
    section = DOCS.read_text().split("### Bad days")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_every_row_has_its_test_and_every_test_its_row():
    assert [row[0] for row in rows()] == list(SHOWN_BY)
    assert all(len(row) == 4 and all(row) for row in rows())


@pytest.mark.parametrize("fault", SHOWN_BY)
def test_the_test_is_there(fault):
    module, _, name = SHOWN_BY[fault].partition(":")
    assert callable(getattr(importlib.import_module(module), name))
