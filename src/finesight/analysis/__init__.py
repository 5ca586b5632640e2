"""Understanding a result: maps of what was learned, and which classes lie close."""
