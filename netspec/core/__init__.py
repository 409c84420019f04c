"""Base of all packages: errors with places, document nodes, shapes, models, rooms, Calls, random keys.

It imports no other package of netspec.
"""
