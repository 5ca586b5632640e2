"""What annotation tools write: parsed to shapes of named classes, and drawn once as masks into the cache."""
