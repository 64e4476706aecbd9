"""A party's work on its own data, in the clear on its own machine: SQL by DuckDB, and the way to words.

It must not talk to anybody, know of policies, or let a value of the data into an error.

- errors: what can go wrong, said without a value
- sqlexpr: a scalar expression as SQL
- sqlguard: minimum subjects, bounds and few rows of a subject as SQL
- sqltext: a relational query as one SELECT, as the plan shows it
- format: how a file is written down
- reading: a file as a stream, and somebody watching how far it is
- source: a file as DuckDB reads it, and which values break the declaration
- duckdb: the sealed engine that holds the party's tables and runs the SQL
- compression: what a stored file really is, and unpacked
- header: the names that a file gives its columns
- witness: a text read a second time by a reader of another make
- check: a data file held against its declaration
- strings: strings as padded bytes and words
- encode: whole tables as words for MPC, and back
"""
