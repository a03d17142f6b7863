"""The parts of the importer: exporting a module, translating what was exported, running the original again."""
