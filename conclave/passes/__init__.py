"""Rewrites that give the owners all they can do alone, so that MPC gets only what is left.

A pass takes a tree and returns one with the same rows and the same answer's columns; it is idempotent and reads no
data. Passes know who owns a scan and nothing of policies. Each is safe by itself; `optimise` puts them in order, after
the three that build in what owners ask for, which change the answer and come first. One more is for the steps alone:
policies judge the query before it.

- optimise: all passes, in their order, until nothing changes
- guard_groups: groups of too few subjects are suppressed, as owners ask
- clamp_scans: values are kept within bounds, as owners ask
- add_noise: totals get noise, as owners ask
- expand_avg: an average is a sum by a count
- expand_variance: a variance is made of a count, a sum and a sum of squares
- expand_distinct: values that count once are grouped first
- merge_projects: two projections in a row are one
- push_filter_down: rows are dropped as early as can be
- order_joins: small tables are joined first, and what one owner holds before all
- push_calls_down: functions that only owners have are computed before rows are grouped
- push_project_down: expressions are computed as early as can be
- group_parts_by_owner: what one party holds stands together
- split_aggregate: parties aggregate their own rows first
- push_limit_down: parties order and cut their own rows first
- prune_columns: columns that nobody reads are never read
- aggregate_before_join: where keys repeat on both sides, one side is aggregated before the join
"""
