"""What happens to a text, told from top to bottom.

Between accepting and performing stands a row in the store, never a promise in memory.

Plain functions of a `Tx` accept and decide; `async` functions perform. Neither opens a socket, reads a clock or knows a
database: all of that comes in the `Bridge`.
"""
