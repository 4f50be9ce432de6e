"""Whether what a bundle is asked is still what it was asked before: alarms between two windows of a log.

`windows` lays two logs side by side, `swaps` tells a change from chance, `measures` are what is compared,
`alarms` holds each to its limit, `report` tells.
"""
