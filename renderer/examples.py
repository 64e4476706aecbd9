"""How each command is called, as its `--help` ends with it: one line an example, each as somebody would type it."""

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "approve": (
        "ccd approve wage-gap --party hospital",
        "ccd approve wage-gap --party hospital --key hospital.key --days 7",
    ),
    "cancel": ("ccd cancel wage-gap --push", "ccd cancel wage-gap-0123456789"),
    "codeowners": ("ccd codeowners", "ccd codeowners --base main"),
    "data check": ("ccd data check hospital/stays", "ccd data check hospital/stays --policy-only --json"),
    "data put": (
        "ccd data put stays.csv --dataset hospital/stays --policy stays.csv.policy.yaml",
        "ccd data put stays.csv --dataset hospital/stays --replace",
    ),
    "demo": ("ccd demo", "ccd demo --dir /tmp/airports"),
    "dev down": ("ccd -C .demo dev down",),
    "dev status": ("ccd -C .demo dev status",),
    "dev up": ("ccd -C .demo dev up",),
    "keys new": ("ccd keys new hospital --out secrets/new",),
    "logs": ("ccd logs wage-gap --follow", "ccd logs wage-gap --party hospital --container compute --previous"),
    "output": (
        "ccd output wage-gap -o answer.csv --manifest manifest.json",
        "ccd output wage-gap --records hospital --manifest hospital.json",
    ),
    "party grant": ("ccd party grant hospital >grant.yaml",),
    "party init": (
        "ccd party init hospital --namespace hospital-a --reviewer @hospital/stewards --egress 192.0.2.0/24:443",
    ),
    "plan": (
        "ccd plan workflows/wage-gap.yaml",
        "ccd plan workflows/wage-gap.yaml --rows 5000 --graph wage-gap.svg",
        "ccd plan --base main --format markdown",
    ),
    "policy check": ("ccd policy check stays.csv.policy.yaml",),
    "policy history": ("ccd policy history", "ccd policy history workflows/wage-gap.yaml --json"),
    "policy published": ("ccd policy published --base main",),
    "policy sign": ("ccd policy sign stays.csv.policy.yaml --key hospital.key",),
    "policy suggest": ("ccd policy suggest workflows/wage-gap.yaml --out new",),
    "policy verify": (
        "ccd policy verify --workflow workflows/wage-gap.yaml --policy pay.csv.policy.yaml --policy staff.csv.policy.yaml",
    ),
    "render": ("ccd render", "ccd render --check --base origin/main"),
    "run": ("ccd run workflows/wage-gap.yaml", "ccd run workflows/wage-gap.yaml --json"),
    "schema": ("ccd schema", "ccd schema --check"),
    "status": ("ccd status", "ccd status wage-gap --watch"),
    "submit": ("ccd submit workflows/wage-gap.yaml --push",),
    "try": (
        'ccd try "SELECT SUM(amount) AS total FROM sales" --table sales=north:north.csv,south:south.csv',
        "ccd try --query q.sql --table sales=north:north.csv,south:south.csv --table cards=bank:cards.parquet",
        "ccd try --workflow workflows/wage-gap.yaml --data data",
    ),
    "validate": ("ccd validate", "ccd validate workflows/wage-gap.yaml", "ccd validate --annotate github"),
    "verify": ("ccd verify manifest.json --result answer.csv",),
}
