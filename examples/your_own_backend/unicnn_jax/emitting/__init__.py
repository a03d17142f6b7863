"""The parts of the emitter: how values lie, how layers are spelt, what a file brings along, how it is written."""
