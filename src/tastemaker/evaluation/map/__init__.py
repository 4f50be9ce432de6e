"""The catalogue as a map: where the model sees each item, what stands near it, one page to look at."""
