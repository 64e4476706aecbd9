"""Endpoints against real servers: Swift with tempauth, Swift with Keystone, and a proxy in front of them that breaks things.

- conftest: the fixtures
- keystone: a real Keystone beside a real Swift, and what an administrator does with them
- keystone_server: all of Keystone in one process; a program of its own
- keystone_swift_server: all of Swift in one process, with Keystone's middleware; a program of its own
- faults: a proxy that cuts, stalls, trickles, damages and refuses
- mounting: Secrets as the Job mounts them
"""
