"""Data sets to train on: Fashion-MNIST, a slice of it inside the package."""

from __future__ import annotations

from unicnn.datasets.dataset import Dataset
from unicnn.datasets.fashion import fashion_mnist

__all__ = ["Dataset", "fashion_mnist"]
