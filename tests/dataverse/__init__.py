"""A stand-in for a Dataverse installation, after the public documentation of its API (guides.dataverse.org, 6.x).

What its answers look like, who may see what, and what a download is, are as documented; `tests/contract` runs the same
tests against it and against a real installation, so that the two can be told apart if they differ.

- model: datasets, versions, files, users and their rights
- server: the API over HTTP, with faults to order, and a second site to which downloads may be redirected
- steward: whoever makes datasets, through the same API
- bench: an installation, its steward, and origins that read from it
"""
