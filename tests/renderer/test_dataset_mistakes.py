"""What is wrong with what a party says of its datasets is said with file, line, column and what to do."""

from pathlib import Path

import pytest

from tests.renderer.mistakes import ALPHA, BRAVO, DATAVERSE_PLACE, SWIFT_PLACE, Case, assert_said

CASES: dict[str, Case] = {
    "a backend that there is not": (
        BRAVO,
        "backend: swift",
        "backend: swfit",
        [
            "parties/bravo.yaml:23:7: spec.datasets.visits.backend: must be one of 'swift', 'dataverse', 'files', 'spark' "
            "(fix: did you mean swift?)"
        ],
    ),
    "no backend": (
        BRAVO,
        "backend: swift\n      container",
        "container",
        ["parties/bravo.yaml:22:5: spec.datasets.visits.backend: is missing, and says what other fields there are"],
    ),
    "a field of another backend": (
        BRAVO,
        "backend: swift",
        "backend: files\n      volume: {claim: stays}",
        [
            "parties/bravo.yaml:22:5: spec.datasets.visits.path: is missing "
            "(fix: add path: a file, from the volume's top, such as 2024/visits.csv)",
            "parties/bravo.yaml:25:7: spec.datasets.visits.container: there is no such field here "
            "(fix: the fields here are backend, columns, compression, format, keys, mostRows, nullText, path, sealed, text, volume)",
            "parties/bravo.yaml:26:7: spec.datasets.visits.object: there is no such field here "
            "(fix: the fields here are backend, columns, compression, format, keys, mostRows, nullText, path, sealed, text, volume)",
            "parties/bravo.yaml:27:7: spec.datasets.visits.credentials: there is no such field here "
            "(fix: the fields here are backend, columns, compression, format, keys, mostRows, nullText, path, sealed, text, volume)",
        ],
    ),
    "a site that egress does not open": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE.replace("https://data.example.org", "https://192.0.2.7:8443"),
        [
            "parties/bravo.yaml:24:7: spec.datasets.visits.url: is not within the party's egress, so its workers could "
            "not reach it (fix: add its network to spec.egress, with port 8443)"
        ],
    ),
    "storage at a port that egress does not open": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE + "\n      storage: [https://s3.example.org, https://s3.example.org:9000]",
        [
            "parties/bravo.yaml:28:41: spec.datasets.visits.storage[1]: is not within the party's egress, so its workers "
            "could not reach it (fix: add its network to spec.egress, with port 9000)"
        ],
    ),
    "an installation without TLS": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE.replace("https", "http"),
        [
            "parties/bravo.yaml:24:7: spec.datasets.visits.url: is not https "
            "(fix: write it as https://data.example.org, or with a port; http:// is for this machine alone)"
        ],
    ),
    "an installation's address with a path": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE.replace("example.org", "example.org/dataset.xhtml"),
        [
            "parties/bravo.yaml:24:7: spec.datasets.visits.url: is not the address of a web site "
            "(fix: write it as https://data.example.org, or with a port; http:// is for this machine alone)"
        ],
    ),
    "a version that is no text": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE.replace('"1.0"', "1.0"),
        [
            "parties/bravo.yaml:26:7: spec.datasets.visits.version: must be text "
            "(numbers, true and false need quotes to be text)"
        ],
    ),
    "a draft": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE.replace("1.0", ":draft"),
        [
            "parties/bravo.yaml:26:7: spec.datasets.visits.version: must match the pattern "
            "^([1-9][0-9]{0,8}\\.[0-9]{1,9}|:latest|:latest-published)$ "
            "(fix: write a published version; the latest one only if that is said, such as 1.0, :latest)"
        ],
    ),
    "a persistent identifier with something behind it": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE.replace("FK2/ABC", "FK2/ABC&key=1"),
        [
            "parties/bravo.yaml:25:7: spec.datasets.visits.persistentId: must match the pattern "
            "^(doi:10\\.[0-9]{4,9}|hdl:[A-Za-z0-9.]+)/[A-Za-z0-9._/-]+$ "
            "(fix: write a DOI or a handle, such as doi:10.5072/FK2/ABCDEF, hdl:1902.1/12345)"
        ],
    ),
    "Dataverse's own text as something else": (
        BRAVO,
        SWIFT_PLACE,
        DATAVERSE_PLACE + "\n      form: archival",
        [
            "parties/bravo.yaml:28:7: spec.datasets.visits.form: is a text as Dataverse writes it, with tabs and quotes "
            "of its own (fix: declare format: tab, or form: original for what was uploaded)"
        ],
    ),
    "a path out of the volume": (
        BRAVO,
        SWIFT_PLACE,
        "backend: files\n      volume: {claim: stays}\n      path: ../stays.csv",
        [
            "parties/bravo.yaml:25:7: spec.datasets.visits.path: is no path within a volume (fix: name the file from the volume's top, as 2024/visits.csv)"
        ],
    ),
    "a delimiter that is also the quote": (
        ALPHA,
        "nullText: NA",
        "nullText: NA\n      text: {delimiter: '\"'}",
        [
            "parties/alpha.yaml:27:7: spec.datasets.visits.text: is the delimiter and something else "
            "(fix: choose different signs for delimiter, quote and escape)"
        ],
    ),
    "a delimiter that is a word": (
        ALPHA,
        "nullText: NA",
        "nullText: NA\n      text: {delimiter: tab}",
        [
            "parties/alpha.yaml:27:14: spec.datasets.visits.text.delimiter: must match the pattern ^[\\t -/:-@\\[-`{-~]$ "
            "(fix: write one sign: no letter, no digit, no line end)"
        ],
    ),
    "a spelling of NULL that holds the delimiter": (
        ALPHA,
        "nullText: NA",
        'nullText: [NA, "n,a"]',
        [
            "parties/alpha.yaml:26:7: spec.datasets.visits.nullText: holds the delimiter, the quote or the escape, so "
            "it cannot stand in a field by itself (fix: declare how NULL is really spelled)"
        ],
    ),
    "an object that promises another compression": (
        ALPHA,
        "object: 2024/visits.csv",
        "object: 2024/visits.csv.gz",
        [
            "parties/alpha.yaml:25:7: spec.datasets.visits.object: ends as gzip does, but the declared compression is "
            "none (fix: declare compression: gzip, or rename)"
        ],
    ),
    "signs of a text in Parquet": (
        ALPHA,
        "format: parquet",
        "format: parquet\n      text: {header: false}\n      compression: zstd",
        [
            "parties/alpha.yaml:37:7: spec.datasets.beds.text: is of texts, and this is Parquet (fix: leave it out)",
            "parties/alpha.yaml:38:7: spec.datasets.beds.compression: is of texts; Parquet compresses its own pages "
            "(fix: leave it out)",
        ],
    ),
    "an age identity that publish would mount": (
        ALPHA,
        "nullText: NA",
        "nullText: NA\n      sealed: {recipient: age18xh0dmmc3e0k3ngerxw0tvdhzfkmdccfv7yccu5stcjxd7y7hpwsllnqyd, "
        "identity: alpha-records}",
        [
            "parties/alpha.yaml:27:91: spec.datasets.visits.sealed.identity: is a Secret that containers mount which "
            "have no business with the data's plaintext (fix: give the age identity a Secret of its own)"
        ],
    ),
    "a recipient that is none": (
        ALPHA,
        "nullText: NA",
        "nullText: NA\n      sealed: {recipient: age1qqqq, identity: alpha-age}",
        [
            "parties/alpha.yaml:27:16: spec.datasets.visits.sealed.recipient: is no age recipient "
            "(fix: write the public key that age-keygen printed: age1…)"
        ],
    ),
    "columns that SQL cannot tell apart": (
        ALPHA,
        "beds: {type: integer}",
        "Ward: {type: integer}",
        [
            "parties/alpha.yaml:40:9: spec.datasets.beds.columns.Ward: differs from the column ward in capitals only, and "
            "SQL does not tell them apart (fix: rename one of them in the file)"
        ],
    ),
    "a key of columns that are not there": (
        ALPHA,
        "nullText: NA",
        "nullText: NA\n      keys: [{columns: [ward, bed]}, {columns: [ward, ward], unique: table}]",
        [
            "parties/alpha.yaml:27:15: spec.datasets.visits.keys[0].columns: names bed, which is no declared column "
            "(fix: name columns as `columns` does)",
            "parties/alpha.yaml:27:39: spec.datasets.visits.keys[1].columns: names a column twice (fix: name each once)",
        ],
    ),
}


@pytest.mark.parametrize("title", CASES)
def test_a_mistake_about_a_dataset_is_said_with_its_line(title: str, federation: Path) -> None:
    assert_said(federation, CASES[title])
