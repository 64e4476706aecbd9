"""The subcommands of `ccd`: one file each, with `register(app)`; they print, and leave the work to others.

- validate: what is wrong with the documents
- render: documents to manifests
- plan: what a workflow's workers will do, and what each party learns
- approve: `ccd approve`
- codeowners: who has to approve what
- submit: a workflow as a commit to review, and its end as another
- run: the rendered manifests on this machine
- status: where every party of a run is
- logs: what the containers printed
- output: a finished run's result
- verify: where a manifest comes from, and whether it holds
- try_: a query over local files
- policy: what a policy says to a workflow
- data: an owner's data, stored, and held against what a run would say
- keys: new identities
- party: all that a new owner needs
- demo: all of it with real flights
- dev: the sample federation's Swift
- schema: JSON Schemas of the documents
"""
