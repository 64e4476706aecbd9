"""What is wrong with documents is said with file, line, column and what to do."""

import datetime
from pathlib import Path

import pytest

from policy.identity import new_identity
from policy.problem import DocumentError
from renderer.check import Findings, check_workspace
from renderer.documents import read_workspace
from renderer.errors import one_line
from tests.renderer.conftest import NOW, edit

WORKFLOW, ALPHA, BRAVO, CAROL = "visits-by-ward.yaml", "parties/alpha.yaml", "parties/bravo.yaml", "parties/carol.yaml"

SWIFT_PLACE = "backend: swift\n      container: clinic\n      object: visits.csv\n      credentials: bravo-store"
DATAVERSE_PLACE = """backend: dataverse
      url: https://data.example.org
      persistentId: doi:10.5072/FK2/ABC
      version: "1.0"
      file: 2024/visits.csv"""

# title: (file, what stands there, what is put in its place, the complaints)
CASES: dict[str, tuple[str, str, str, list[str]]] = {
    "a party that does not exist": (
        WORKFLOW,
        "bravo/visits]",
        "dora/visits]",
        ["visits-by-ward.yaml:9:28: spec.tables.visits[1]: there is no party dora (fix: did you mean bravo/visits?)"],
    ),
    "a dataset that does not exist": (
        WORKFLOW,
        "bravo/visits]",
        "bravo/wards]",
        [
            "visits-by-ward.yaml:9:28: spec.tables.visits[1]: bravo has no dataset wards "
            "(fix: the datasets are: alpha/visits, alpha/beds, bravo/visits)"
        ],
    ),
    "a dataset that is misspelt": (
        WORKFLOW,
        "bravo/visits]",
        "bravo/vsits]",
        [
            "visits-by-ward.yaml:9:28: spec.tables.visits[1]: bravo has no dataset vsits "
            "(fix: did you mean bravo/visits?)"
        ],
    ),
    "a recipient that is misspelt, whom the writer may be meant to be": (
        WORKFLOW,
        "recipients: [carol, alpha]",
        "recipients: [carol, alhpa]",
        ["visits-by-ward.yaml:16:25: spec.outputs.recipients[1]: there is no party alhpa (fix: did you mean alpha?)"],
    ),
    "a writer that is misspelt": (
        WORKFLOW,
        "writer: alpha",
        "writer: alpa",
        ["visits-by-ward.yaml:17:5: spec.outputs.writer: there is no party alpa (fix: did you mean alpha?)"],
    ),
    "a table that the query does not read": (
        WORKFLOW,
        "bravo/visits]",
        "bravo/visits]\n    beds: [alpha/beds]",
        [
            "visits-by-ward.yaml:10:5: spec.tables.beds: the query does not read beds, whose owners would take part "
            "nevertheless (fix: leave it out)"
        ],
    ),
    "a dataset twice in one table": (
        WORKFLOW,
        "bravo/visits]",
        "alpha/visits]",
        [
            "visits-by-ward.yaml:9:28: spec.tables.visits[1]: alpha/visits is listed twice "
            "(fix: its rows would count twice: keep one)"
        ],
    ),
    "keys of a table that is not there": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {cleartext: {beds.ward: [alpha]}}",
        [
            "visits-by-ward.yaml:20:21: spec.mpc.cleartext.beds.ward: there is no table beds "
            "(fix: the tables are: visits)"
        ],
    ),
    "keys of a column that is not there": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {cleartext: {visits.beds: [alpha]}}",
        [
            "visits-by-ward.yaml:20:21: spec.mpc.cleartext.visits.beds: visits has no column beds "
            "(fix: its columns are: ward, kind, cost)"
        ],
    ),
    "keys shown to a party that does not compute": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {cleartext: {visits.ward: [alpha, dora, alpha]}}",
        [
            "visits-by-ward.yaml:20:42: spec.mpc.cleartext.visits.ward[1]: dora does not compute, so it is shown no keys "
            "(fix: name one of the compute parties, or all: alpha, bravo, carol)",
            "visits-by-ward.yaml:20:48: spec.mpc.cleartext.visits.ward[2]: alpha is listed twice (fix: keep one)",
        ],
    ),
    "sizes of a table that is not there, and of one twice": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {discloseSizes: [visits, beds, visits]}",
        [
            "visits-by-ward.yaml:20:33: spec.mpc.discloseSizes[1]: there is no table beds (fix: the tables are: visits)",
            "visits-by-ward.yaml:20:39: spec.mpc.discloseSizes[2]: visits is listed twice (fix: keep one)",
        ],
    ),
    "how often keys come, of what is not there, or never": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {mostMatches: {beds.ward: 8, visits.beds: 8}}",
        [
            "visits-by-ward.yaml:20:23: spec.mpc.mostMatches.beds.ward: there is no table beds "
            "(fix: the tables are: visits)",
            "visits-by-ward.yaml:20:37: spec.mpc.mostMatches.visits.beds: visits has no column beds "
            "(fix: its columns are: ward, kind, cost)",
        ],
    ),
    "keys of something that is no column": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {cleartext: {ward: [alpha]}}",
        [
            "visits-by-ward.yaml:20:21: spec.mpc.cleartext.ward: must match the pattern ^[A-Za-z_][A-Za-z0-9_]*\\.[^\\n]+$ "
            "(fix: write table.column, such as visits.patient)"
        ],
    ),
    "parts of one table with other columns": (
        WORKFLOW,
        "bravo/visits]",
        "alpha/beds]",
        [
            "visits-by-ward.yaml:9:28: spec.tables.visits[1]: alpha/beds is no further part of the table of "
            "alpha/visits: it has beds in the place of kind "
            "(fix: parts of one table have the same columns, of the same types, in the same order)"
        ],
    ),
    "parts of one table with other types": (
        BRAVO,
        'cost: {type: "DECIMAL(10, 2)"}',
        "cost: {type: bigint}",
        [
            "visits-by-ward.yaml:9:28: spec.tables.visits[1]: bravo/visits is no further part of the table of "
            "alpha/visits: its cost is bigint, not decimal(10,2) "
            "(fix: parts of one table have the same columns, of the same types, in the same order)"
        ],
    ),
    "no purpose": (
        WORKFLOW,
        "  purpose: planning\n",
        "",
        [
            "visits-by-ward.yaml:6:1: spec.purpose: is missing "
            "(fix: add purpose: why it is asked; owners' policies grant by purpose)"
        ],
    ),
    "a table's dataset without its party": (
        WORKFLOW,
        "[alpha/visits, bravo/visits]",
        "[visits]",
        [
            "visits-by-ward.yaml:9:14: spec.tables.visits[0]: must match the pattern "
            "^[a-z]([-a-z0-9]*[a-z0-9])?/[a-z]([-a-z0-9]*[a-z0-9])?$ (fix: write party/dataset, such as alpha/visits)"
        ],
    ),
    "a table's name that SQL does not take": (
        WORKFLOW,
        "visits: [alpha",
        "1visits: [alpha",
        [
            "visits-by-ward.yaml:9:5: spec.tables.1visits: must match the pattern ^[A-Za-z_][A-Za-z0-9_]*$ "
            "(fix: write a SQL name: letters, digits and '_', no digit first)"
        ],
    ),
    "a list that is none": (
        WORKFLOW,
        "[alpha/visits, bravo/visits]",
        "alpha/visits",
        ["visits-by-ward.yaml:9:5: spec.tables.visits: must be a list (fix: write it in brackets, as [one, another])"],
    ),
    "fields that are none": (
        BRAVO,
        "backend: swift",
        "backend: files\n      volume: stays",
        [
            "parties/bravo.yaml:22:5: spec.datasets.visits.path: is missing "
            "(fix: add path: a file, from the volume's top, such as 2024/visits.csv)",
            "parties/bravo.yaml:24:7: spec.datasets.visits.volume: must be a map of fields "
            "(fix: the fields here are claim)",
            *(
                f"parties/bravo.yaml:{line}:7: spec.datasets.visits.{field}: there is no such field here (fix: the fields "
                "here are backend, columns, compression, format, keys, mostRows, nullText, path, sealed, text, volume)"
                for line, field in ((25, "container"), (26, "object"), (27, "credentials"))
            ),
        ],
    ),
    "a tab": (
        WORKFLOW,
        "    visits: [",
        "\tvisits: [",
        [
            "visits-by-ward.yaml:9:1: this is not YAML: while scanning for the next token: found character '\\t' that "
            "cannot start any token (fix: indent with blanks; a tab is none)"
        ],
    ),
    "a line too far to the right": (
        WORKFLOW,
        "  tables:",
        "   tables:",
        [
            "visits-by-ward.yaml:8:10: this is not YAML: mapping values are not allowed here (fix: look here and in the "
            "line before for a colon, a quote, a bracket or blanks too many or too few)"
        ],
    ),
    "a type that is none": (
        CAROL,
        "  helper: true",
        "  helper: true\n  datasets:\n    d: {backend: swift, container: c, object: o, credentials: s, "
        "columns: {x: {type: money}}}",
        [
            "parties/carol.yaml:22:80: spec.datasets.d.columns.x.type: unknown type 'money' (fix: use one of "
            "tinyint, smallint, integer, bigint, int, double, boolean, date, varchar, decimal(p,s), varchar(n))"
        ],
    ),
    "a recipient that does not exist": (
        WORKFLOW,
        "[carol, alpha]",
        "[dora, alpha]",
        [
            "visits-by-ward.yaml:16:18: spec.outputs.recipients[0]: there is no party dora "
            "(fix: the parties are: alpha, bravo, carol)"
        ],
    ),
    "a writer that is not a recipient": (
        WORKFLOW,
        "writer: alpha",
        "writer: bravo",
        [
            "visits-by-ward.yaml:17:5: spec.outputs.writer: bravo is not a recipient, and a writer sees what it writes "
            "(fix: name one of carol, alpha)"
        ],
    ),
    "a writer with nowhere to write": (
        WORKFLOW,
        "writer: alpha",
        "writer: carol",
        [
            "visits-by-ward.yaml:17:5: spec.outputs.writer: carol has no place to write to "
            "(fix: give workflows/parties/carol.yaml spec.outputs.credentials)"
        ],
    ),
    "too few to compute": (
        CAROL,
        "helper: true",
        "helper: false",
        [
            "visits-by-ward.yaml:6:1: spec.mpc.compute: three parties must compute, and there are 2: alpha, bravo "
            "(fix: let a party without data help: `helper: true` in its document)"
        ],
    ),
    "a compute party twice": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  mpc: {compute: [alpha, bravo, alpha]}",
        [
            "visits-by-ward.yaml:20:33: spec.mpc.compute[2]: alpha is listed twice, and would hold enough shares to "
            "see the data (fix: name three parties)"
        ],
    ),
    "a namespace twice": (
        BRAVO,
        "namespace: hospital-b",
        "namespace: hospital-a",
        [
            "parties/bravo.yaml:7:3: spec.namespace: is already the namespace of alpha "
            "(fix: every party has its own, so that its Secrets are its own)"
        ],
    ),
    "a namespace of the cluster": (
        BRAVO,
        "namespace: hospital-b",
        "namespace: kube-system",
        [
            "parties/bravo.yaml:7:3: spec.namespace: is a namespace of the cluster itself "
            "(fix: choose one that only this party owns)"
        ],
    ),
    "an identity among the store's Secrets": (
        BRAVO,
        "secret: bravo-key",
        "secret: bravo-store",
        [
            "parties/bravo.yaml:20:5: spec.identity.secret: is also the name of a store's Secret, so containers that "
            "read stores would get the identity key (fix: give the identity a Secret of its own)"
        ],
    ),
    "a query with an unknown column": (
        WORKFLOW,
        "SUM(cost) AS cost",
        "SUM(costs) AS cost",
        ["visits-by-ward.yaml:11:37: spec.query: no column costs here; there are ward, kind, cost (fix: write cost)"],
    ),
    "a list of steps beside a query": (
        WORKFLOW,
        "  deadlines: {jobSeconds: 600}",
        "  steps: [{op: create, name: visits}, {op: collect, from: visits}]",
        [
            "visits-by-ward.yaml:10:3: spec.query: stands beside spec.steps "
            "(fix: say the computation once, as SQL or as steps)"
        ],
    ),
    "a field that does not exist": (
        WORKFLOW,
        "    format: json",
        "    fromat: json",
        ["visits-by-ward.yaml:19:5: spec.outputs.fromat: there is no such field here (fix: did you mean format?)"],
    ),
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
    "a network that is none": (
        BRAVO,
        "203.0.113.0/24",
        "203.0.113.7/24",
        [
            "parties/bravo.yaml:35:8: spec.egress[0].cidr: is not an IP network "
            "(fix: write it as 192.0.2.0/24, its host bits zero)"
        ],
    ),
    "a key that is written twice": (
        WORKFLOW,
        "    format: json",
        "    writer: carol",
        ["visits-by-ward.yaml:19:5: spec.outputs.writer: written twice, first on line 17 (fix: keep one)"],
    ),
    "a name that is not the file's": (
        WORKFLOW,
        "name: visits-by-ward",
        "name: visits-by-word",
        [
            "visits-by-ward.yaml:5:3: metadata.name: is not the name of the file (fix: call the file visits-by-word.yaml)"
        ],
    ),
    "a control character": (
        WORKFLOW,
        "purpose: planning",
        'purpose: "plan\\u0007ning"',
        ["visits-by-ward.yaml:7:3: spec.purpose: holds U+0007, a control character (fix: leave it out)"],
    ),
    "an image by tag": (
        "federation.yaml",
        "worker@sha256:00000000000000000000000000000000000000000000000000000000000000ff",
        "worker:latest",
        [
            "federation.yaml:8:3: spec.image: must match the pattern ^[a-z0-9][a-z0-9._:/-]*@sha256:[0-9a-f]{64}$ "
            "(fix: write name@sha256:<64 hex digits>: a tag could be moved to another image after the review)"
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
def test_a_mistake_is_said_with_its_line(title: str, federation: Path) -> None:
    file, old, new, expected = CASES[title]
    edit(federation, file, old, new)

    problems = findings(federation).problems

    assert [f"{p.file}:{p.line}:{p.column}: {one_line(p)}" for p in problems] == [f"workflows/{e}" for e in expected]


def test_mistakes_in_several_files_are_said_at_once(federation: Path) -> None:
    edit(
        federation,
        ALPHA,
        "backend: swift\n      container: clinic\n      object: beds",
        "backend: s3\n      object: beds",
    )
    edit(federation, CAROL, "kind: Party", "kind: Partei")

    files = {problem.file for problem in findings(federation).problems}

    assert files == {"workflows/parties/alpha.yaml", "workflows/parties/carol.yaml"}


def test_a_private_key_is_refused_and_not_repeated(federation: Path) -> None:
    key, _ = new_identity("carol", 30)
    secret = key.decode().splitlines()[1]
    edit(federation, CAROL, "  helper: true", f"  helper: true\n  # {secret}\n  # -----BEGIN PRIVATE KEY-----")

    with pytest.raises(DocumentError) as error:
        read_workspace(federation)

    assert "private key" in str(error.value)
    assert secret not in str(error.value)


def test_a_swapped_certificate_is_refused(federation: Path) -> None:
    bravo = (federation / "workflows" / BRAVO).read_text()
    carol = federation / "workflows" / CAROL
    lines = carol.read_text().splitlines(keepends=True)
    start = lines.index("    certificate: |\n")
    stop = next(i for i, line in enumerate(lines) if "END CERTIFICATE" in line) + 1
    other = bravo[bravo.index("    certificate: |\n") : bravo.index("    secret: bravo-key")]
    carol.write_text("".join([*lines[:start], other, *lines[stop:]]))

    (problem,) = findings(federation).problems

    assert problem.what == "is the certificate of bravo, not of carol"
    assert problem.line == start + 1


@pytest.mark.parametrize(
    ("moment", "problems", "warnings"),
    [
        (datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC), 3, 0),
        (NOW, 0, 0),
        (datetime.datetime(2034, 12, 20, tzinfo=datetime.UTC), 0, 3),
        (datetime.datetime(2035, 6, 1, tzinfo=datetime.UTC), 3, 0),
    ],
)
def test_certificates_are_held_to_their_days(
    federation: Path, moment: datetime.datetime, problems: int, warnings: int
) -> None:
    found = check_workspace(read_workspace(federation), moment)

    assert (len(found.problems), len(found.warnings)) == (problems, warnings)


def findings(root: Path) -> Findings:
    try:
        return check_workspace(read_workspace(root), NOW)
    except DocumentError as error:
        return Findings(tuple(error.problems))
