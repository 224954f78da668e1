"""Figures of merit: detection, by COCO's rules."""
