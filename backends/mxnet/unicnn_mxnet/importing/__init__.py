"""Reading networks of MXNet: Gluon blocks, exported files, and functions written with mx.nd."""
