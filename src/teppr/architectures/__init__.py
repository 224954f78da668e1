"""Networks: one file, one architecture behind one interface."""
