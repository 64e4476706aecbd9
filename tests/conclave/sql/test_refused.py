import pytest

from conclave.ir.errors import QueryProblem, UnsupportedQuery
from conclave.sql.bind import bind
from tests.conclave.golden import assert_golden
from tests.conclave.sql.federation import FIXTURES, RECIPIENTS, TABLES, queries


def test_what_is_not_supported_is_refused_with_its_place_and_what_to_do():
    said = []
    for query in queries(FIXTURES / "sql" / "refused.sql"):
        with pytest.raises(QueryProblem) as refusal:
            bind(query.sql, TABLES, RECIPIENTS)
        problem = refusal.value
        assert problem.at is not None, query.title
        assert problem.fix is not None or not isinstance(problem, UnsupportedQuery), query.title
        lines = [f"-- {query.title}", query.sql, f"{type(problem).__name__}: {problem.what}"]
        lines += [f"  at:  {problem.at}"] if problem.at else []
        lines += [f"  fix: {problem.fix}"] if problem.fix else []
        said.append("\n".join(lines))
    assert_golden(FIXTURES / "sql" / "refused.txt", "\n\n".join(said) + "\n")
