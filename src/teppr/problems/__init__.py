"""Annotation specifications: what a region of a problem must look like; one file each."""

from teppr.problems.contract import PROBLEMS, Problem

__all__ = ["PROBLEMS", "Problem"]
