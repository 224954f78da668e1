"""Annotation specifications: what a region of a problem must look like; one file each."""

from teppr.problems.contract import PROBLEMS, Label, Problem
from teppr.problems.find import problem_named

__all__ = ["PROBLEMS", "Label", "Problem", "problem_named"]
