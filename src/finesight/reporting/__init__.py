"""A run's numbers and images as one self-contained HTML file."""

from finesight.reporting.audit_page import make_audit_page
from finesight.reporting.html import Page, write_book, write_page

__all__ = ["Page", "make_audit_page", "write_book", "write_page"]
