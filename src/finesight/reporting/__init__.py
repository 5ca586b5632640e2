"""A run's numbers and images as one HTML file that needs no network."""

from finesight.reporting.html import Page, write_book, write_page
from finesight.reporting.inspection_page import make_inspection_page

__all__ = ["Page", "make_inspection_page", "write_book", "write_page"]
