"""What lies on disk, brought to items by split: folders, names, tables, lists and patterns."""
