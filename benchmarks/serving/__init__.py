"""Parts of `benchmarks.serve`: the world that is served, its stages bare, the same with Keras, the load."""
