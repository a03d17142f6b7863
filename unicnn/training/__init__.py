"""Training: a recipe, described once, that gives the same network on every backend."""
