import io
import json

from rich.console import Console

from renderer.local.observe import ContainerEnded, ContainerLine, ContainerStarted, JobEnded, PodWaits
from renderer.local.progress import Progress

WHO = ("hospital-a", "run-alpha", 1, "compute")


def shown(*events, terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Progress(console, {"run-alpha": "alpha"}) as progress:
        for event in events:
            progress(event)
    return console.file.getvalue()


def line(**event: object) -> ContainerLine:
    return ContainerLine(*WHO, json.dumps(event))


def test_what_matters_is_a_line_each_where_there_is_no_terminal():
    text = shown(
        ContainerStarted(*WHO, 1),
        line(event="heard", message="hello"),
        ContainerLine(*WHO, "not an event"),
        line(event="step", name="s1", kind="share", is_done=False),
        line(event="step", name="s1", kind="share", is_done=True),
        line(event="step", name="s1", kind="share", is_done=True),
        line(event="failed", what="bravo did not come"),
        ContainerEnded(*WHO, 40, ""),
        PodWaits("hospital-a", "run-alpha", 2, 0.5),
        JobEnded("hospital-a", "run-alpha", False, 40, "BackoffLimitExceeded"),
    )
    assert [entry.split("alpha")[1].strip() for entry in text.splitlines()] == [
        "compute",
        "did s1: share",
        "failed: bravo did not come",
        "compute ended with 40",
        "attempt 2 in 0.5 s",
        "failed with 40 BackoffLimitExceeded",
    ]


def test_a_terminal_shows_where_each_party_is():
    text = shown(ContainerStarted(*WHO, 1), line(event="step", name="m3", kind="mpc", is_done=False), terminal=True)
    assert "alpha" in text
    assert "m3: mpc" in text


def test_how_many_rows_are_put_in_is_kept_and_takes_no_line():
    with Progress(Console(file=io.StringIO()), {"run-alpha": "alpha"}) as progress:
        progress(line(event="put into MPC", step="s1", rows=16))
        progress(line(event="put into MPC", step="s2", rows="many"))
    assert progress.put_in == {"s1": 16}
    assert progress.console.file.getvalue() == ""
