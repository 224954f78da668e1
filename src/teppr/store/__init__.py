"""The annotation database: one contract, a file for each back end, chosen by URL."""
