"""Where data, policies and results lie. An endpoint streams bytes and puts objects once; it knows no run and no policy.

An endpoint never shows a credential, a token, or a library's error text, which may hold either.

- store: what is written to, and looked into
- origin: where one dataset lies
- swift: OpenStack Swift, version 1 authentication, through python-swiftclient
- swift_origin: a dataset in Swift
- files: a dataset on a mounted volume
"""
