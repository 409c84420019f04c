"""A solver file to events and files: the job, its feeds and tests, the loop over iterations, snapshots and run
folders.
"""
