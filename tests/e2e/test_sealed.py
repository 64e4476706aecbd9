"""One owner stores its part compressed and sealed; the answer is the same, and only its `fetch` could open the data."""

import gzip
import json

import duckdb
import pyrage
import pytest

from renderer.check import load_workspace
from renderer.dev.state import STEWARD, users_of
from renderer.dev.upload import POLICIES
from renderer.local.observe import ContainerStarted
from tests.e2e.conftest import MARKET
from tests.renderer.gitops import ccd


def declare_sealed(federation) -> pyrage.x25519.Identity:
    identity = pyrage.x25519.Identity.generate()
    secret = federation.root / "secrets" / "airport-ewr" / "flights-age"
    secret.mkdir()
    (secret / "age.key").write_text(f"{identity}\n")
    path = federation.root / "workflows" / "parties" / "ewr.yaml"
    text = path.read_text()
    sealed = f"sealed: {{recipient: {identity.to_public()}, identity: flights-age}}"
    assert text.count("      nullText: NA\n") == 1
    path.write_text(
        text.replace("      nullText: NA\n", f"      nullText: NA\n      compression: gzip\n      {sealed}\n")
    )
    federation.render()
    return identity


@pytest.mark.deep  # sealing has quick tests in tests/renderer/test_data.py, opening in tests/worker/test_sealed.py
def test_a_sealed_part_is_computed_on_and_opened_by_fetch_alone(federation, few_flights, tmp_path, monkeypatch):
    identity = declare_sealed(federation)
    packed = tmp_path / "flights.csv.gz"
    packed.write_bytes(gzip.compress(few_flights["ewr"].read_bytes()))
    user = users_of(federation.root).of(f"airport-ewr:{STEWARD}")
    for name, value in {"ST_AUTH": federation.auth_url, "ST_USER": user.login, "ST_KEY": user.key}.items():
        monkeypatch.setenv(name, value)
    policy = POLICIES / "ewr.flights.policy.yaml"
    put = ccd(
        federation.root, "data", "put", packed, "--dataset", "ewr/flights", "--policy", policy, "--replace", "--json"
    )
    assert put.exit_code == 0, put.output
    report = json.loads(put.stdout)
    stored = federation.steward("ewr").get_object("flights", "flights.csv")[1]
    assert pyrage.decrypt(stored, [identity]) == packed.read_bytes()
    mounted: dict[str, bool] = {}
    left: dict[str, list[str]] = {}

    def watch(event) -> None:
        if isinstance(event, ContainerStarted) and event.job.endswith("-ewr"):
            pod = next((federation.root / ".ccd" / "pods").glob(f"*/*/{event.job}-*"))
            mounted[event.container] = any((pod / "containers" / event.container).rglob("age.key"))
            left[event.container] = [path.name for path in (pod / "volumes").rglob("*.csv")]

    ended = federation.run(MARKET, watch)

    assert (ended.exit_code, ended.filed.problems) == (0, ())
    query = load_workspace(federation.root).workflows["market-concentration"].model.spec.query
    with duckdb.connect() as connection:
        files = [str(path) for path in few_flights.values()]
        connection.execute("CREATE TABLE flights AS FROM read_csv($files, nullstr = 'NA')", {"files": files})
        ((expected,),) = connection.execute(query).fetchall()
    assert ended.filed.rows == [{"hhi": pytest.approx(expected, rel=1e-6)}]
    assert mounted == {"fetch": True, "compute": False, "publish": False}
    assert (left["compute"], left["publish"]) == (["data.csv"], [])
    # Peers are told of the object as it is stored: nothing that guesses of the plaintext could be tried out on.
    data = {each["dataset"]: each for each in ended.filed.manifest["parties"][0]["statement"]["data"]}
    assert data["ewr/flights"]["sha256"] == report["sha256"]
    assert str(identity) not in json.dumps(ended.filed.manifest)
