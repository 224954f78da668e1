"""The annotation database's door: ingest, design rules, statistics, export."""
