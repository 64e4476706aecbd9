"""The policy: a data owner's word on what may become of one dataset. What it does not grant is refused."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from pydantic.alias_generators import to_camel

Capability = Literal[
    "open",
    "join_key",
    "join_payload",
    "group_key",
    "filter",
    "sum",
    "count",
    "count_distinct",
    "mean",
    "variance",
    "min",
    "max",
    "quantile",
    "rank",
]
# Whose answers, held together, may not differ by some of the rows: `policy.across`.
AcrossQueries = Literal["each-recipient", "all-recipients", "unchecked"]
DATASET_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class Model(BaseModel):
    """Frozen, strict about unknown fields, camelCase in YAML and JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


Register = Annotated[str, Field(examples=["citizens"])]


class PolicyColumn(Model):
    """One column of the real file; `subject` marks whom the rows are about, and may name what numbers these people."""

    type: str
    subject: bool | Register = False
    bounds: tuple[float, float] | None = None
    values: Annotated[tuple[bool | int | str, ...], Field(min_length=1, max_length=10_000)] | None = None  # for noise


Granularity = Literal["day", "week", "month", "quarter", "year"]
Listed = Annotated[str, Field(max_length=4096)] | bool | int | float | None  # None: IS NULL


class FilterRule(Model):
    """In which ways a column may decide which rows count: compared with these values, or in these steps. Either will do."""

    values: Annotated[tuple[Listed, ...], Field(min_length=1, max_length=1000)] | None = None
    granularity: Granularity | Annotated[int | float, Field(gt=0)] | None = None


class Grant(Model):
    """What some recipients may learn for some purposes: a set of capabilities for each column."""

    to: Annotated[tuple[str, ...], Field(min_length=1)]  # recipients; "*" must be written out
    purposes: Annotated[tuple[str, ...], Field(min_length=1)]
    columns: dict[str, tuple[Capability, ...]]
    expressions: bool = False  # whether an aggregate may be over an expression instead of a plain column
    filters: dict[str, FilterRule] = {}  # of columns with `filter`: in which ways; left out: in any

    @model_serializer(mode="wrap")
    def _without_no_filters(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out rules where there are none: a policy of before there were any keeps its signature."""
        return {name: value for name, value in dump(self).items() if name != "filters" or value}


class Minimum(Model):
    """The fewest distinct subjects behind anything released."""

    subjects: Annotated[int, Field(ge=1)]
    otherwise: Literal["suppress", "reject"] = "suppress"
    queries: Literal["any", "plain"] = "any"  # plain: see `policy.plain`

    @model_serializer(mode="wrap")
    def _without_any(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is not asked: a policy of before there was such a clause keeps its signature."""
        return {name: value for name, value in dump(self).items() if (name, value) != ("queries", "any")}


class Padding(Model):
    """What of its number of rows the owner shows to the compute parties."""

    rows: Annotated[int, Field(ge=1, le=1_000_000)]  # a multiple of this, at least one


class Compute(Model):
    """Where and how the data may be computed on. None means: not restricted."""

    protocols: tuple[str, ...] | None = None
    parties: tuple[str, ...] | None = None
    cleartext_to: dict[str, tuple[str, ...]] = {}
    sizes_to: tuple[str, ...] = ()  # who may count the rows that are left of it on the way, "*" for all of a run

    @model_serializer(mode="wrap")
    def _without_no_sizes(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what nobody is allowed: a policy of before there was such a clause keeps its signature."""
        return {name: value for name, value in dump(self).items() if name not in ("sizesTo", "sizes_to") or value}


class Limits(Model):
    """How often and until when, over all runs: `policy.limits`."""

    runs: Annotated[int, Field(ge=1)] | None = None
    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None  # of all runs' noise together
    per: str | None = None  # None: ever
    until: str | None = None
    container: Annotated[str, Field(pattern=r"^[^/]{1,256}$")] | None = None  # of what was spent; None: the data's own


class Noise(Model):
    """Differential privacy on the released aggregates: what one run may tell of one subject, or of one row."""

    epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    unit: Literal["subject", "row"] = "subject"
    rows: Annotated[int, Field(ge=1, le=1_000_000)] | None = None  # of a subject that are read at most
    mechanism: Literal["laplace"] = "laplace"  # discrete, of each compute party at full scale


class PolicyMetadata(Model):
    """Which dataset, and which version of the owner's word on it."""

    dataset: Annotated[str, Field(pattern=DATASET_NAME, description="party/dataset", examples=["alpha/visits"])]
    version: Annotated[int, Field(ge=1)]


class PolicySpec(Model):
    """The owner's word."""

    columns: dict[str, PolicyColumn]  # exactly the file's header, in order
    grants: tuple[Grant, ...] = ()
    minimum: Minimum | None = None
    padding: Padding | None = None
    compute: Compute = Compute()
    approval: Literal["rules", "explicit"] = "rules"
    limits: Limits | None = None
    noise: Noise | None = None
    across_queries: AcrossQueries = "each-recipient"

    @model_serializer(mode="wrap")
    def _without_the_usual(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what is as it always was: a policy of before there was such a clause keeps its signature."""
        usual = {"acrossQueries": "each-recipient", "across_queries": "each-recipient"}
        return {name: value for name, value in dump(self).items() if usual.get(name) != value}


class Policy(Model):
    """The document."""

    api_version: Literal["ccd.dev/v1alpha1"]
    kind: Literal["Policy"]
    metadata: PolicyMetadata
    spec: PolicySpec
