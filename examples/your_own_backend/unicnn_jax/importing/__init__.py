"""The parts of the importer: tracing a module, flattening the trace, what its steps mean, running the original again."""
