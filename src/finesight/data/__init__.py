"""Images and their targets: listed, checked, decoded once, brought to what a network sees."""
