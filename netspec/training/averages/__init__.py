"""Averages of weights: each file holds a way to average weights over the iterations."""
