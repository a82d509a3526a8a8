"""Tests of hypotheses: p-values and significances."""
