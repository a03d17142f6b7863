"""Writing networks down in Keras; nothing here imports it."""
