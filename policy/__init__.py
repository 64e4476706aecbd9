"""The policy language and its verifier: a compiled plan and the owners' policies in, a verdict with reasons out.

Must not: read files, talk to anybody, look at data or at the clock. Equal inputs give byte-identical verdicts.

Files, in reading order:
- canonical: one JSON spelling for each value, and its digest
- signature: Ed25519 signatures bound to a purpose
- identity: a party's key and self-signed certificate
"""
