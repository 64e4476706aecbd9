"""The pod's program: fetch one party's data, meet the peers, agree, compute, sign, publish.

Must not: trust the workflow's author, the renderer or a peer with anything that the party's own policy has not granted;
write a value of the data, a share or a credential to a log, an error or a message.

Files, in reading order:
- runspec: what one worker must know; one of two files that the renderer may import
- dataspec: what `ccd data` and `ccd output` ask, and the answers; the other file that the renderer may import
- cli: the program `ccd-worker`, before any library is loaded
- loading: how modules are loaded, without a look for garbage among them
- commands: one subcommand a container
- errors: what can end a worker, with its exit code
- failure: what any exception means for the run
- log: JSON lines on stderr
- workdir: the files through which the three containers of a Job speak
- unwanted: modules out of sight that libraries load for nothing; pandas is shown to Spark's client
- meter: what a container has used
- mounts: Secrets, as the Job mounts them
- endpoints: Swift, mounted volumes, and what any store and any dataset's place offers
- names: how the objects of a run are called in a store
- stores: the stores of a run spec, opened once each
- spark: the way to a party's Spark, with what its Secret says
- origins: which endpoint reads which of the party's datasets
- seal: data encrypted with age
- unpack: what came from a store, made the file that is declared
- inplace: a dataset that stays where Spark reads it, looked at there
- columns: how file, policy and party document name a dataset's columns
- intake: one own dataset, from where it lies to a file that is as declared
- compiling: the run's query as a plan
- settlement: whether an attempt may have told its answer, and of which data
- attempts: where that is filed, and found by the next attempt
- ledger: what runs have spent of a dataset's limits
- spending: a run spends what a policy limits
- subject: what an approval is of
- consent: what an owner has reserved to itself, asked before its data is loaded
- unfinished: a run whose writer died before its manifest had its name
- fetch: the first container
- progress: how far a long stage is
- environment: credentials of the owner's own machine
- deposit: a dataset into its owner's Swift
- owner: one request of a data owner
- filed: what a run has filed, brought back
- data_cli: the commands `ccd-worker data` and `ccd-worker filed`
- remains: a run spec that cannot be used, and telling the peers
- engine: what runs the party's local steps, with its datasets
- spark_engine: the same, of a party with a Spark
- compute: the second container
- tls: who may connect
- transport: the barrier
- messages: what workers say to each other
- conversation: rounds of messages, and how to stop together
- exchange: hello, offer, verdict, go
- judge: every policy against the plan
- reported: what peers say of their steps, against the plan
- result: the answer as bytes
- manifest: put together and signed by everyone
- publish: the last container
"""
