"""Positive controls: graphs and features whose hierarchy is known, on which a geometry must show what it can do."""
