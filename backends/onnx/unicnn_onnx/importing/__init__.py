"""The parts of the importer: reading files, walking graphs, translating nodes, naming layers, running the original again."""
