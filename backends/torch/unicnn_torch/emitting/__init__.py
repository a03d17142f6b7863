"""How a network is written as PyTorch source; nothing here imports PyTorch."""
