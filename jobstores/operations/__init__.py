"""What is done to a whole store: check, repair, copy, delete, lay out anew, count.

Each operation is one module. They know backends by the port alone, so all of them work
on all kinds of stores. Each leaves, killed at any moment, the store as it was before or
as it is after, or one that can be told to be unfinished and taken up again.
"""
