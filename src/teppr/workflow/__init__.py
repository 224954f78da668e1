"""Train, Evaluate, Predict, Publish, report: one experiment file drives them all."""
