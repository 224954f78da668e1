"""Tasks: one file, one kind of thing that networks learn, from its truth to its figures."""
