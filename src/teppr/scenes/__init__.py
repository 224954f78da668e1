"""Generated scenes: pictures and annotation files made from nothing, for trying teppr out and for its tests."""
