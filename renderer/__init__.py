"""Turns the documents that parties commit into the manifests that Argo CD applies; the `ccd` command.

Must not hold a credential, reach a network or decide anything that a worker would have to believe: workers
check everything again for themselves. (`renderer.dev` and `renderer.local` run things on one machine instead.)

Documents:
- fields: the kinds of text that documents are made of
- workflow: what some parties ask to compute together
- party: public facts about one organisation
- federation: what the parties share
- documents: a federation's directory, read
- query: the query, compiled; its problems at their line
- check: how documents fit together
- lint: yamllint's rules
- validation: everything that `ccd validate` looks at
- schema: JSON Schemas

Manifests:
- names: what objects and files are called
- spec: from documents to run specs
- render: filling a template
- run_object: what every object of a run has in common
- serviceaccount: the account a worker runs as
- configmap: the run spec
- service: the name peers find a worker under
- networkpolicy: what a worker may reach
- job: fetch, compute, publish, each with the least Secrets
- appproject: Argo CD's fence around a party
- applicationset: Argo CD's Application for each directory
- validate: Kubernetes' rules without a cluster
- layout: which files the documents become
- tree: the committed tree beside that

Commands:
- settings: the options of all commands
- errors: every error becomes text here
- plan: the plan of a committed workflow
- trial: a query over local files, with simulated parties
- answer: results as tables and rows
- local: the rendered manifests, executed on this machine
- dev: a local Swift and the sample federation
- commands: one file each
- cli: `ccd`
"""
