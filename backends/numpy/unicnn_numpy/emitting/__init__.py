"""The parts of the emitter: the layers that an emitted file may contain, and how a network is written with them."""
