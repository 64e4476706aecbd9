"""A party's work on its own data, in the clear on its own machine: SQL by DuckDB, and the way to words.

It must not talk to anybody, know of policies, or let a value of the data into an error.

- sqlexpr: a scalar expression as SQL
- sqltext: a relational query as one SELECT, as the plan shows it
"""
