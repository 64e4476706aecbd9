"""Turns the documents that parties commit into the manifests that Argo CD applies; the `ccd` command.

Must not hold a credential, reach a network or decide anything that a worker would have to believe: workers
check everything again for themselves. (`renderer.dev` and `renderer.local` run things on one machine instead.)

Documents:
- fields: the kinds of text that documents are made of
- steps: the operators that a workflow may list in SQL's place
- steps_sql: the SQL that they mean
- workflow: what some parties ask to compute together
- dataset: where a dataset lies, and what its rows look like
- dns: where a cluster's name servers are
- party: public facts about one organisation
- federation: what the parties share
- approvals: owners' approvals of runs, as they lie in the repository
- quick_yaml: the documents' YAML, by a reader in C
- documents: a federation's directory, read
- git: a federation's history, and commits to it
- query: the query, compiled; its problems at their line
- reach: whether a party's egress leads to its datasets
- check_cleartext: which keys and sizes a workflow shows, and how often it says that keys come
- check_steps: how the steps of a workflow hang together
- check_dataset: what a party says of one dataset, held together
- check: how documents fit together
- published: copies of policies, for their verdict in a pull request
- suggesting: what each owner would have to grant, as it would write it
- lint: yamllint's rules
- validation: everything that `ccd validate` looks at
- schema: JSON Schemas

Manifests:
- names: what objects and files are called
- spec: from documents to run specs
- kept_templates: compiled templates, kept for the next time
- render: filling a template
- casts: texts of runs that are alike, filled in without one
- pretty: JSON as people read it
- run_object: what every object of a run has in common
- serviceaccount: the account a worker runs as
- configmap: the run spec
- service: the name peers find a worker under
- networkpolicy: what a worker may reach
- job: fetch, compute, publish, each with the least Secrets
- appproject: Argo CD's fence around a party
- argo_rights: what Argo CD may do at the API server
- namespace: where a party's workers run, and with which privileges: none
- admission: what the API server itself refuses in a party's namespace
- grant: what an owner allows there
- applicationset: Argo CD's Application for each run of a party
- shape: what texts of one template have in common
- kubernetes_schema: Kubernetes' published schemas
- object_rules: Kubernetes' rules that its schemas do not know
- validate: both, held against a rendered object
- layout: which files the documents become
- tree: the committed tree beside that
- merged: what has been merged, and stays
- made_of: what a run is made of beside its question, to be compared
- past: every run that was ever merged
- codeowners: whose approval the forge asks for

Commands:
- settings: the options of all commands
- printable: text of others, shown and not acted on
- counted: one thing, or several
- errors: every error becomes text here
- progress: how far a command is
- spread: much work of the same kind, over all processors
- short_lived: commands that make much and end
- lazy: commands that are imported when they are run
- examples: how each command is called, for its help
- complete: names that a shell offers
- approving: an approval made and looked at
- approval_run: `ccd approve` without its printing
- annotate: problems as the forges' annotations
- plan: the plan of a committed workflow
- taken: what steps were estimated to cost, beside what they took
- plan_svg: a plan's graph as a picture
- told: what an answer tells of whose columns, in words
- review: what a pull request asks for, beside what was asked before
- markdown: text of others in a forge's Markdown
- policy_change: what a changed policy would change
- policy_change_text: that in words
- review_text: all of it in words
- joining: all that a new party needs
- across: workflows held against what was merged before
- across_text: what was found, in words
- submission: a change as a commit on a branch of its own
- committed: a run's files in a commit
- approved: the approvals that a manifest names
- history: a manifest held against Git
- ask: a worker, asked as a process of its own
- owner: an owner's data, put and checked by a worker's process
- read_off: types and keys of local files
- trial: a query over local files, with simulated parties
- trial_workflow: a committed workflow in its place
- answer: results as tables and rows
- local: the rendered manifests, executed on this machine
- cluster: what becomes of runs, in a Kubernetes cluster or in the local one
- dev: a local Swift and the sample federation
- commands: one file each
- cli: `ccd`
"""
