"""Which incidents a condition takes: operators, trees of clauses, the index over all conditions, `explain`."""
