"""The policy language and its verifier: a plan and the owners' policies in, a verdict with reasons out.

Must not: read files, talk to anybody, look at data or the clock. Equal inputs give byte-identical verdicts.

Files, in reading order:
- canonical: one JSON spelling for each value, and its digest
- signature: Ed25519 signatures bound to a purpose
- identity: a party's key and self-signed certificate
- problem: what is wrong with a document, and where
- yaml: the YAML that documents are written in, with the place of every node
- secrets: credentials that have no place in a document
- load: a YAML document as a pydantic model
- document: the policy's model
- comparisons: how a column may decide which rows count
- protections: what of a policy the compiler builds into a plan
- parse: a policy's text, with the checks that its schema cannot say
- limits: how often and until when, over all runs
- approval: an owner's signed approval of one run
- uses: the forms in which a source column gets on its way to an answer
- rules: which of the owners' rules a use obeys
- mean: the mean in a sum by a count, and the variance
- aggregates: what each aggregate function makes of a column
- personal: what stands for single rows or persons
- windows: what window functions tell
- flow: from the scans' columns to the answer's, through every operator
- release: what a use needs, and whether the grants give it
- clauses: the clauses that are about the run as a whole
- steps: the plan's steps against the query's flow
- weights: expressions by which some rows count for more than others
- lineage: what rows and columns are made of, as text
- domain: what conditions leave of rows
- made: what a column is computed by, part by part of a UNION ALL
- present: which columns have a value in all rows
- shaping: which rows and columns an author can make count for more than others
- minimum: whether what is told is of enough subjects
- differencing: whether the difference of what is told is
- selections: whether aggregates of the same groups are of the same rows
- noise: whether what is told has enough noise
- rows: which rows an aggregate is of
- terms: what a sum is a sum of
- told: an aggregate of an answer, or the rows that it lists
- relations: what the columns of a relation are in terms of the datasets' own
- releases: the aggregates that an answer is made of
- nested: whether one answer's groups tell what another does
- across: whether the difference of two answers is
- faithful: the plan's steps against the query that is judged
- keys: who may see which keys in the clear
- sizes: who may count the rows that are left on the way
- picked_sizes: whether a query picks what decides how many rows are put into MPC under a minimum
- ranges: whether looking at how large numbers are tells of enough subjects
- local_sizes: whether what is computed in clear could fail on a row that an author has picked
- verdict: what the verifier says
- verify: all of it together
- permissions: what an owner could grant, one thing at a time
- ways: in which ways a query compares
- suggest: the least that would have to be granted
- explain: a verdict in words
- resources: what a party's Job has used, signed by that party alone
- manifest: what ran, who agreed, what was learned; signed by every party
"""
