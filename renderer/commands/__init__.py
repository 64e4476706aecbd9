"""The subcommands of `ccd`: one file each, with `register(app)`; they print, and leave the work to others.

- validate: what is wrong with the documents
- render: documents to manifests
- schema: JSON Schemas of the documents
"""
