"""Relational operators on tables of secrets, for the three compute parties; and how rows come in and answers go out.

Must not: know plans, parties' documents or policies; reveal anything but to the recipients that `reveal` is told, or
branch on anything but public sizes. Every operator's docstring says what it reveals.

In reading order:
- table: a table of secrets: columns, NULLs, rows that may not exist
- input: owners' rows come in as shares
- reveal: an answer goes out to its recipients alone
- filter: rows that stop existing
- sort: rows in order
- seen: keys in the clear at those who may see them
- aggregate: a whole table to one row
- groupby: one row for each group
- guard: different values are counted; groups of too few subjects stop existing
- noise: noise on totals, before anybody sees them
- runs: what the first or last of a run of rows holds
- window: window functions
- match: which row of the right each left row meets
- join: rows of two tables with equal keys: inner, left, semi, anti
- hybrid: joins by keys that somebody may see
- compact: rows that do not exist are dropped, and their number told
- spread: variance and deviation from sums
- quantile: quantiles by group
- watch: what outgrew its word becomes one bit, opened at the end
- words: a column of words, and what is known of each
- arithmetic: sums, products and quotients of words
- choose: one of two words by a secret bit
- rounding: FLOOR, CEIL and ROUND
- evaluate: scalar expressions
- looking: sums that are looked at
- aggregates_of: the aggregates of a query
- apply: an operator of the IR to the protocol that runs it
"""
