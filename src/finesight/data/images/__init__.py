"""Image files to uint8 RGB arrays: what is opened, decoded, scaled and composed, and what is said about it."""
