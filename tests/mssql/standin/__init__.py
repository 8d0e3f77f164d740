"""A stand-in for SQL Server: real TDS and TLS on the wire, and behind it logins, users, grants, sessions and locks that
behave as Microsoft's documentation says.

It is for tests. What it does not know it refuses with an error of its own (number 50000) rather than guess.
"""
