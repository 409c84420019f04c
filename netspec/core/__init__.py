"""What every package stands on: errors with places, nodes of documents, shapes, models, rooms, Calls, random keys; it
imports no other package.
"""
