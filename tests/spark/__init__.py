"""Spark as the tests have it: a server of their own, and the environment with its thin client.

- environment: the client's environment and the server's jars, each made once into the user's cache
- __main__: pytest, run within that environment
- server: a real Spark Connect server on loopback, with a token
- server.lock: where the server's jars come from
"""
