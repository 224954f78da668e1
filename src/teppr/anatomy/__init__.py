"""What is inside a trained network, and what it responds to: layers, weights, maps, evidence, as values and a page."""
