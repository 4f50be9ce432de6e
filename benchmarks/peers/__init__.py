"""The opponents of the training-speed benchmark: the same model, as experts of other libraries write it.

Each peer is a script for the python of an environment of its own, which `environments` builds and runs.
"""
