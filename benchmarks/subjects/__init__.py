"""What two commits are compared by: one module a subject.

A subject has ``UNIT`` (what a turn is counted in) and ``prepare(data, folder)``, which returns a function
that does one turn and returns the cost in that unit. It may use only what both commits have; a commit that
lacks the module gets that of the other one, and the report says so.
"""
