import pytest
from pydantic import field_validator

from policy.document import Model, Policy
from policy.load import load_document, load_with_lines
from policy.parse import parse_policy
from policy.problem import DocumentError, RuleBroken

POLICY = """apiVersion: ccd.dev/v1alpha1
kind: Policy
metadata: {dataset: jfk/flights, version: 3}
spec:
  columns:
    carrier: {type: varchar}
    delay: {type: integer, bounds: [-120, 1440]}
  grants:
    - to: [regulator]
      purposes: [competition-review]
      columns:
        delay: [sum, mean]
  compute:
    parties: [jfk, lga, ewr]
"""


def problems(text, read=lambda text: load_document(text, "p.yaml", Policy)):
    with pytest.raises(DocumentError) as caught:
        read(text)
    return [(p.line, p.field, p.what, p.fix) for p in caught.value.problems]


def test_a_document_reads_into_its_model_and_tells_where_everything_stands():
    policy, lines = load_with_lines(POLICY, "p.yaml", Policy)
    assert policy.spec.grants[0].columns == {"delay": ("sum", "mean")}
    problem = lines.problem(("spec", "grants", 0, "columns", "delay"), "is odd", "make it even")
    assert str(problem) == "p.yaml:12:9: spec.grants[0].columns.delay: is odd\n  fix: make it even"
    assert lines.at(("spec", "grants", 0, "columns", "not-there", 3)).line == 11


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "what"),
    [
        ("      purposes: [competition-review]\n", "", 9, "spec.grants[0].purposes", "is missing"),
        ("version: 3", "version: '3'", 3, "metadata.version", "must be a whole number"),
        ("version: 3", "version: true", 3, "metadata.version", "must be a whole number"),
        ("to: [regulator]", "to: []", 9, "spec.grants[0].to", "must have at least 1 in it"),
        ("type: integer", "type: 3", 7, "spec.columns.delay.type", "must be text"),
        ("[sum, mean]", "sum", 12, "spec.grants[0].columns.delay", "must be a list"),
        ("jfk/flights", "JFK", 3, "metadata.dataset", "must match the pattern"),
        ("kind: Policy", "kind: Plicy", 2, "kind", "must be 'Policy'"),
    ],
)
def test_every_error_names_the_line_and_the_field(old, new, line, field, what):
    found = problems(POLICY.replace(old, new))
    assert [(line, field)] == [problem[:2] for problem in found]
    assert found[0][2].startswith(what)


def test_a_star_without_quotes_is_told_from_an_alias():
    (found,) = problems(POLICY.replace("to: [regulator]", "to: [*]"))
    assert (found[0], found[3]) == (9, 'put * in quotes: "*"')


def test_an_empty_list_and_a_list_of_refused_items_are_told_apart():
    assert problems(POLICY.replace("to: [regulator]", "to: []")) == [
        (9, "spec.grants[0].to", "must have at least 1 in it", "name one or more")
    ]
    assert [field for _, field, *_ in problems(POLICY.replace("to: [regulator]", "to: [3]"))] == [
        "spec.grants[0].to[0]"
    ]


def test_a_field_that_may_be_several_things_is_refused_once():
    rule = "      filters: {delay: {granularity: fortnight}}\n      columns:\n"
    (found,) = problems(POLICY.replace("      columns:\n", rule))
    what = "must be one of 'day', 'week', 'month', 'quarter' or 'year', or a number"
    assert found == (11, "spec.grants[0].filters.delay.granularity", what, None)


def test_an_unknown_field_stands_at_its_key_and_gets_a_suggestion():
    assert problems(POLICY.replace("parties:", "partys:")) == [
        (14, "spec.compute.partys", "there is no such field here", "did you mean parties?")
    ]
    assert problems(POLICY.replace("type: varchar", "type: varchar, qqq: 1"))[0][3] == (
        "the fields here are bounds, subject, type, values"
    )


def test_a_mistyped_word_gets_a_suggestion():
    assert problems(POLICY.replace("mean", "maen"))[0][3] == "did you mean mean?"


def test_python_spellings_of_fields_are_unknown():
    assert problems(POLICY.replace("parties:", "cleartext_to: {}\n    parties:"))[0][1] == "spec.compute.cleartext_to"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: &x 1\nb: *x", "anchors and aliases"),
        ("a: !!python/object/apply:os.system [x]", "tags are not taken"),
        ("a: 1\na: 2", "written twice, first on line 1"),
        ("%YAML 1.1\n---\na: yes", "directives are not taken"),
        ("a: 1\n---\nb: 2", "a second document"),
        ("", "empty"),
        ("# nothing", "empty"),
        ("a: [1", "this is not YAML"),
        ("<<: {a: 1}", "not text"),
        ("1: 2", "not text"),
        ("a: .nan", "infinity and NaN"),
        ("a: 1e999", "infinity and NaN"),
        ("a: 1234567890123456", "at most 15 digits"),
        ("[" * 100, "nested deeper"),
        ("a: " + "x" * 200_000, "characters"),
        ("a: \x01", "not YAML"),
    ],
)
def test_yaml_that_two_readers_could_read_differently_is_refused(text, what):
    assert what in problems(text)[0][2]


def test_yes_and_dates_and_times_stay_text():
    class Answer(Model):
        a: str
        b: str
        c: str

    assert load_document("a: yes\nb: 2027-06-30\nc: 12:30\n", "f", Answer) == Answer(a="yes", b="2027-06-30", c="12:30")


SECRETS = [
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "AGE-SECRET-KEY-1QQPQQ",
    "https://swift:hunter2@store/v1",
    "https://sometoken1234@forge/x.git",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
    "gAAAAABm" + "x" * 60,
]


@pytest.mark.parametrize("kind", ["decimal({},2)", "decimal(9,{})", "varchar({})"])
def test_a_type_of_endless_digits_is_refused_and_not_read_as_a_number(kind):
    text = POLICY.replace("{type: varchar}", f"{{type: '{kind.format('9' * 5000)}'}}")
    ((_, field, what, _),) = problems(text, lambda text: parse_policy(text, "p.yaml"))
    assert (field, what[:14]) == ("spec.columns.carrier.type", "unknown type '")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("text", ["kind: '{}'", "# {}\nkind: x", "'{}': x", "spec:\n- |\n  {}\n"])
def test_a_credential_anywhere_is_refused_and_never_repeated(secret, text):
    with pytest.raises(DocumentError) as caught:
        load_document(text.format(secret), "p.yaml", Policy)
    assert "seems to hold" in str(caught.value)
    assert secret[:20] not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("kind: x\npassword: hunter2", 2),
        ("a: {osPassword: hunter2}", 1),
        ("secret_key: hunter2", 1),
        ("a:\n  - apiToken: hunter2", 2),
        ("env:\n  - name: ST_KEY\n    value: hunter2", 3),
        ('a: "-----BEGIN\\x20PRIVATE KEY-----hunter2"', 1),
    ],
)
def test_a_field_named_like_a_credential_is_refused_without_its_value(text, line):
    found = problems(text)
    assert found[0][0] == line
    assert "hunter2" not in str(found)


def test_names_of_secrets_and_columns_called_token_are_no_credentials():
    text = POLICY.replace("carrier: {type: varchar}", "token: {type: varchar}").replace("delay: [sum", "token: [sum")
    assert "token" in load_document(text, "p.yaml", Policy).spec.columns


class Port(Model):
    port: int
    name: str = ""

    @field_validator("port")
    @classmethod
    def check_port(cls, value):
        if value == 1:
            raise ValueError(f"secret {value}")
        if value == 2:
            raise RuleBroken("is taken", "choose 3")
        return value


def test_only_a_rules_own_words_are_shown():
    def read(text):
        return load_document(text, "f", Port)

    assert problems("port: 1", read) == [(1, "port", "breaks a rule of this field", None)]
    assert problems("port: 2", read) == [(1, "port", "is taken", "choose 3")]
    assert "hunter2" not in str(problems("port: hunter2\nname: [hunter2]\n", read))


@pytest.mark.parametrize(
    ("old", "new", "line", "field"),
    [
        ("type: integer", "type: intege", 7, "spec.columns.delay.type"),
        ("[-120, 1440]", "[10, 1]", 7, "spec.columns.delay.bounds"),
        ("{type: varchar}", "{type: varchar, bounds: [0, 1]}", 6, "spec.columns.carrier.bounds"),
        ("{type: varchar}", "{type: varchar, subject: no}", 6, "spec.columns.carrier.subject"),
        ("{type: varchar}", "{type: varchar, subject: Citizens}", 6, "spec.columns.carrier.subject"),
        ("{type: varchar}", "{type: date, bounds: [0, 1]}", 6, "spec.columns.carrier.bounds"),
        ("{type: varchar}", "{type: boolean, bounds: [0, 1]}", 6, "spec.columns.carrier.bounds"),
        ("[-120, 1440]", "['2020-01-01', 5]", 7, "spec.columns.delay.bounds[0]"),
        ("delay: [sum, mean]", "delya: [sum, mean]", 12, "spec.grants[0].columns.delya"),
        ("[sum, mean]", "[sum, mean, sum]", 12, "spec.grants[0].columns.delay[2]"),
        ("[sum, mean]", "[]", 12, "spec.grants[0].columns.delay"),
        ("[regulator]", "[Regulator]", 9, "spec.grants[0].to[0]"),
        ("parties: [jfk, lga, ewr]", "cleartextTo: {dely: [jfk]}", 14, "spec.compute.cleartextTo.dely"),
        ("parties: [jfk, lga, ewr]", "sizesTo: [jfk, Lga]", 14, "spec.compute.sizesTo[1]"),
        ("  compute:", "  minimum: {subjects: 10}\n  compute:", 13, "spec.minimum"),
        ("  compute:", "  limits: {until: soon}\n  compute:", 13, "spec.limits.until"),
        ("  compute:", "  limits: {per: month}\n  compute:", 13, "spec.limits.per"),
    ],
)
def test_a_policys_own_rules(old, new, line, field):
    found = problems(POLICY.replace(old, new), lambda text: parse_policy(text, "p.yaml"))
    assert [(line, field)] == [problem[:2] for problem in found]


def test_a_sound_policy_parses():
    limits = "  limits: {runs: 12, per: P30D, until: 2027-06-30}\n  compute:"
    assert parse_policy(POLICY.replace("  compute:", limits), "p.yaml").spec.limits.per == "P30D"
