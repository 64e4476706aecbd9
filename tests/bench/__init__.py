"""Speed. The MPC engine's: three real processes on loopback, one command, every run checked against numpy. And a fetch's.

`python -m tests.bench --help` says how to use it. Not part of the timed tests, but for one small smoke test.

In reading order:
- workloads: what is measured: the shares of one party, the work, and what must come out
- party: one of the three processes
- least: what one of them would send at least
- link: links with a delay
- run: starts them, with or without TLS, with or without such links, and checks and adds up what they report
- peers: other engines, each in an environment of its own
- mpyc_peer: the same work in MPyC, run by its environment's own Python
- spu_run: one operation in SPU, on our inputs, and checked
- spu_peer: the same work in SPU, run by its environment's own Python
- questions: the worked examples' data, of any number of rows
- pooled: what a database would say that held everybody's rows
- plain: DuckDB over them, in a process of its own
- scale: whole runs of the worked examples, beside that
- stamped: a worker, its log stamped with time and processor time
- start: workers to their first MPC round
- endpoint: fetching from a real Swift, beside curl
- __main__: the command
- render: `python -m tests.bench.render`: many workflows, rendered and validated
- compile: `python -m tests.bench.compile`: TPC-H's queries, compiled
- judge: `python -m tests.bench.judge`: their plans, held against all owners' policies
- rounds: `python -m tests.bench.rounds`: how many rounds the shipped and worked workflows and TPC-H take
- test_smoke: that it works at all
"""
