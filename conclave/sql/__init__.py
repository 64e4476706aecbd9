"""SQL to relational IR: the part of DuckDB's dialect that can be computed over data nobody sees as a whole.

What it does not know it refuses, with the place in the text and what to write instead. It reads no data, does not
optimise, and knows nothing of policies.

- parse: text to sqlglot's tree, and where each part of the tree stands in the text
- instead: what to write in the place of what is refused
- refuse: what is valid SQL but not ours, by name
- around: FILTER and OVER around a call
- short_calls: calls that are short for longer ones
- short_clauses: FETCH FIRST, and DISTINCT ON
- shorthand: the query with what is short written out
- scope: which columns a name can mean
- literals: constants of the query's text
- dates: INTERVAL beside a date
- bits: bit operations
- functions: functions and casts, said in the IR's few expressions
- local_functions: functions that owners compute on their own rows
- row_values: rows compared with rows
- conditions: aggregates of conditions
- questions: EXISTS and IN inside an expression, comparisons with ALL and ANY
- bind_expression: scalar expressions
- picks: aggregates that pick a row of each group
- aggregates: the aggregate calls of one SELECT
- frames: which rows a window function is of
- window_forms: window functions that are short for others
- windows: the window functions of one SELECT
- keys: the columns that an equality of two tables is about
- bind_from: FROM and its joins
- one_row: subqueries of one row at most
- bind_subquery: subqueries that read the query around them
- bind_where: WHERE, and what it asks of subqueries
- aliases: names of the list, read elsewhere in a SELECT
- select_items: the list of a SELECT
- grouping_sets: ROLLUP, CUBE and GROUPING SETS
- bind_grouped: a SELECT with aggregates
- bind_select: one SELECT
- bind_order: ORDER BY and LIMIT of the answer
- bind: a whole query
"""
