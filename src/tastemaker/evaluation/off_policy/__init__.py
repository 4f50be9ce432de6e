"""What another policy would have come to, from what one policy logged: estimates, intervals, or a clear no.

`logs` reads what was shown with what chance, `policies` and `bundles` say with what chance another would have
shown it, `support` whether the logs can answer at all, `weighing` and `rewards` estimate, `answer` tells.
"""
