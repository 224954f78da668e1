"""Many experiments: batches and grids, folders that are a queue, and the search for better values."""
