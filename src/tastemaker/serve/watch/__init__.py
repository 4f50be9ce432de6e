"""Seen from outside: metrics, logs and traces of the service. None of them holds what anybody watched."""
