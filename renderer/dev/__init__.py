"""For trying things out on one machine: a real Swift on loopback and a sample federation with real flights.

Must not be needed by anything that a cluster runs: workers, rendering and policies know nothing of it.

- ports: ports for servers that are started later
- swift_users: accounts and users of the local Swift, in a file of mode 0600
- swift_plugins: what Swift's configuration names: its cache in memory, its log on stderr
- swift_server: all of Swift in one process; a program of its own
- swift: starting and stopping that program
- state: where a federation's Swift runs, and the Secrets that lead to it
- session: making sure that it runs while it is needed
- git: a repository untouched by the user's configuration
- federation: the sample federation's documents, keys and commits
- flights: the sample data
- upload: what its stewards put into their stores
- demo: all of that, in order
"""
