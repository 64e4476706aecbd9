"""A plan run by exactly two parties: SPU's Cheetah, in the place of our own protocol of three.

SPU needs old versions of numpy and jax, so it lives in an environment and a process of its own, fed by one worker and
speaking to the other's through the workers' TLS channel. Must not: open a socket to a network; pickle.

In reading order:
- program: a plan's MPC steps as lists and names; what cannot be done is refused here
- rows: relational operators on whole columns, whoever computes them
- node: SPU's process, by the Python of its own environment
- tunnel: SPU's connections within the TLS channel of two workers
- party: one party's part: its rows in, the opened rows out
"""
