"""The MPC engine: arithmetic on secrets that three parties hold in shares, semi-honest, honest majority.

Replicated secret sharing after Araki et al. (CCS 2016): of a secret x = s_0 + s_1 + s_2 mod 2**64 (or XOR), party i
holds s_i and s_(i+1), so that any two parties could open it and no single one knows anything about it.

What it must not do: read or write anything but its channels; know tables, columns or SQL; branch, or choose a
length, by a secret; open anything but shuffled permutations and what its caller asked to open; log; use a mask
twice; wait without a deadline.

In reading order:
- errors: what can go wrong
- channel: frames, deadlines and counters on non-blocking sockets
- inprocess: all parties in one process, for trials and tests
- arrays: their type and layout
- compiled: how loops run, and where their machine code is kept
- compiler: from Python to machine code, with numba
- kernels: the loops over rows
- randomness: streams that two neighbours have in common; permutations; sharings of zero
- seeds: a fresh one for each pair of neighbours
- memory: keeping freed memory
- costs: rounds and bytes, declared beside each primitive
- party: one of the three: index, network, randomness
- together: independent protocols in the rounds of the longest
- witness: what was opened, compared between the two that hold it
- shares: secret vectors and their linear operations; opening
- deal: sharing what one or two parties know in the clear
- multiply: products and dot products
- planes: bit planes, the layout of circuits
- bits: AND, OR, selection
- adder: log-depth addition of bits
- convert: bits to numbers, numbers to bits
- split: secrets in two parts, the third party being the dealer
- blocks: the loops of carries
- groups: rows as those loops take them
- carry: carries of sums of two views, and what follows from them: signs, less-than
- compare: equality, sign, less-than
- wide: arithmetic mod 2**128 in the clear
- fixed: truncation and fixed-point products without failures
- divide: quotients
- whole: quotients and rests of whole numbers
- root: square roots
- laplace: noise, exactly sampled
- shuffle: secret permutations of columns
- known: orders and rows that one party knows
- move: rows to secret places
- sort: radix sort, partition
- merge: rows that stand sorted in runs
- scan: minimum per run of rows
- warm: compiles every loop, at installation
- twin: the same in the clear, by one alone, in as many rounds
"""
