"""How the steps of a workflow hang together. What their columns are, the compiler says."""

from collections.abc import Collection, Iterator

from policy.problem import Path, Problem
from renderer.documents import Document
from renderer.steps import Collect, Create, Filter, Limit, SortBy, Step, read_by
from renderer.workflow import Workflow

STEPS: Path = ("spec", "steps")


def check_steps(workflow: Document[Workflow]) -> Iterator[Problem]:
    """Yield what is wrong with `spec.steps`, and with having both or neither of it and `spec.query`."""
    spec = workflow.model.spec
    if (spec.query is None) == (spec.steps is None):
        what = "stands beside spec.steps" if spec.query is not None else "is missing, and so is spec.steps"
        yield workflow.problem(("spec", "query"), what, "say the computation once, as SQL or as steps")
        return
    named: dict[str, Step] = {}
    for index, step in enumerate(spec.steps or ()):
        for path, what, fix in _problems(step, named, spec.tables.keys()):
            yield workflow.problem((*STEPS, index, *path), what, fix)
        is_last = index == len(spec.steps or ()) - 1
        if isinstance(step, Collect) != is_last:
            what = "is not the last step" if isinstance(step, Collect) else "is the last step, and collects nothing"
            yield workflow.problem((*STEPS, index, "op"), what, "end with one step `op: collect`")
        if not isinstance(step, Collect):
            named.setdefault(step.name.lower(), step)


def _problems(step: Step, named: dict[str, Step], tables: Collection[str]) -> Iterator[tuple[Path, str, str | None]]:
    known = {table.lower() for table in tables}
    if isinstance(step, Create):
        table = step.table or step.name
        if table.lower() not in known:
            yield ("table" if step.table else "name",), f"there is no table {table}", _list("tables", sorted(known))
    if not isinstance(step, Collect):
        is_table = step.name.lower() in known and not (isinstance(step, Create) and step.table in (None, step.name))
        if step.name.lower() in named or is_table:
            whose = "a step before it" if step.name.lower() in named else "a table"
            yield ("name",), f"is also the name of {whose}", "give the step a name of its own"
    for path, name in read_by(step).items():
        source = named.get(name.lower())
        if source is None:
            yield path, f"there is no step {name} before this one", _list("steps before it", list(named))
        elif isinstance(source, SortBy | Limit) and not _keeps_order(step, source):
            what = (
                f"rows have no order but at the end, and {name} is {'cut' if isinstance(source, Limit) else 'sorted'}"
            )
            yield path, what, "sort, then limit, then collect; to keep each row's place use `op: index`"
    if isinstance(step, Filter) and (step.value is None) == (step.other is None):
        yield ("value",), "is missing, or stands beside `other`", "compare with a value or with another column"
    if isinstance(step, SortBy) and (strange := sorted(set(step.descending) - set(step.columns))):
        yield ("descending",), f"names {strange[0]}, which is not among `columns`", "list it there, too"


def _keeps_order(step: Step, source: Step) -> bool:
    return isinstance(step, Collect) or (isinstance(step, Limit) and isinstance(source, SortBy))


def _list(what: str, names: list[str]) -> str:
    return f"the {what} are: {', '.join(names) or 'none'}"
