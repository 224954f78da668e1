"""Datasets: filtered, split, immutable snapshots of the annotation database."""
