"""A run's numbers and images as one self-contained HTML file."""
