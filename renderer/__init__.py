"""Turns the documents that parties commit into the manifests that Argo CD applies; the `ccd` command.

Must not hold a credential, reach a network or decide anything that a worker would have to believe: workers
check everything again for themselves.
"""
