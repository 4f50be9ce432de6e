"""What could be wrong with a model that no accuracy metric shows: folding, and its negatives."""
