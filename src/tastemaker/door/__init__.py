"""Where a bundle's bytes come in: nothing that they claim is believed before it was looked at."""
