"""Conclave: a query over several owners' tables, compiled to local SQL and MPC steps, and run by all of them.

Must not: know of policies, documents, stores or Kubernetes; write a value from the data to a log or an error.

In reading order:
- ir: relations and expressions as frozen trees
- sql: SQL text to the IR
- passes: rewrites of the IR, one file each
- plan: steps, and what each party learns from them
- choose: which of several plans is run, by what they are estimated to cost
- compile: all of the above in a row
- local: steps in the clear, on DuckDB
- mpc: secret sharing between three parties
- operators: relational operators on shared tables
- cheetah: a plan run by two parties alone, in SPU's Cheetah
- carry: an owner's typed tables as plain columns for sharing and opening, and back
- limits: how large an owner's numbers may be, so that words do not overflow
- held: an owner's numbers, held to that before they are shared
- within: an owner's values, held to its own bounds there too
- reach: how far they reach under a minimum or noise, whichever rows a query picks
- whole: whole columns, held to fixed limits there
- filled: how many rows an owner shares at least, where policies hide what conditions leave
- ranges: where numbers are looked at under MPC, because they could outgrow their words
- mpc_steps: the MPC steps of a plan, side by side where they can be
- execute: one party's walk through the steps of a plan
- twin: the whole plan in the clear, by one alone
- estimate: what the steps of a plan will cost
- forecast: what they will cost with many rows
"""
