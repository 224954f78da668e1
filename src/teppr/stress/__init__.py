"""The load tool: asks a prediction service as many clients would, and reports what they would have seen."""
