"""The prediction service; never imports a training framework."""
