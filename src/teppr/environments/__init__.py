"""Environments: an architecture's own packages, beside those that teppr runs with."""
