"""The relational IR: what a query means, as a tree of frozen nodes that check themselves when made.

It knows who owns a scan and nothing of who may see it. It does no I/O and imports none of the other packages.

- errors: what can be wrong with a query, with its place in the text
- types: SQL's types, each of which fits one 64-bit word
- expressions: scalar expressions, typed
- patterns: LIKE for equality and prefixes
- guard: what owners ask of all that is computed of their rows
- words: how one value of each type is held in a word
- ranges: how large the words of an expression can become
- magnitude: how large its numbers can be
- recovery: what it tells of what it is computed of, and whether it can be computed without fail
- checks: what all nodes have in common
- window: window functions
- noise: noise on totals
- nodes: relational operators, each with its schema
- walk: go over trees and expressions, and rebuild them
- picks: whether an answer hangs on an order that nobody knows
- show: print a tree
"""
