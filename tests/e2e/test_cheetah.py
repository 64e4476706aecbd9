"""Two workers and nobody else: SPU's Cheetah, on the flights of two airports."""

import duckdb
import pytest

from conclave.cheetah.party import spu_python

pytestmark = pytest.mark.skipif(not spu_python().exists(), reason="SPU is not installed: make spu")
WORKFLOW = """\
apiVersion: ccd.dev/v1alpha1
kind: Workflow
metadata: {name: two-airports}
spec:
  purpose: punctuality-report
  tables: {flights: [ewr/flights, jfk/flights]}
  query: |
    SELECT carrier, COUNT(*) AS flights
    FROM flights
    GROUP BY carrier
    HAVING COUNT(*) >= 100
    ORDER BY carrier
  outputs: {recipients: [ewr], writer: ewr, container: results}
  mpc: {protocol: cheetah}
  deadlines: {receiveSeconds: 300}
"""


def test_two_workers_compute_with_cheetah_what_duckdb_says_once_both_policies_allow_it(federation, few_flights):
    path = federation.root / "workflows" / "two-airports.yaml"
    path.write_text(WORKFLOW)
    federation.render()
    refused = federation.run(path.relative_to(federation.root))
    assert set(federation.exit_codes("publish").values()) == {30}
    assert not federation.said("step")
    assert federation.objects("ewr", "results") == [f"{refused.run_id}/manifest.json"]
    for party in ("ewr", "jfk"):
        federation.set_policy(party, "protocols: [replicated3]", "protocols: [cheetah]")
    path.write_text(WORKFLOW + "  run: 2\n")
    federation.render()
    ended = federation.run(path.relative_to(federation.root))
    assert federation.exit_codes("publish") == {"ewr": 0, "jfk": 0}, federation.said("run ended")  # and no third
    result = federation.steward("ewr").get_object("results", f"{ended.run_id}/result.csv")[1]
    files = [str(few_flights[party]) for party in ("ewr", "jfk")]
    query = "SELECT carrier, count(*) FROM read_csv($files) GROUP BY 1 HAVING count(*) >= 100 ORDER BY 1"
    rows = duckdb.execute(query, {"files": files}).fetchall()
    assert len(rows) > 3
    assert result.decode().splitlines() == ["carrier,flights", *(f"{carrier},{n}" for carrier, n in rows)]
