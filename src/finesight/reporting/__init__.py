"""A run's numbers and images as one HTML file that needs no network."""

from finesight.reporting.comparison_page import make_comparison_page
from finesight.reporting.html import Page, write_book, write_page
from finesight.reporting.inspection_page import make_inspection_page

__all__ = ["Page", "make_comparison_page", "make_inspection_page", "write_book", "write_page"]
