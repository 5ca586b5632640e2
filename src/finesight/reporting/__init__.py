"""A run's numbers and pictures as one HTML file that needs no network."""

from finesight.reporting.page import render_comparison, render_report

__all__ = ["render_comparison", "render_report"]
