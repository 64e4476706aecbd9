"""A party's work on its own data, in the clear on its own machine: SQL by DuckDB or Spark, and the way to words.

It must not talk to anybody, know of policies, or let a value of the data into an error.

- errors: what can go wrong, said without a value
- sqlexpr: a scalar expression as SQL
- sqlguard: minimum subjects, bounds and few rows of a subject as SQL
- sqltext: a relational query as one SELECT, as the plan shows it
- engine: what runs local steps, of whichever make
- format: how a file is written down
- reading: a file as a stream, and somebody watching how far it is
- source: a file as DuckDB reads it, and which values break the declaration
- parquet: how a Parquet file is written
- duckdb: the sealed engine that holds the party's tables and runs the SQL
- compression: what a stored file really is, and unpacked
- header: the names that a file gives its columns
- witness: a text read a second time by a reader of another make
- declared: the words in which a value is not as declared
- check: a data file held against its declaration
- sparkserver: what a Spark Connect server is asked for, and where it is
- sparksession: a session of one, by Spark's own client
- sparksql: DuckDB's SQL as Spark's
- sparkwords: functions that both have under one name and mean differently
- sparksource: a dataset as Spark reads it, in place
- sparkcheck: such a dataset held against its declaration, and a digest of its rows
- spark: the engine whose local steps run on Spark
- strings: strings as padded bytes and words
- encode: whole tables as words for MPC, and back
"""
