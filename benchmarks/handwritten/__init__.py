"""The networks as somebody fluent in each framework writes them, with the weights of unicnn loaded."""
