"""Published models: bundles, releases, acceptance."""
