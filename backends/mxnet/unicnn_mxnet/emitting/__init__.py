"""How a network is written as Gluon source; nothing here imports MXNet."""
