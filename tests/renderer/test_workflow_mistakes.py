"""What is wrong with a workflow is said with file, line, column and what to do."""

from pathlib import Path

import pytest

from tests.renderer.mistakes import BRAVO, CAROL, WORKFLOW, Case, assert_said

CASES: dict[str, Case] = {
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
}


@pytest.mark.parametrize("title", CASES)
def test_a_mistake_in_a_workflow_is_said_with_its_line(title: str, federation: Path) -> None:
    assert_said(federation, CASES[title])
