"""Where data, policies and results lie. An endpoint streams bytes and puts objects once; it knows no run and no policy.

An endpoint never shows a credential, a token, a URL's signature, or a library's error text, which may hold any of them.

- store: what is written to, and looked into
- origin: where one dataset lies
- patience: how long a store may take, and how often it is asked again
- disk: a file that comes in, and a disk that cannot take it
- small: a body that has to be small
- digests: digesting and writing beside the network
- body: a large body, read into the buffers that are digested
- swift_address: where credentials may travel to
- swift_secret: the forms of a Secret that opens a Swift account
- swift_answers: what an HTTP status means
- swift_door: where a request goes, with what proves that we may
- swift_keystone: Keystone v3
- swift_login: version 1 authentication, Keystone v3, signed URLs
- swift_session: requests to one account
- swift_object: what the store says of an object
- swift_listing: which objects there are
- swift_download: reading as a stream, resumed and checked
- swift_access: who may read a container
- swift_upload: writing once, in segments if it is large
- swift: all of it as a store
- swift_origin: a dataset in Swift
- files: a dataset on a mounted volume
- spark: a dataset that stays where Spark reads it
- web: requests with redirects followed by hand
- dataverse_metadata: what Dataverse says of a version's files
- dataverse_errors: what an answer of Dataverse means
- receipt: a file that comes in over several attempts
- dataverse: a dataset in Dataverse
"""
