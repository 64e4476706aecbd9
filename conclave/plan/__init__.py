"""Plans: what every worker runs, step by step, and what each party learns from it. Values only, no I/O.

Must not: parse SQL, run anything, know of policies.

In reading order:
- steps: the steps and disclosures a plan is made of
- support: which operators MPC can run, and what a query author could write instead
- unique: which columns tell rows apart
- bounded: in how many rows a key comes at most
- sizes: what decides how many rows an owner puts into MPC
- ranges: within which numbers a column's values lie
- sensitivity: how much one subject can move what is computed
- cleartext: which keys who may see
- compaction: where rows that do not exist are dropped
- disclose: what the steps disclose
- derived: columns of an answer that follow from others
- push_up: what recipients do with the opened answer by themselves
- facts: what is known of a step's rows, and which sorts that spares
- runs: what owners order before they share it, for MPC to merge
- lower: the optimised query to steps
- wire: canonical JSON and the digest that workers compare
- show: the plan as text for people
- graph: the plan as boxes in lanes
"""
