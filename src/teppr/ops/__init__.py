"""Running the service: the processes it consists of, started, watched and ended."""
